"""Feedback messages: what is read, and what becomes a dead letter; verdicts packed into rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.feedback import FeedbackCodec
from engine.codecs.samples import Limits, RejectedError
from engine.codecs.series_text import series_of_text
from engine.codecs.verdicts import ALL_DETECTORS, UNIT_NS, VERDICTS, packed, unpacked
from engine.events import rfc3339
from engine.series.columns import FLAG_FEEDBACK
from engine.series.identity import Series

CODEC = FeedbackCodec(("default", "ewma"), limits=Limits(max_labels=3, max_label_bytes=100))
CPU = Series.of("cpu_usage", {"host": "web-3"})
TS = 1_760_000_000_000_000_000


def said(decoded):
    columns = decoded.columns
    verdict, detector, judged = unpacked(columns.value, columns.ts)
    return list(zip(columns.ts, judged, verdict, detector, strict=True))


@pytest.mark.parametrize(
    ("ts", "series"),
    [
        ("1760000000000", '"cpu_usage{host=\\"web-3\\"}"'),
        ('"2025-10-09T08:53:20Z"', '{"name": "cpu_usage", "labels": {"host": "web-3"}}'),
        ("1760000000000.0", '"{__name__=\\"cpu_usage\\", host = \\"web-3\\" , }"'),
    ],
)
def test_a_record_says_which_sample_is_meant(ts, series):
    text = f'{{"ts": {ts}, "series": {series}, "verdict": "miss", "comment": "mine"}}'
    decoded = CODEC.decode([text.encode()])
    assert decoded.new_series == [CPU]
    assert decoded.columns.flags.tolist() == [FLAG_FEEDBACK]
    assert decoded.columns.fingerprint.tolist() == [CPU.fingerprint]
    assert said(decoded) == [(TS, TS, VERDICTS.index("miss"), ALL_DETECTORS)]


def test_a_record_may_say_which_detector_is_meant_and_when_it_was_given():
    text = """[
        {"ts": 1760000000000, "series": "a", "verdict": "retract", "detector": "ewma"},
        {"ts": 1760000000000, "series": "a", "verdict": "false_alarm", "at": 1760000009000},
        {"ts": 1760000000000, "series": "a", "verdict": "false_alarm", "at": 1759999999000}
    ]"""
    decoded = CODEC.decode([text.encode()])
    retract, false_alarm = VERDICTS.index("retract"), VERDICTS.index("false_alarm")
    assert said(decoded) == [
        (TS, TS, retract, 2),
        (TS + 9 * 10**9, TS, false_alarm, ALL_DETECTORS),
        # Nobody judges what has not been.
        (TS + UNIT_NS, TS, false_alarm, ALL_DETECTORS),
    ]
    assert decoded.message.tolist() == [0, 0, 0]
    assert len(decoded.new_series) == 1


GOOD = '{"ts": 1, "series": "a", "verdict": "miss"}'


@pytest.mark.parametrize(
    ("message", "reason", "detail"),
    [
        (b"{", "decode_error", ""),
        (b"\xff", "decode_error", ""),
        (b"[" * 100_000, "decode_error", ""),
        (b"3", "schema_error", "the record is no object"),
        (b"{}", "bad_timestamp", "ts is missing, not epoch milliseconds or RFC 3339"),
        (GOOD.replace("1", "true").encode(), "bad_timestamp", "ts is True"),
        (GOOD.replace("1", '"today"').encode(), "bad_timestamp", "ts is today"),
        (GOOD.replace("1", '1, "at": -1').encode(), "bad_timestamp", "at is -1"),
        (GOOD.replace("miss", "Miss").encode(), "schema_error", "verdict is Miss, not one of fal"),
        (GOOD.replace('"a"', "null").encode(), "schema_error", "series is missing, or neither"),
        (GOOD.replace('"a"', '{"name": 1}').encode(), "schema_error", "series is missing, or"),
        (GOOD.replace('"a"', '"a b"').encode(), "schema_error", "series is a b, not like cpu"),
        (GOOD.replace('"a"', '"{}"').encode(), "schema_error", "name is empty"),
        (
            GOOD.replace("}", ', "detector": "x"}').encode(),
            "schema_error",
            "there is no detector x; there are: default, ewma",
        ),
        (b" " * 2_000_000, "too_large", "2000000 bytes are more than 1048576"),
    ],
)
def test_what_can_not_be_used_is_a_dead_letter(message, reason, detail):
    decoded = CODEC.decode([message, GOOD.encode()])
    (reject,) = decoded.rejects
    assert (reject.reason, reject.message, reject.row) == (reason, 0, None)
    assert reject.detail.startswith(detail)
    assert decoded.message.tolist() == [1]
    assert CODEC.read(message, 7) == ([], [type(reject)(7, reason, reject.detail)])


def test_of_an_array_only_the_bad_records_are_dead_letters():
    decoded = CODEC.decode([f"[{GOOD}, 3, {GOOD}]".encode()])
    assert decoded.message.tolist() == [0, 0]
    assert [(item.message, item.row) for item in decoded.rejects] == [(0, b"3")]


@given(
    st.dictionaries(st.from_regex(r"[a-z_.]{1,9}", fullmatch=True), st.text(max_size=9), max_size=3)
)
def test_the_text_of_a_series_is_the_series(labels):
    series = Series.of("a:b.c", labels)
    limits = Limits()
    assert series_of_text(str(series), limits) == series
    assert series_of_text(f" {series.name} {{ {str(series)[6:-1]} }} ", limits) == series


@pytest.mark.parametrize(
    "text",
    ["a{", "a}", 'a{b="c"', 'a{b=~"c"}', 'a{b!="c"}', 'a{b="c" d="e"}', 'a{b="1",b="2"}', "a[5m]"],
)
def test_what_is_no_series_is_refused(text):
    with pytest.raises(RejectedError):
        series_of_text(text, Limits())


@given(
    st.integers(0, 2),
    st.integers(0, 255),
    st.integers(0, 9 * 10**15),
    st.integers(0, 2**51 - 1),
)
def test_verdicts_come_out_of_rows_as_they_went_in(verdict, detector, judged, age):
    times = np.array([judged], np.int64) * UNIT_NS
    ts = times + np.int64(min(age, 10**14)) * UNIT_NS
    value = packed(np.array([verdict], np.uint8), np.array([detector], np.uint8), times, ts)
    assert np.isfinite(value).all()
    assert [int(item[0]) for item in unpacked(value, ts)] == [verdict, detector, judged * UNIT_NS]


def test_a_verdict_long_after_its_sample_is_still_finite():
    small, times = np.zeros(1, np.uint8), np.zeros(1, np.int64)
    assert np.isfinite(packed(small + 2, small + 255, times, times + np.int64(2**63 - 1))).all()
    assert rfc3339(2**51 * UNIT_NS).startswith("2041")
