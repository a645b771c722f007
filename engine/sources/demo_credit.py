"""The demo's credit model: will a loan default? Its inputs move, and then the world does.

The model is a logistic one, and right at first: customers default as often as its score says.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sources.demo_arrivals import (
    DAY_MS,
    START_MS,
    Row,
    arrivals,
    chosen,
    day_of,
    in_order,
    sigmoid,
)

MODEL = "credit"
VERSION = "7"
PREDICTIONS = 30_000

MISSING_BEGIN_DAY, MISSING_END_DAY = 2 + 8 / 24, 2 + 20 / 24
MISSING_SHARE = 0.4
SHIFT_REGION = "south"
SHIFT_BEGIN_DAY, SHIFT_END_DAY = 3 + 10 / 24, 5.0
SHIFT_FACTOR = 0.75  # net of gross income
CONCEPT_BEGIN_DAY = 5 + 6 / 24
CONCEPT_LOG_ODDS = 0.8
CONCEPT_DEBT_WEIGHT = 2.5

LABEL_DELAY_MAX_DAYS = 3.0
NEVER_LABELLED_SHARE = 0.05
CORRECTED_SHARE = 0.02
CORRECTION_DELAY_MAX_DAYS = 0.5

_REGIONS = (("north", 0.45), ("south", 0.3), ("west", 0.25))
_HOMES = (("rent", 0.5), ("mortgage", 0.3), ("own", 0.2))
_PURPOSES = (("car", 0.35), ("home", 0.25), ("debt", 0.2), ("study", 0.1), ("other", 0.1))
_CHANNELS = (("web", 0.55), ("branch", 0.25), ("partner", 0.2))
_TERMS = (("12", 0.15), ("24", 0.25), ("36", 0.3), ("48", 0.15), ("60", 0.15))
_HOME_WEIGHTS = {"rent": 0.3, "mortgage": 0.0, "own": -0.3}
_INCOME, _LOAN, _DEBT = 2800.0, 6000.0, 0.29  # usual values
_BASE, _INCOME_WEIGHT, _LOAN_WEIGHT, _DEBT_WEIGHT = -1.1, -0.9, 0.6, 2.5
_LATE_WEIGHT, _YEARS_WEIGHT, _YEARS_MAX = 0.5, -0.04, 20.0
_YEARS_MEAN, _LATE_MEAN = 6.0, 0.6
_YEARS_MISSING_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class CreditRows:
    """What the model said and what became of it, each in order of time.

    Attributes
    ----------
    predictions : list of Row
    labels : list of Row
        Those that have come by the end of the demo; corrections are further labels of an id.
    """

    predictions: list[Row]
    labels: list[Row]


def generate_credit(seed: int, days: int, count: int = PREDICTIONS) -> CreditRows:
    """Make the predictions and labels of the credit model; inputs do not depend on the hour.

    Parameters
    ----------
    seed : int
    days : int
    count : int
        Predictions.
    """
    rng = np.random.default_rng((seed, 2))
    ts = arrivals(rng, count, days)
    day = day_of(ts)
    region = chosen(rng, _REGIONS, count)
    features = _features(rng, count)
    true_log_odds = _log_odds(features)
    net = (region == SHIFT_REGION) & (day >= SHIFT_BEGIN_DAY) & (day < SHIFT_END_DAY)
    features["income"] = _rounded(features["income"] * np.where(net, SHIFT_FACTOR, 1.0))
    score = np.round(sigmoid(_log_odds(features)), 4)
    changed = CONCEPT_LOG_ODDS + CONCEPT_DEBT_WEIGHT * (features["debt_ratio"] - _DEBT)
    true_log_odds += np.where(day >= CONCEPT_BEGIN_DAY, changed, 0.0)
    defaulted = rng.random(count) < sigmoid(true_log_odds)

    lost = (day >= MISSING_BEGIN_DAY) & (day < MISSING_END_DAY) & (features["channel"] == "web")
    missing = rng.random(count) < np.where(lost, MISSING_SHARE, _YEARS_MISSING_SHARE)
    names = list(features)
    columns = [values.tolist() for values in features.values()]
    predictions: list[Row] = []
    for number, values in enumerate(zip(*columns, strict=True)):
        given = dict(zip(names, values, strict=True))
        if missing[number]:
            given["years_employed"] = None
        predictions.append(
            (
                int(ts[number]),
                {
                    "model": MODEL,
                    "version": VERSION,
                    "prediction_id": _id(number),
                    "features": given,
                    "prediction": int(score[number] >= 0.5),
                    "score": float(score[number]),
                    "tags": {"region": str(region[number])},
                },
            )
        )
    end_ms = START_MS + days * DAY_MS
    return CreditRows(predictions, _labels(rng, ts, defaulted, end_ms))


def _features(rng: np.random.Generator, count: int) -> dict[str, NDArray[Any]]:
    return {
        "age": rng.normal(42, 12, count).clip(18, 80).astype(np.int64),
        "income": _rounded(_INCOME * rng.lognormal(0, 0.45, count)),
        "loan": _rounded(_LOAN * rng.lognormal(0, 0.6, count)).clip(500),
        "term_months": chosen(rng, _TERMS, count).astype(np.int64),
        "debt_ratio": np.round(rng.beta(2, 5, count), 3),
        "years_employed": np.round(rng.exponential(_YEARS_MEAN, count), 1),
        "late_payments": rng.poisson(_LATE_MEAN, count),
        "home": chosen(rng, _HOMES, count),
        "purpose": chosen(rng, _PURPOSES, count),
        "channel": chosen(rng, _CHANNELS, count),
    }


def _rounded(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.round(amounts, -1).astype(np.int64)


def _log_odds(features: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Give the model's log-odds of a default, float64[n]."""
    number = {
        name: values.astype(np.float64)
        for name, values in features.items()
        if np.issubdtype(values.dtype, np.number)
    }
    home = np.array([_HOME_WEIGHTS[str(value)] for value in features["home"]])
    years = np.minimum(number["years_employed"], _YEARS_MAX)
    result: NDArray[np.float64] = (
        _BASE
        + home
        + _INCOME_WEIGHT * np.log(number["income"] / _INCOME)
        + _LOAN_WEIGHT * np.log(number["loan"] / _LOAN)
        + _DEBT_WEIGHT * (number["debt_ratio"] - _DEBT)
        + _LATE_WEIGHT * (number["late_payments"] - _LATE_MEAN)
        + _YEARS_WEIGHT * (years - _YEARS_MEAN)
    )
    return result


