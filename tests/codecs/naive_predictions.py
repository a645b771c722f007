"""The obvious reading of prediction messages, to compare codecs with; and made messages."""

import json
import math
from hashlib import blake2b

import numpy as np
from hypothesis import strategies as st

TS_MS = 1_760_000_000_000
LARGEST_FLOAT32 = 3.4028235e38

NAMES = st.sampled_from(["a", "b", "c", "d"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["x", "y", "NaN", "", "z" * 300]),
    st.text(max_size=5),
)
VALUES = st.one_of(
    SCALARS,
    st.lists(st.floats(-10, 10, width=32), min_size=0, max_size=3),
    st.lists(SCALARS, max_size=2),
    st.dictionaries(NAMES, SCALARS, max_size=1),
)
ROWS = st.fixed_dictionaries(
    {
        "ts": st.integers(TS_MS, TS_MS + 1000),
        "model": st.sampled_from(["m", "n"]),
        "prediction_id": st.sampled_from(["1", "2", "3"]),
    },
    optional={
        "version": st.sampled_from(["1", "2"]),
        "features": st.dictionaries(NAMES, VALUES, max_size=4),
        "prediction": VALUES,
        "score": st.one_of(st.none(), st.floats(0, 1)),
        "label": VALUES,
        "label_ts": st.one_of(st.none(), st.integers(TS_MS, TS_MS + 1000)),
        "tags": st.one_of(st.none(), st.dictionaries(NAMES, SCALARS, max_size=2)),
    },
)
ODD_ROWS = st.fixed_dictionaries(
    {},
    optional={
        "ts": st.one_of(VALUES, st.integers(TS_MS, TS_MS + 9), st.just("2026-01-01T00:00:00Z")),
        "model": VALUES,
        "version": VALUES,
        "prediction_id": VALUES,
        "features": VALUES,
        "prediction": VALUES,
        "label": VALUES,
        "label_ts": VALUES,
        "tags": VALUES,
    },
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)


def key_of(model, identity):
    digest = blake2b(f"{model}".encode() + b"\xff" + identity.encode() + b"\xff", digest_size=8)
    return int.from_bytes(digest.digest(), "big") if identity else 0


def value_at(column, row, name=None):
    """Read one value of a column as JSON has it; a text is its length, a null None."""
    if column.kind == "embedding":
        place = [*column.rows].index(row) if row in column.rows else None
        return None if place is None else [float(x) for x in column.values[place]]
    value = column.values[row].item()
    if column.kind == "categorical":
        return None if value < 0 else column.names[value]
    if column.kind == "boolean":
        return None if value < 0 else bool(value)
    return None if math.isnan(value) else value


def rows_of(tables):
    """List the rows of tables as (model, version, message, ts, id, features) without nulls."""
    found = []
    for table in tables:
        for row in range(len(table)):
            features = {
                name: value
                for name, column in table.features.items()
                if (value := value_at(column, row)) is not None
            }
            found.append(
                (
                    table.model,
                    table.version,
                    int(table.message[row]),
                    int(table.ts[row]),
                    table.ids[row],
                    features,
                )
            )
    return found


def naive_features(rows):
    """Keep the values of each (model, feature) that are of the kind of its first usable value.

    Categories of any length stay categories: rows with long text are for other tests.
    """
    kinds = {}
    kept = []
    for row in rows:
        features = {}
        for name, value in row.get("features", {}).items():
            kind = naive_kind(value)
            if kind is None:
                continue
            first = kinds.setdefault((row["model"], name), kind)
            if kind == first and not is_too_large(value):
                features[name] = naive_value(value)
        kept.append(features)
    return kept


def is_too_large(value):
    if isinstance(value, list):
        return any(is_too_large(x) or abs(x) > LARGEST_FLOAT32 for x in value)
    if isinstance(value, str):
        return False
    try:
        return math.isinf(float(value))
    except OverflowError:
        return True


def naive_kind(value):
    if value is None or value in ("NaN", "nan"):
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "numeric"
    if isinstance(value, str):
        return "categorical"
    if isinstance(value, list) and value and all(type(x) in (int, float) for x in value):
        return len(value)
    return None


def naive_value(value):
    if isinstance(value, list):
        return [float(np.float32(x)) for x in value]
    return value if isinstance(value, str | bool) else float(value)


def encoded(document):
    return json.dumps(document).encode()
