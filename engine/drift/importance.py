"""How much each feature matters to a model: learned from what the model answers, or given.

River's linear regression follows the model's own output from its features. A feature's importance
is the standard deviation of its part of the answer: of a standardised number the weight's size, of
a categorical feature that of its categories' weights, by how often each occurs. It is 1 on average.
"""

import importlib
import math
from collections.abc import Mapping
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind

ROWS_MAX = 200
"""Rows of a window that are learned from; fewer if there are very many features."""

VALUES_MAX = 50_000
"""Rows times features of a window that are learned from."""

CATEGORIES_MAX = 20
"""Categories of a feature with a weight of their own, those met first."""

VALUE_MAX = 1e100
"""Larger values are left out: their squares would overflow, and nothing be learned any more."""

FLOOR = 0.1
"""What does not seem to matter to the model may still matter to those who look at it."""

MEMORY_ROWS = 10_000.0
"""Means and variances forget what is much longer ago."""

_SMOOTHING = 0.2
_STANDARDISED_MAX = 3.0
# With it no step of gradient descent overshoots: values are within 3 standard deviations, and River
# moves the weights by twice the error times the rate.
_RATE = 0.1
_ROWS_MIN = 20
_OTHER_CATEGORY = CATEGORIES_MAX
_TARGET = ""


