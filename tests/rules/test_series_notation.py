"""Series notation gives what Prometheus' own parser gives; mistakes have their place.

The cases in `series_notation_cases.json` are random texts with the answers of Prometheus 3.16's
`ParseSeriesDesc`. Deliberate differences, kept out of them: a label that stands twice and bytes
that are no UTF-8 are refused here; labels with empty values are left out.
"""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from engine.config.positions import YamlList, YamlMapping, load_yaml
from engine.rules.series_notation import (
    MISSING,
    SAMPLE,
    STALE,
    VALUES_MAX,
    NativeHistogramError,
    NotationError,
    parse_metric,
    parse_series,
    parse_values,
)

CASES = json.loads(Path(__file__).with_name("series_notation_cases.json").read_text("utf-8"))


def written(value, kind):
    """Write values as the file of cases does."""
    assert (value.dtype, kind.dtype) == (np.float64, np.uint8)
    assert np.isnan(value[kind != SAMPLE]).all()
    names = {MISSING: "_", STALE: "stale"}
    return [
        names.get(sort) or ("NaN" if math.isnan(number) else repr(number))
        for number, sort in zip(value.tolist(), kind.tolist(), strict=True)
    ]


def values(text):
    return written(*parse_values(text))


@pytest.mark.parametrize(("text", "labels", "expected"), CASES["read"])
def test_what_prometheus_reads(text, labels, expected):
    series = parse_series(text)
    assert [list(label) for label in series.labels] == labels
    assert written(series.value, series.kind) == expected


@pytest.mark.parametrize("text", CASES["refused"])
def test_what_prometheus_refuses(text):
    with pytest.raises(NotationError) as caught:
        parse_series(text)
    assert 0 <= caught.value.offset <= len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  1 2\t3\n4 ", ["1.0", "2.0", "3.0", "4.0"]),
        ("1x3", ["1.0"] * 4),
        ("1x0", ["1.0"]),
        ("_", ["_"]),
        ("_x3", ["_"] * 3),
        ("_x0", []),
        ("stale _ stale", ["stale", "_", "stale"]),
        ("1+2x3", ["1.0", "3.0", "5.0", "7.0"]),
        ("-1-2x2", ["-1.0", "-3.0", "-5.0"]),
        ("0x10", ["0.0"] * 11),  # ten more zeros, no hexadecimal number
        ("NaN nan Inf -inf +INF", ["NaN", "NaN", "inf", "-inf", "inf"]),
        ("Inf-1x1 1e308+1e308x1", ["inf", "inf", "1e+308", "inf"]),
        ("stale+1x2", ["stale", "NaN", "NaN"]),
        ("1.5e3 .5 5. 1_000 017", ["1500.0", "0.5", "5.0", "1000.0", "15.0"]),
    ],
)
def test_value_lists(text, expected):
    assert values(text) == expected


def test_steps_add_up_as_in_prometheus():
    # Ten times 0.1, one after the other, is not 1.0.
    value, _ = parse_values("0+0.1x10")
    assert value[10] == sum([0.1] * 10) != 1.0


def test_a_series_without_values():
    series = parse_series(' up{job="a", "b.c"=\'x\',} ')
    assert series.labels == (("__name__", "up"), ("b.c", "x"), ("job", "a"))
    assert len(series.value) == len(series.kind) == 0


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("", ()),
        ("{}", ()),
        ("up", (("__name__", "up"),)),
        ('a:b {z="1", a="\\n"}', (("__name__", "a:b"), ("a", "\n"), ("z", "1"))),
        ('{"my.metric", a="1"}', (("__name__", "my.metric"), ("a", "1"))),
        ('up{a="", b="1"}', (("__name__", "up"), ("b", "1"))),
    ],
)
def test_metrics(text, labels):
    assert parse_metric(text) == labels


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("m 1 2 three", 6, "'three' isn't a number"),
        ("m stalex3", 2, "'stalex3' isn't a number"),  # a word of its own for the lexer
        ("m 1 NaNx3", 4, "'NaNx3' isn't a number"),
        ("m 1 +x3", 4, "'\\+x3' isn't a number"),
        ("m 1+2", 5, "needs a number of repeats"),
        ("m 1x2.5", 4, "whole number of repeats"),
        ("m 1x2y", 4, "whole number of repeats"),
        ("m 1 2;", 5, "';' can't stand here"),
        ("m 1 1e999", 4, "isn't a number"),
        ('m{a="1"}1', 8, "a space stands between"),
        ("m {} 1", 2, "'{}' isn't a number"),
        ("m{a}", 3, "'=' is missing"),
        ("m{a=1}", 4, "in quotes"),
        ('m{a="1}', 4, "isn't closed"),
        ('m{a="\\q"}', 4, "escape"),
        ('m{a="1" b="2"}', 8, "',' or '}' is missing"),
        ('m{a="1",a="2"}', 8, "'a' stands twice"),
        ('m{"n"}', 2, "'__name__' stands twice"),
        ("m{,}", 2, "name of a label is missing"),
        ("m{", 2, "name of a label is missing"),
        ("on 1", 0, 'write {"on"}'),
        ("5 1", 0, "begins with a name"),
    ],
)
def test_mistakes_have_their_place(text, offset, message):
    with pytest.raises(NotationError, match=message) as caught:
        parse_series(text)
    assert caught.value.offset == offset


def test_a_metric_is_no_selector_and_no_expression():
    for text, offset in (("m offset 5m", 2), ('m{a=~"b"}', 4), ("m 1", 2)):
        with pytest.raises(NotationError) as caught:
            parse_metric(text)
        assert caught.value.offset == offset


def test_native_histograms_are_refused_by_name():
    with pytest.raises(NativeHistogramError, match="native histograms") as caught:
        parse_series("m 1 {{schema:0 sum:1}}x3")
    assert caught.value.offset == 4


@pytest.mark.parametrize(
    "text",
    [
        f"1x{VALUES_MAX}",
        f"_x{VALUES_MAX + 1}",
        f"1+1x{VALUES_MAX}",
        f"_x{VALUES_MAX - 1} _ _",
        "1x99999999999999999999",
        "1+1x99999999999999999999",
    ],
)
def test_too_many_values_are_refused_before_they_are_made(text):
    with pytest.raises(NotationError, match="more than"):
        parse_values(text)


def strings_of(node, field):
    """Give all texts that stand under a field's name anywhere in a document."""
    if isinstance(node, YamlMapping):
        for key, value in node.items():
            if key == field:
                yield str(value)
            yield from strings_of(value, field)
    elif isinstance(node, YamlList):
        for item in node:
            yield from strings_of(item, field)


def test_the_public_test_files_are_read(shared):
    count = 0
    for path in sorted((shared / "data/promrules/kubernetes-mixin-tests/tests").glob("*.yaml")):
        root, problems = load_yaml(path.read_text("utf-8"), path.name)
        assert problems == []
        for text in strings_of(root, "series"):
            assert parse_series(text).labels
        for text in strings_of(root, "values"):
            assert len(parse_values(text)[0]) >= len(text.split())
            count += 1
    assert count == 402
