"""Guesses what the keys of flat rows of predictions are, from their names."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from engine.codecs.prediction_documents import documents_of
from engine.codecs.samples import Limits, RejectedError
from engine.config.prediction_fields import PredictionFields

_LOOKED_AT = 200
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prediction_id": ("prediction_id", "request_id", "id"),
        "timestamp": ("prediction_timestamp", "timestamp", "ts", "time", "event_time"),
        "model": ("model", "model_name"),
        "version": ("model_version", "version"),
        "prediction": ("prediction", "predicted"),
        "score": ("score", "probability"),
        "actual": ("actual", "label", "target", "ground_truth"),
        "actual_timestamp": ("actual_timestamp", "label_timestamp", "label_ts"),
    }
)
"""Usual keys of each role; the first are the defaults."""

# Numbers above these count in the unit: in seconds, times of the years 2001 to 5138.
_ABOVE: tuple[tuple[float, Literal["s", "ms", "us", "ns"]], ...] = (
    (1e17, "ns"),
    (1e14, "us"),
    (1e11, "ms"),
    (0, "s"),
)


def flat_fields(payloads: Sequence[bytes], topic: str, limits: Limits) -> PredictionFields:
    """Guess the roles of keys.

    Parameters
    ----------
    payloads : sequence of bytes
        The first 200 are looked at.
    topic : str
        Names the model if rows name none.
    limits : Limits
        Of messages.
    """
    rows: list[dict[str, Any]] = []
    for payload in payloads[:_LOOKED_AT]:
        try:
            documents = documents_of(payload, limits)
        except RejectedError:
            continue
        rows += [row for row in documents if isinstance(row, dict)]
    keys = {key for row in rows for key in row}
    chosen: dict[str, Any] = {
        role: next((name for name in names if name in keys), names[0])
        for role, names in _NAMES.items()
    }
    if chosen["score"] == "score":
        del chosen["score"]  # as by default
    times = (row.get(chosen["timestamp"]) for row in rows)
    numbers = [one for one in times if isinstance(one, int | float) and not isinstance(one, bool)]
    unit = _unit_of(sorted(numbers)[len(numbers) // 2]) if numbers else "ms"
    return PredictionFields(**chosen, model_name=topic, timestamp_unit=unit)


def _unit_of(number: float) -> Literal["s", "ms", "us", "ns"]:
    return next((unit for above, unit in _ABOVE if number > above), "ms")