class Moments(msgspec.Struct, frozen=True):
    """Weight of the rows, mean and variance."""

    weight: float = 0.0
    mean: float = 0.0
    variance: float = 0.0

    def merged(self, values: NDArray[np.float64]) -> Self:
        """Take in values, float64[n] without NaN; by Chan et al. 1979, with a bounded memory."""
        if not len(values):
            return self
        mean, variance = float(values.mean()), float(values.var())
        weight = self.weight + len(values)
        part = len(values) / weight
        gap = mean - self.mean
        between = part * (1 - part) * gap * gap
        within = self.variance + part * (variance - self.variance)
        return type(self)(min(weight, MEMORY_ROWS), self.mean + part * gap, within + between)

    def standardised(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give values in standard deviations from the mean, at most 3; 0 of what is constant."""
        deviation = math.sqrt(self.variance)
        if deviation <= 1e-12 * max(1.0, abs(self.mean)):
            return np.zeros(len(values))
        scaled = (values - self.mean) / deviation
        return np.clip(scaled, -_STANDARDISED_MAX, _STANDARDISED_MAX)


class ImportanceState(msgspec.Struct, frozen=True):
    """What is remembered.

    Attributes
    ----------
    importance : dict of str to float
    moments : dict of str to Moments
        Of numbers by feature, and of the target under an empty name.
    frequencies : dict of str to list of float
        Of categories by feature, by code; the last one is that of all others.
    weights : list of (str, int, float)
        Of feature and category's code, -1 for a number.
    intercept : float
    """

    importance: dict[str, float]
    moments: dict[str, Moments]
    frequencies: dict[str, list[float]]
    weights: list[tuple[str, int, float]]
    intercept: float


class Importance:
    """Importance of a model's features.

    Parameters
    ----------
    given : mapping of str to float, optional
        Then nothing is learned, and features that it leaves out have 1.
    """

    def __init__(self, given: Mapping[str, float] | None = None) -> None:
        self._given = dict(given) if given else None
        self._importance: dict[str, float] = {}
        self._moments: dict[str, Moments] = {}
        self._frequencies: dict[str, NDArray[np.float64]] = {}
        self._learner: Any = None

    def of(self, feature: str) -> float:
        """Give a feature's importance; 1 if nothing is known of it."""
        return (self._importance if self._given is None else self._given).get(feature, 1.0)

    def learn(
        self,
        columns: Mapping[str, Column],
        target: NDArray[np.float64],
        key: NDArray[np.uint64] | None = None,
    ) -> None:
        """Learn from a window.

        Parameters
        ----------
        columns : mapping of str to Column
            Features; embeddings are left out, and keep 1.
        target : float64[n]
            The model's score or prediction; rows with NaN are left out.
        key : uint64[n], optional
            Hashes that decide which rows are used, so that neither order nor cuts matter; 0: none.
            Without any, rows are taken evenly.
        """
        used = {name: columns[name] for name in sorted(columns) if _is_used(columns[name])}
        if self._given is not None or not used:
            return
        rows = _chosen(target, key, min(ROWS_MAX, max(_ROWS_MIN, VALUES_MAX // len(used))))
        if len(rows) < _ROWS_MIN:
            return
        answers = self._scaled(_TARGET, target[rows])
        if not answers.any():
            return  # a constant answer tells nothing
        inputs: list[dict[tuple[str, int], float]] = [{} for _ in rows]
        for name, column in used.items():
            self._put(inputs, name, column, rows)
        fit = self._follow(inputs, answers, len(used))
        self._weigh(sorted(used), fit)

    def snapshot(self) -> ImportanceState:
        """Give all that is remembered, as plain values."""
        weights = {} if self._learner is None else self._learner.weights
        return ImportanceState(
            importance=dict(self._importance),
            moments=dict(self._moments),
            frequencies={name: shares.tolist() for name, shares in self._frequencies.items()},
            weights=[(*key, float(weights[key])) for key in sorted(weights)],
            intercept=0.0 if self._learner is None else float(self._learner.intercept),
        )

    def restore(self, state: ImportanceState) -> None:
        """Go on from a snapshot."""
        self._importance = dict(state.importance)
        self._moments = dict(state.moments)
        self._frequencies = {n: np.array(shares) for n, shares in state.frequencies.items()}
        if not state.weights:
            self._learner = None
            return
        self._learner = _new_learner()
        self._learner.intercept = state.intercept
        weights = {(name, code): weight for name, code, weight in state.weights}
        # River has no other way to set weights.
        vector = importlib.import_module("river.utils").VectorDict(weights)
        self._learner._weights = vector  # noqa: SLF001

    def _scaled(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardise values, with what is known including them; NaN stays NaN."""
        known = self._moments.get(name, Moments()).merged(values[~np.isnan(values)])
        self._moments[name] = known
        return known.standardised(values)

    def _put(
        self,
        inputs: list[dict[tuple[str, int], float]],
        name: str,
        column: Column,
        rows: NDArray[np.int64],
    ) -> None:
        """Put a feature's values into the learner's rows; what is null is left out."""
        if column.kind is Kind.CATEGORICAL:
            self._moments.pop(name, None)
            codes = np.minimum(column.values[rows], _OTHER_CATEGORY)
            self._count(name, codes[codes >= 0])
            for row, code in zip(inputs, codes.tolist(), strict=True):
                if code >= 0:
                    row[name, code] = 1.0
            return
        self._frequencies.pop(name, None)  # a string feature may turn out to be text
        values = column.values[rows].astype(np.float64)
        if column.kind is Kind.BOOLEAN:
            values[values < 0] = np.nan
        values[np.abs(values) > VALUE_MAX] = np.nan
        for row, value in zip(inputs, self._scaled(name, values).tolist(), strict=True):
            if not math.isnan(value):
                row[name, -1] = value

    def _count(self, name: str, codes: NDArray[np.int32]) -> None:
        counts = np.bincount(codes, minlength=CATEGORIES_MAX + 1).astype(np.float64)
        counts += self._frequencies.get(name, 0.0)
        total = counts.sum()
        self._frequencies[name] = counts * min(1.0, MEMORY_ROWS / total) if total else counts

    def _follow(
        self,
        inputs: list[dict[tuple[str, int], float]],
        answers: NDArray[np.float64],
        features: int,
    ) -> float:
        """Learn row by row; give the correlation with what was predicted before each was seen."""
        if self._learner is None:
            self._learner = _new_learner()
        rate = _RATE / (features + 1)
        schedulers = importlib.import_module("river.optim.schedulers")
        self._learner.optimizer.lr = schedulers.Constant(rate)
        self._learner.intercept_lr = schedulers.Constant(rate)
        left = 0.0
        for row, answer in zip(inputs, answers.tolist(), strict=True):
            left += (self._learner.predict_one(row) - answer) ** 2
            self._learner.learn_one(row, answer)
        return math.sqrt(max(0.0, 1 - left / float((answers**2).sum())))

    def _weigh(self, names: list[str], fit: float) -> None:
        """Bring importance up to date; what the learner can't explain counts for all features."""
        weights = self._learner.weights
        parts = np.array([self._part(name, weights) for name in names])
        mean = float(parts.mean())
        relative = parts / mean if mean > 0 else np.ones(len(parts))
        for name, part in zip(names, relative.tolist(), strict=True):
            now = max(FLOOR, 1 + fit * (part - 1))
            self._importance[name] = self.of(name) + _SMOOTHING * (now - self.of(name))

    def _part(self, name: str, weights: Mapping[tuple[str, int], float]) -> float:
        """Standard deviation of a feature's part of the answer."""
        if name not in self._frequencies:
            return abs(weights.get((name, -1), 0.0))
        counts = self._frequencies[name]
        if not counts.any():
            return 0.0
        shares = counts / counts.sum()
        its = np.array([weights.get((name, code), 0.0) for code in range(len(shares))])
        return math.sqrt(float((shares * (its - float((shares * its).sum())) ** 2).sum()))


def _is_used(column: Column) -> bool:
    return column.kind is not Kind.EMBEDDING


def _chosen(
    target: NDArray[np.float64], key: NDArray[np.uint64] | None, rows_max: int
) -> NDArray[np.int64]:
    """Rows with an answer: those with the least hashes, in their order, or evenly without."""
    rows = np.flatnonzero(np.abs(target) <= VALUE_MAX)
    if key is not None and key[rows].any():
        rows = rows[key[rows] != 0]
        return rows[np.argsort(key[rows], kind="stable")[:rows_max]]
    if len(rows) > rows_max:
        return rows[np.arange(rows_max) * len(rows) // rows_max]
    return rows


def _new_learner() -> Any:
    """River is imported only where something is learned."""
    linear_model = importlib.import_module("river.linear_model")
    sgd = importlib.import_module("river.optim").SGD
    return linear_model.LinearRegression(optimizer=sgd(_RATE), intercept_lr=_RATE)
