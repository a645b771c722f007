"""Lines of a recording as native messages."""

import pytest

from engine.codecs.samples import RejectedError
from engine.sources.prediction_layout import PredictionLayout
from engine.sources.prediction_lines import advance_of, is_native, native_document

T0_MS = 1_760_000_000_000


def layout(*columns, unit="ms", model="", version="", time_column="ts"):
    return PredictionLayout(
        time_column=time_column,
        unit=unit,
        columns=columns,
        types={},
        model=model,
        version=version,
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (layout("ts", "model"), True),
        (layout("ts", "model", unit=""), True),
        (layout("ts", unit="s"), False),
        (layout("timestamp", time_column="timestamp"), False),
        (layout("ts", "feature.age"), False),
        (layout("ts", "tag.env"), False),
        (layout("ts", model="m"), False),
        (layout("ts", version="1"), False),
    ],
)
def test_lines_that_are_native_need_no_change(given, expected):
    assert is_native(given) == expected


def test_flat_lines_become_native():
    line = {
        "timestamp": T0_MS // 1000,
        "label_ts": T0_MS / 1000 + 0.5,
        "prediction": None,
        "version": "2",
        "feature.age": 1,
        "features": {"zone": "EU"},
        "tag.env": "prod",
    }
    found = native_document(line, layout(unit="s", model="m", version="1", time_column="timestamp"))
    assert found == {
        "ts": "2025-10-09T08:53:20Z",
        "label_ts": "2025-10-09T08:53:20.5Z",
        "version": "2",
        "model": "m",
        "features": {"age": 1, "zone": "EU"},
        "tags": {"env": "prod"},
    }


def test_a_time_that_can_not_be_read_is_rejected():
    with pytest.raises(RejectedError, match="ts is -1, not a time"):
        native_document({"ts": -1}, layout())


@pytest.mark.parametrize(
    ("line", "ts"),
    [
        (b'{"ts":"2025-10-09T08:53:20Z"}', T0_MS * 10**6),
        (b'{"ts":"2025-10-09T08:53:20.000000001Z"}', T0_MS * 10**6 + 1),
        (b'{"ts":"never"}', None),
        (b'{"ts":1760000000000}', None),
        (b'{"ts":"2025-10-09T08:53:20Z","model":"m"}', None),
        (b'["ts"]', None),
        (b"{", None),
    ],
)
def test_a_line_with_nothing_but_a_time_is_an_advance(line, ts):
    assert advance_of(line) == ts
