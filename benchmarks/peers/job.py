"""The job that every peer does, in one place: EWMA z-scores per series, alerts far off.

Per series (name, labels): an exponentially weighted mean and variance. A sample that lies six
deviations off is an alert (ts, name, labels, z); then the sample goes into the state, alert or not.
It is the job of ``plain_loop`` in ``benchmarks/kafka_throughput.py``.
"""

import msgspec

WEIGHT = 0.01
FIRST_VARIANCE = 25.0
BOUND_SQUARED = 36.0

State = tuple[float, float]


class Sample(msgspec.Struct, gc=False):
    """A row as it stands in a message; labels stay as they are written."""

    ts: int
    name: str
    value: float
    labels: msgspec.Raw = msgspec.Raw(b"{}")


decode = msgspec.json.Decoder(Sample).decode


def step(state: State | None, value: float) -> tuple[State, float | None]:
    """Take a value into a series' mean and variance; give its z-score if it is an alert."""
    if state is None:
        return (value, FIRST_VARIANCE), None
    mean, variance = state
    off = value - mean
    z = off / variance**0.5 if off * off > BOUND_SQUARED * variance else None
    return (mean + WEIGHT * off, (1.0 - WEIGHT) * (variance + WEIGHT * off * off)), z


def alert_text(ts: int, name: str, labels: bytes, z: float) -> bytes:
    """Write an alert as JSON."""
    return msgspec.json.encode({"ts": ts, "name": name, "labels": msgspec.Raw(labels), "z": z})
