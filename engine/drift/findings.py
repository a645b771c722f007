"""What a comparison of a window with its reference finds, feature by feature."""

from dataclasses import dataclass

from engine.codecs.predictions import Kind

PREDICTION, SCORE = "(prediction)", "(score)"
"""Names of the model's outputs where features are named."""

ALL_FEATURES = "(all)"
"""Names what is found in all features together."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """One method's answer.

    Attributes
    ----------
    method : str
        Such as ``psi``, ``wasserstein``, ``ks``, ``missing``, ``mmd``.
    score : float
        The effect: how far window and reference are apart, in the method's own unit.
    p_value : float
        How often such a score comes by chance at these numbers of rows, if nothing has changed;
        NaN if the method has no answer to that.
    """

    method: str
    score: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Moved:
    """A value or range of values, and its shares of the reference's and of the window's rows."""

    value: str
    reference_share: float
    window_share: float


@dataclass(frozen=True, slots=True)
class Picture:
    """Both distributions in small.

    Attributes
    ----------
    bins : tuple of str
        Categories, or ranges such as ``12.5..17``; a dozen or so.
    reference, window : tuple of float
        Share of the rows in each bin, together 1 or less.
    """

    bins: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """What a window's values of one feature are against the reference's.

    Attributes
    ----------
    feature : str
        A feature's name, `PREDICTION`, `SCORE` or `ALL_FEATURES`.
    kind : Kind or None
        None for all features together.
    rows, reference_rows : int
        Values that are no nulls.
    statistics : tuple of Statistic
        Empty if there is not enough data.
    gauges : dict of str to float
        Shares that are no tests: ``missing_ratio``, ``unseen_ratio``, ``out_of_range_ratio``,
        ``distinct_values``. Those that do not apply to the kind are left out.
    moved : tuple of Moved
        The values that moved most, first the largest change.
    picture : Picture or None
    """

    feature: str
    kind: Kind | None
    rows: int
    reference_rows: int
    statistics: tuple[Statistic, ...]
    gauges: dict[str, float]
    moved: tuple[Moved, ...] = ()
    picture: Picture | None = None