def _labels(
    rng: np.random.Generator,
    ts: NDArray[np.int64],
    defaulted: NDArray[np.bool_],
    end_ms: int,
) -> list[Row]:
    """Say what became of loans; some labels are wrong at first, and corrected."""
    count = len(ts)
    delay_ms = np.floor(rng.beta(1, 3, count) * LABEL_DELAY_MAX_DAYS * DAY_MS)
    known = ts + delay_ms.astype(np.int64)
    correction_ms = 1 + np.floor(rng.random(count) * CORRECTION_DELAY_MAX_DAYS * DAY_MS)
    corrected_at = known + correction_ms.astype(np.int64)
    is_known = rng.random(count) >= NEVER_LABELLED_SHARE
    is_corrected = rng.random(count) < CORRECTED_SHARE
    rows: list[Row] = []
    for number in np.flatnonzero(is_known & (known < end_ms)).tolist():
        wrong = bool(is_corrected[number])
        rows.append(_label(int(known[number]), number, bool(defaulted[number]) != wrong))
        if wrong and corrected_at[number] < end_ms:
            rows.append(_label(int(corrected_at[number]), number, bool(defaulted[number])))
    return in_order(rows)


def _label(ts_ms: int, number: int, has_defaulted: bool) -> Row:
    return ts_ms, {"model": MODEL, "prediction_id": _id(number), "label": int(has_defaulted)}


def _id(number: int) -> str:
    return f"c{number:06d}"
