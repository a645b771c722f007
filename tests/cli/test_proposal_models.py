"""The proposed configuration of models: whatever was seen, it is YAML that means what was meant."""

from pathlib import Path

import pytest

from engine.cli.proposal import kafka_lines
from engine.cli.proposal_models import MODELS_MAX, ModelsProposal, listed, name_text
from engine.codecs.predictions import Kind
from engine.config import parse_config
from engine.config.durations import DAY_NS, HOUR_NS, SECOND_NS
from engine.sources.document_summary import DocumentSummary, ModelSummary

ODD = [
    *("null", "yes", "1", "1.5", "~", "a.b", "${HOME}", "é$x", "$$", 'a"b', "a: b # c"),
    *("tab\tnew\nline", "- a", "[x]", "\u2028"),
]


def model(name="credit", **changes):
    fields = {
        "name": name,
        "versions": {"7": 20_000},
        "features": {"age": Kind.NUMERIC, "home": Kind.CATEGORICAL},
        "categories": {"region": 3, "home": 2},
        "tags": ("region",),
        "ids": 20_000,
        "predictions": 20_000,
        "scores": 20_000,
        "labels": 0,
        "late_labels": 0,
        "evaluators": (),
    }
    return ModelSummary(**(fields | changes))


def proposal(*models, kind="predictions", span_ns=DAY_NS, **changes):
    summary = DocumentSummary(
        kind=kind,
        models=models,
        rows=sum(one.rows for one in models),
        rejects=0,
        first_reject="",
        first_ts=1_760_000_000 * SECOND_NS,
        last_ts=1_760_000_000 * SECOND_NS + span_ns,
        out_of_order_ns={},
    )
    lines = ("kind: llm", 'model: "s"') if kind == "llm" else (f"kind: {kind}",)
    fields = {
        "file": "streamgauge.yaml",
        "source": (*lines, *kafka_lines("a:9092", "topic: t")),
        "sink": kafka_lines("a:9092", "prefix: p"),
        "hints": (),
        "seen": (("topic", "t"),),
        "summary": summary,
        "service": "s" if kind == "llm" else "",
        "out_of_order_ns": 0,
        "complete": True,
    }
    return ModelsProposal(**(fields | changes))


def parsed(proposed):
    text = proposed.text()
    return parse_config(text, file="c.yaml", environment={}, folder=Path(), need_sources=True)


def entry(one, **changes):
    (found,) = parsed(proposal(one, **changes)).models
    return found


@pytest.mark.parametrize("name", ODD)
def test_any_name_comes_back_as_it_was(name):
    one = model(
        name,
        versions={name: 20_000},
        features={name: Kind.CATEGORICAL},
        categories={name: 3},
        tags=(name,),
    )
    assert entry(one).model == name
    text = proposal(one).text()
    for key in ("features", "segments"):
        text = text.replace(f"    # {key}", f"    {key}")
    options = {"file": "c.yaml", "environment": {}, "folder": Path(), "need_sources": True}
    (found,) = parse_config(text, **options).models
    assert (found.segments, found.features) == ((name,), {name: "categorical"})


@pytest.mark.parametrize("name", ODD)
def test_any_tag_of_calls_comes_back_as_it_was(name):
    one = model("llm", tags=("provider", name), categories={name: 2}, evaluators=(name,))
    found = parsed(proposal(one, kind="llm")).models[0]
    assert (found.model, found.llm.evaluators) == ("s", (name,))
    short = name.rpartition(".")[2]
    assert found.llm.tags == {"provider": "provider", short: name}


def test_tags_of_calls_have_short_names():
    tags = ("tenant.id", "http.route", "service.name", "other.route", "operation")
    one = model("llm", tags=tags, categories=dict.fromkeys(tags, 2))
    assert parsed(proposal(one, kind="llm")).models[0].llm.tags == {
        "tenant": "tenant.id",
        "route": "http.route",
        "service": "service.name",
        "other.route": "other.route",
        "operation": "operation",
    }


def test_calls_without_tags_have_the_usual_ones():
    found = parsed(proposal(model("llm", tags=(), categories={}), kind="llm")).models[0]
    assert found.llm.tags == {"provider": "provider", "operation": "operation"}


@pytest.mark.parametrize(
    ("rows", "complete", "reference"),
    [
        (20_000, True, 5000),
        (19_000, True, 4750),
        (400, True, 100),
        (399, True, 5000),  # too few for any reference
        (400, False, 5000),
    ],
)
def test_the_reference_of_a_short_recording_is_a_quarter_of_it(rows, complete, reference):
    assert entry(model(versions={"7": rows}), complete=complete).reference.rows == reference


@pytest.mark.parametrize(
    ("rows", "span_ns", "window"),
    [
        (20_000, DAY_NS, (HOUR_NS, 0)),
        (200, HOUR_NS, (HOUR_NS, 0)),
        (1000, DAY_NS, (6 * HOUR_NS, 0)),
        (250, DAY_NS, (DAY_NS, 0)),
        (250, 7 * DAY_NS, (7 * DAY_NS, 0)),
        (250, 70 * DAY_NS, (0, 200)),
        (199, 70 * DAY_NS, (HOUR_NS, 0)),  # too few to tell
        (200, 0, (HOUR_NS, 0)),
    ],
)
def test_the_window_has_some_hundred_rows(rows, span_ns, window):
    found = entry(model(versions={"7": rows}), span_ns=span_ns)
    assert found.window == found.slide
    time_ns, counted = window
    assert found.window.rows == counted
    assert found.window.length == (counted or time_ns)


def test_many_models_share_an_entry():
    names = [f"m{number}" for number in range(MODELS_MAX + 1)]
    proposed = proposal(*map(model, names))
    assert [one.model for one in parsed(proposed).models] == ["*"]
    assert ", ".join(names) in proposed.text()
    few = parsed(proposal(*map(model, names[:-1]))).models
    assert [one.model for one in few] == names[:-1]


def test_features_and_tags_with_one_or_very_many_values_make_no_segments():
    one = model(categories={"region": 1, "home": 21})
    assert "    # segments: []" in proposal(one).text()


def test_what_rows_do_not_have_is_said():
    text = proposal(model(ids=5, predictions=0, scores=7)).text()
    assert "# scores in 7; ids in 5" in text
    assert "Rows without an id can't be joined" in text


def test_labels_alone_need_no_window():
    text = proposal(model(versions={}, features={}, late_labels=4), kind="labels").text()
    assert "late labels: 4" in text
    assert "window" not in text


def test_hints_are_comments():
    text = proposal(model(), hints=("Labels?", "- kind: labels")).text()
    assert "  # Labels?\n  # - kind: labels\n\ntime:" in text


def test_only_names_that_need_it_are_quoted():
    assert [name_text(name) for name in ("a", "tenant.id", "_x")] == ["a", "tenant.id", "_x"]
    assert [name_text(name) for name in ("yes", "1", "a b")] == ['"yes"', '"1"', '"a b"']


def test_lists_are_bounded():
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b, ... (3)"
