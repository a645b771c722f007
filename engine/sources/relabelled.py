"""Relabelling at input: each series once in Python, each row by a compiled lookup.

A codec gives a series in `new_series` before or with its first row, and says nothing of it again.
So what is known of a series must not be forgotten while its codec lives: `SievedCodec` replaces
both together.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.codecs.samples import Announcer
from engine.config.relabel import RelabelConfig, compile_pattern
from engine.kernels.fingerprint_map import KEPT, UNKNOWN, FingerprintMap
from engine.promql.selector import Selector, parse_selector
from engine.series.columns import FLAG_DROPPED, Columns
from engine.series.identity import NAME_LABEL, Series
from engine.series.relabel import Condition, RelabelRule, Template, any_series, relabel, remembering

_NAMES_REMEMBERED = 4096  # to tell at once whether a selector of only a name matches


def compile_rule(config: RelabelConfig) -> RelabelRule:
    """Compile a rule of the configuration.

    Raises
    ------
    ValueError
        The selector or the pattern can't be used; the configuration's reader finds both before.
    """
    action: str = config.action
    matches = any_series if config.match is None else _condition(parse_selector(config.match))
    if config.decided_by_match and action == "keep":
        # "Keep what matches" is "drop the rest": a rule is applied to what its selector matches.
        action, matches = "drop", _negated(matches)

    return RelabelRule(
        action=action,
        full_match=remembering(compile_pattern(config.regex)),
        matches=matches,
        source_labels=config.source_labels,
        separator=config.separator,
        modulus=config.modulus or 1,
        target_label=Template(config.target_label),
        replacement=Template(config.replacement),
    )


def _condition(selector: Selector) -> Condition:
    if any(matcher.name != NAME_LABEL for matcher in selector.matchers):
        return selector.matches
    # Names are few, and a selector is mostly of them alone.
    by_name = lru_cache(maxsize=_NAMES_REMEMBERED)(lambda name: selector.matches(name, {}))
    return lambda name, _labels: by_name(name)


def _negated(condition: Condition) -> Condition:
    return lambda name, labels: not condition(name, labels)


class Relabelling:
    """Relabels what one codec, or one recording, decodes.

    Parameters
    ----------
    rules : sequence of RelabelConfig
    entries_max : int
        Of how many new series it is remembered that `new_series` had them, and at how many old
        series it is `full`.
    """

    def __init__(self, rules: Sequence[RelabelConfig], *, entries_max: int = 1 << 20) -> None:
        self._rules = tuple(map(compile_rule, rules))
        self._entries_max = entries_max
        self.clear()

    @property
    def full(self) -> bool:
        """Whether codec and map should begin anew; the map still takes what comes."""
        return len(self._known) >= self._entries_max

    def clear(self) -> None:
        """Forget all series; only together with the codec, which must give them again."""
        self._known = FingerprintMap()
        self._announcer = Announcer(self._entries_max)

    def relabel(self, series: Series) -> Series | None:
        """Relabel one series; None if it is dropped."""
        return relabel(series, self._rules)

    def learn(self, new_series: Sequence[Series]) -> list[Series]:
        """Relabel series that a codec met for the first time.

        Returns
        -------
        list of Series
            Those that go on and were not given before: two old ones may be the same new one.
        """
        given: list[Series] = []
        pairs: dict[int, int | None] = {}
        for old in new_series:
            new = self.relabel(old)
            pairs[old.fingerprint] = None if new is None else new.fingerprint
            if new is not None:
                self._announcer.announce(new, given)
        self._known.update(pairs)
        return given

    def translate(
        self, fingerprint: NDArray[np.uint64]
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Look up the new fingerprints of rows.

        Parameters
        ----------
        fingerprint : uint64[n]
            Of series that `learn` was told of.

        Returns
        -------
        new : uint64[n]
            Anything where the row is dropped.
        kept : bool[n]

        Raises
        ------
        LookupError
            A series was never announced: there is a mistake in the codec.
        """
        new, state = self._known.find(fingerprint)
        if (state == UNKNOWN).any():
            raise LookupError("rows of a series that its codec has not given in new_series")
        return new, state == KEPT

    def apply(
        self, columns: Columns, new_series: Sequence[Series]
    ) -> tuple[Columns, list[Series], int]:
        """Relabel rows; those of dropped series get `FLAG_DROPPED`.

        Returns
        -------
        columns : Columns
            As many, in the same order.
        new_series : list of Series
            As `learn` gives them.
        dropped : int
            How many rows were dropped.
        """
        given = self.learn(new_series)
        fingerprint, kept = self.translate(columns.fingerprint)
        flags = np.where(kept, columns.flags, columns.flags | FLAG_DROPPED)
        relabelled = Columns(fingerprint, columns.ts, columns.value, flags)
        return relabelled, given, len(kept) - int(np.count_nonzero(kept))
