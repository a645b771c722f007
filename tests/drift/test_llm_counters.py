"""Counters of LLM calls.

Aim: they equal the counting of one call after the other, whatever the batches and the order are,
through checkpoints and merges; and their number is bounded.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_llm_counters import naive_series

from engine.codecs.genai_features import KINDS, NO_ERROR
from engine.codecs.genai_predictions import llm_codec
from engine.codecs.genai_settings import LlmSettings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import Column, Kind
from engine.drift import llm_counters
from engine.drift.llm_counters import OTHER_SEGMENT, LlmCounters
from engine.drift.llm_layout import HISTOGRAMS, LLM_SERIES, NAMED, integers

REASONS = ("stop", "length", "tool_calls")
ERRORS = ("none", "timeout", "busy")


def features(calls):
    """Make columns of calls, as the codec does."""

    def number(name):
        return np.array([call.get(name) for call in calls], np.float64)

    def column(name, names):
        codes = [-1 if call.get(name) is None else names.index(call[name]) for call in calls]
        return Column(Kind.CATEGORICAL, np.array(codes, np.int32), names)

    inputs = number("input_tokens")
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(inputs > 0, number("cached_tokens") / inputs, np.nan)
    truths = [-1 if call.get("refusal") is None else call["refusal"] for call in calls]
    numeric = (
        *("input_tokens", "output_tokens", "reasoning_tokens", "tool_calls", "cost_usd"),
        *("duration_s", "time_to_first_chunk_s"),
    )
    return {
        **{name: Column(Kind.NUMERIC, number(name)) for name in numeric},
        "cached_share": Column(Kind.NUMERIC, share),
        "refusal": Column(Kind.BOOLEAN, np.array(truths, np.int8)),
        "finish_reason": column("finish_reason", REASONS),
        "error_type": column("error_type", ERRORS),
    }


def feed(counters, calls):
    for version in dict.fromkeys(version for version, _, _ in calls):
        some = [(segment, call) for own, segment, call in calls if own == version]
        segments = np.array([segment for segment, _ in some], np.int32)
        counters.add(version, segments, features([call for _, call in some]))
    return counters


def labels(version, segment):
    return {"version": version, "segment": str(segment)}


def told(counters):
    series, values = counters.series(labels)
    assert len({one.text for one in series}) == len(series) == len(values)
    return {(one.name, one.labels): value for one, value in zip(series, values, strict=True)}


def maybe(strategy):
    return st.one_of(st.none(), strategy)


def seconds():
    return st.one_of(st.sampled_from([0.0, 0.01, 0.02, 0.64, 81.92]), st.floats(0, 1000))


calls_of_two = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.integers(0, 2),
        st.fixed_dictionaries(
            {
                "input_tokens": maybe(st.integers(0, 10**9)),
                "output_tokens": maybe(st.one_of(st.integers(0, 300), st.just(4**14))),
                "cached_tokens": maybe(st.integers(0, 10**9)),
                "reasoning_tokens": maybe(st.integers(0, 9)),
                "tool_calls": maybe(st.integers(0, 9)),
                "cost_usd": maybe(st.floats(0, 10)),
                "duration_s": maybe(seconds()),
                "time_to_first_chunk_s": maybe(seconds()),
                "refusal": maybe(st.booleans()),
                "finish_reason": maybe(st.sampled_from(REASONS)),
                "error_type": st.sampled_from(ERRORS),
            }
        ),
    ),
    max_size=12,
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(calls_of_two, st.integers(0, 12))
def test_counters_are_those_of_one_call_after_the_other(calls, cut):
    counters = feed(feed(LlmCounters(), calls[:cut]), calls[cut:])
    expected = {key: float(value) for key, value in naive_series(calls).items()}
    assert told(counters) == expected
    assert {name for name, _ in expected} <= LLM_SERIES


@settings(max_examples=50, deadline=None, derandomize=True)
@given(calls_of_two, st.integers(0, 12))
def test_merging_is_counting_all(calls, cut):
    whole = feed(LlmCounters(), calls)
    one, other = feed(LlmCounters(), calls[:cut]), feed(LlmCounters(), calls[cut:])
    told(one)  # what it has told before changes nothing
    one.merge(other)
    assert told(one) == told(whole)
    backwards = feed(LlmCounters(), calls[::-1])
    assert told(backwards) == told(whole)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(calls_of_two, st.integers(0, 12))
def test_a_checkpoint_changes_nothing(calls, cut):
    whole = feed(LlmCounters(), calls)
    arrays, meta = feed(LlmCounters(), calls[:cut]).snapshot()
    restored = LlmCounters()
    restored.restore(arrays, json.loads(json.dumps(meta)))
    assert told(feed(restored, calls[cut:])) == told(whole)


def call(**others):
    return {"error_type": "none", "input_tokens": 1, **others}


def test_further_segments_and_versions_share_a_place():
    counters = LlmCounters(segments_max=2)
    for version in "abcdefgh":
        feed(counters, [(version, segment, call()) for segment in range(5)])
    assert len(counters) <= 5
    totals = {key: value for key, value in told(counters).items() if key[0] == "llm_calls_total"}
    assert sum(totals.values()) == 40
    places = {tuple(dict(labels)[name] for name in ("version", "segment")) for _, labels in totals}
    assert places == {
        ("a", "0"),
        ("a", "1"),
        ("a", str(OTHER_SEGMENT)),
        ("b", str(OTHER_SEGMENT)),
        ("(other)", str(OTHER_SEGMENT)),
    }


def test_further_error_types_share_a_label():
    counters = LlmCounters(categories_max=2)
    names = tuple(f"e{number}" for number in range(9))
    column = Column(Kind.CATEGORICAL, np.arange(9, dtype=np.int32), names)
    for _ in range(2):
        counters.add("a", np.zeros(9, np.int32), {"error_type": column})
    found = {
        dict(labels)["error_type"]: value
        for (name, labels), value in told(counters).items()
        if name == "llm_errors_total"
    }
    assert found == {"e0": 2, "e1": 2, "(other)": 14}


def test_values_that_can_not_be_count_as_none():
    values = np.array([-1.0, np.nan, np.inf, 1e300, 2.5])
    assert integers(values, 1).tolist() == [0, 0, 0, 10**15, 2]
    assert integers(values, 10**9).tolist() == [0, 0, 0, 10**15, 2_500_000_000]


def test_a_counter_that_overflows_starts_anew():
    counters = LlmCounters()
    huge = Column(Kind.NUMERIC, np.full(10_000, 1e300))
    counters.add("a", np.zeros(10_000, np.int32), {"input_tokens": huge})
    labels = (("segment", "0"), ("type", "input"), ("version", "a"))
    assert told(counters)["llm_tokens_total", labels] == float(10_000 * 10**15 % 2**63)


def test_sums_are_exact_however_many_there_are():
    counters = LlmCounters()
    tenth = Column(Kind.NUMERIC, np.full(1000, 0.1))
    for _ in range(10):
        counters.add("a", np.zeros(1000, np.int32), {"cost_usd": tenth, "duration_s": tenth})
    found = told(counters)
    own = (("segment", "0"), ("version", "a"))
    assert found["llm_cost_usd_total", own] == 1000.0
    assert found["llm_duration_seconds_sum", own] == 1000.0


@pytest.mark.parametrize(
    "name", sorted({h.feature for h in HISTOGRAMS} | {f for f, _ in NAMED.values()})
)
def test_what_is_counted_is_a_feature_of_calls(name):
    assert name in KINDS
    assert llm_counters.NO_ERROR == NO_ERROR


def test_the_calls_of_the_codec_are_counted():
    codec = llm_codec("s", LlmSettings(), PredictionTables(), message_format="native")
    row = {"ts": 1_760_000_000_000, "request_model": "m", "input_tokens": 30, "cached_tokens": 10}
    payloads = [
        json.dumps(row | more).encode()
        for more in ({"finish_reasons": ["refusal"], "tool_calls": 3}, {"error_type": "timeout"})
    ]
    (table,) = codec.decode(payloads).tables
    counters = LlmCounters()
    counters.add(table.version, np.zeros(len(table), np.int32), table.features)
    found = {
        (name, *(value for key, value in labels if key not in {"version", "segment"})): value
        for (name, labels), value in told(counters).items()
        if value
    }
    assert found == {
        ("llm_calls_total",): 2,
        ("llm_refusals_total",): 1,
        ("llm_tool_calls_total",): 3,
        ("llm_tokens_total", "input"): 60,
        ("llm_tokens_total", "cached"): 20,
        ("llm_errors_total", "timeout"): 1,
        ("llm_finish_reasons_total", "refusal"): 1,
        ("llm_finish_reasons_total", "error"): 1,
    }
