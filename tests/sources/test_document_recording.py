"""A look at a recording of predictions, labels or LLM calls tells what `init` needs to know."""

import json

import polars as pl
import pytest
from made_documents import BASE_MS, BASE_S, SECOND_NS, call, evaluation, label, prediction

from engine.errors import UsageError
from engine.sources.document_recording import look_at_documents


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def table(path, rows=20, **columns):
    frame = pl.DataFrame(
        {
            "ts": [BASE_MS + row * 1000 for row in range(rows)],
            "model": ["credit"] * rows,
            "version": ["7"] * rows,
            "prediction_id": [f"p{row}" for row in range(rows)],
            "prediction": [row % 2 for row in range(rows)],
            "feature.age": [30.0 + row for row in range(rows)],
            "tag.region": [("north", "south")[row % 2] for row in range(rows)],
            **columns,
        }
    )
    frame.write_parquet(path)
    return path


def test_a_table_is_told_with_its_models(tmp_path):
    seen = look_at_documents(table(tmp_path / "credit.parquet"))
    assert (seen.formats, seen.partitions, seen.complete) == (("parquet",), 1, True)
    assert (seen.model, seen.tags) == ("", ())
    assert (seen.summary.kind, seen.summary.rows) == ("predictions", 20)
    (model,) = seen.summary.models
    assert (model.name, model.versions, model.ids) == ("credit", {"7": 20}, 20)
    assert model.categories == {"region": 2}
    assert (seen.summary.first_ts, seen.summary.last_ts) == (
        BASE_S * SECOND_NS,
        (BASE_S + 19) * SECOND_NS,
    )


def test_metrics_are_none_of_them(tmp_path):
    path = tmp_path / "metrics.csv"
    pl.DataFrame({"timestamp": [BASE_MS], "cpu": [0.5]}).write_csv(path)
    assert look_at_documents(path) is None


def test_a_folder_of_predictions_and_labels_is_one_look(tmp_path):
    lines(tmp_path / "predictions.jsonl", [prediction(number) for number in range(12)])
    lines(tmp_path / "labels.jsonl", [label(number) for number in (0, 9, 3)])
    seen = look_at_documents(tmp_path)
    assert (seen.partitions, seen.summary.kind, seen.summary.rows) == (2, "predictions", 15)
    assert seen.summary.models[0].late_labels == 3
    assert seen.summary.out_of_order_ns == {0: 6 * SECOND_NS, 1: 0}  # in the order of names


def test_labels_alone_are_labels(tmp_path):
    path = lines(tmp_path / "labels.jsonl", [label(number) for number in range(3)])
    assert look_at_documents(path).summary.kind == "labels"


def test_calls_are_told_with_tags_and_evaluators(tmp_path):
    rows = [row for number in range(12) for row in (call(number), evaluation(number))]
    seen = look_at_documents(lines(tmp_path / "support.jsonl", rows))
    assert (seen.summary.kind, seen.model, seen.tags) == ("llm", "support", ("tenant.id",))
    (model,) = seen.summary.models
    assert (model.versions, model.evaluators) == ({"large-1": 12}, ("polite",))
    assert seen.summary.rejects == 0


def test_a_table_without_models_is_named_like_its_file(tmp_path):
    path = tmp_path / "credit.2025.parquet"
    table(path)
    pl.read_parquet(path).drop("model").write_parquet(path)
    seen = look_at_documents(path)
    assert (seen.model, seen.summary.models[0].name) == ("credit", "credit")


def test_unusable_rows_are_counted_with_the_first_reason(tmp_path):
    rows = [prediction(0), {**prediction(1), "model": ""}, {**prediction(2), "ts": -1}]
    seen = look_at_documents(lines(tmp_path / "a.jsonl", rows))
    assert (seen.summary.rows, seen.summary.rejects) == (1, 2)
    assert seen.summary.first_reject == "model is empty"


def test_the_look_is_bounded(tmp_path):
    seen = look_at_documents(table(tmp_path / "credit.parquet"), rows_max=8)
    assert (seen.summary.rows, seen.complete) == (8, False)
    assert look_at_documents(tmp_path / "credit.parquet", rows_max=20).complete


def test_what_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="no such file or folder"):
        look_at_documents(tmp_path / "nowhere")
