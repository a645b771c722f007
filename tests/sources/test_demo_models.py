"""The demo's models behave as their labels say, and their rows are read without a refusal."""

from datetime import timedelta

import msgspec
import numpy as np
import polars as pl
import pytest

from engine.codecs.samples import Limits
from engine.config.connections import RecordingSource, Source
from engine.config.load import load_config
from engine.pipeline.document_sources import document_files
from engine.sources import demo_credit, demo_llm
from engine.sources.demo_arrivals import DAY_MS, START_MS, arrivals, day_of, moment
from engine.sources.demo_fleet import DEMO_FOLDER
from engine.sources.demo_models import (
    CALLS,
    DRIFTS,
    DRIFTS_FILE,
    LABELS,
    PREDICTIONS,
    generate_models,
    message,
    write_models,
)
from engine.sources.demo_plan import DAYS, START

END_MS = START_MS + DAYS * DAY_MS
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def models():
    return generate_models()


@pytest.fixture(scope="module")
def predictions(models):
    """Predictions as a table, with the label that counts in the end."""
    rows = [
        {"ts": ts, "id": said["prediction_id"], "score": said["score"],
         "prediction": said["prediction"], **said["tags"], **said["features"]}
        for ts, said in models[PREDICTIONS]
    ]  # fmt: skip
    last = {said["prediction_id"]: said["label"] for _, said in models[LABELS]}
    frame = pl.DataFrame(rows, infer_schema_length=None)
    labels = pl.Series("label", [last.get(identity) for identity in frame["id"]], pl.Int64)
    return frame.with_columns(labels, day=(pl.col("ts") - START_MS) / DAY_MS)


@pytest.fixture(scope="module")
def calls(models):
    rows = [{"ts": ts, **said} for ts, said in models[CALLS] if "evaluation" not in said]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return frame.with_columns(
        day=(pl.col("ts") - START_MS) / DAY_MS,
        refused=pl.col("finish_reasons").list.contains("content_filter"),
    )


@pytest.fixture(scope="module")
def evaluations(models):
    return [(ts, said) for ts, said in models[CALLS] if "evaluation" in said]


def test_arrivals_have_the_daily_and_weekly_rhythm():
    ts = arrivals(np.random.default_rng(1), 20_000, DAYS)
    assert (np.diff(ts) >= 0).all()
    assert START_MS <= ts[0] <= ts[-1] < END_MS
    hour = (ts - START_MS) // HOUR_MS
    night, noon = (np.isin(hour % 24, hours).sum() for hours in ([2, 3, 4], [14, 15, 16]))
    assert noon > 2 * night
    per_day = np.bincount(np.floor(day_of(ts)).astype(int))
    assert per_day[:2].max() < per_day[2:7].min()


def test_the_same_seed_gives_the_same_rows_and_another_others(models):
    again, other = generate_models(), generate_models(seed=8)
    for what, rows in models.items():
        assert again[what] == rows
        assert other[what] != rows
        assert [ts for ts, _ in rows] == sorted(ts for ts, _ in rows)
        assert rows[0][0] >= START_MS
        assert rows[-1][0] < END_MS


def test_income_falls_by_a_quarter_in_the_south_only(predictions):
    def median(region, from_day, to_day):
        own = predictions.filter(pl.col("day").is_between(from_day, to_day), region=region)
        return own["income"].median()

    begin, end = demo_credit.SHIFT_BEGIN_DAY, demo_credit.SHIFT_END_DAY
    for region, factor in (("north", 1.0), ("south", demo_credit.SHIFT_FACTOR), ("west", 1.0)):
        inside = median(region, begin, end)
        assert inside / median(region, 0, begin) == pytest.approx(factor, abs=0.06)
        assert median(region, end, DAYS) / median(region, 0, begin) == pytest.approx(1, abs=0.06)


def test_years_employed_go_missing_on_the_web_for_half_a_day(predictions):
    begin, end = demo_credit.MISSING_BEGIN_DAY, demo_credit.MISSING_END_DAY
    inside = predictions.filter(pl.col("day").is_between(begin, end))
    share = inside.group_by("channel").agg(pl.col("years_employed").is_null().mean())
    found = dict(share.iter_rows())
    assert found["web"] == pytest.approx(demo_credit.MISSING_SHARE, abs=0.07)
    assert max(found["branch"], found["partner"]) < 0.06
    outside = predictions.filter(pl.col("day") < begin)
    assert outside["years_employed"].is_null().mean() < 0.03


def test_scores_are_right_until_the_concept_drifts(predictions):
    known = predictions.drop_nulls("label")
    before = known.filter(pl.col("day") < demo_credit.SHIFT_BEGIN_DAY)
    after = known.filter(pl.col("day") >= demo_credit.CONCEPT_BEGIN_DAY)
    assert before["label"].mean() == pytest.approx(before["score"].mean(), abs=0.01)
    assert after["label"].mean() > after["score"].mean() + 0.1
    hits = [(part["prediction"] == part["label"]).mean() for part in (before, after)]
    assert hits[0] > hits[1] + 0.03


def test_labels_come_late_or_never_and_some_are_corrected(models, predictions):
    made = dict(zip(predictions["id"], predictions["ts"], strict=True))
    first, times = {}, {}
    for ts, said in models[LABELS]:
        identity = said["prediction_id"]
        first.setdefault(identity, ts - made[identity])
        times[identity] = times.get(identity, 0) + 1
    delays = np.array(list(first.values())) / DAY_MS
    assert delays.min() >= 0
    assert 2 < delays.max() <= demo_credit.LABEL_DELAY_MAX_DAYS
    corrected = sum(count == 2 for count in times.values()) / len(times)
    assert corrected == pytest.approx(demo_credit.CORRECTED_SHARE, abs=0.005)
    assert max(times.values()) == 2
    old = predictions.filter(pl.col("day") < DAYS - demo_credit.LABEL_DELAY_MAX_DAYS)
    never = old["label"].is_null().mean()
    assert never == pytest.approx(demo_credit.NEVER_LABELLED_SHARE, abs=0.01)


def test_one_tenant_asks_longer_and_is_refused_more(calls):
    answered = calls.drop_nulls("output_tokens")
    begin = demo_llm.LONG_BEGIN_DAY
    for tenant, factor in (("alder", 1.0), ("birch", demo_llm.LONG_FACTOR), ("cedar", 1.0)):
        own = answered.filter(pl.col("tenant.id") == tenant)
        before, after = own.filter(pl.col("day") < begin), own.filter(pl.col("day") >= begin)
        grown = after["input_tokens"].median() / before["input_tokens"].median()
        assert grown == pytest.approx(factor, abs=0.1)
        refused = after["refused"].mean() / before["refused"].mean()
        assert (refused > 3) == (tenant == demo_llm.LONG_TENANT)


def test_another_model_answers_from_a_moment_on(calls):
    answered = calls.drop_nulls("response_model")
    is_after = answered["day"] >= demo_llm.UPGRADE_DAY
    assert set(answered.filter(~is_after)["response_model"]) == {demo_llm.BEFORE}
    assert set(answered.filter(is_after)["response_model"]) == {demo_llm.AFTER}
    assert set(calls["request_model"]) == {demo_llm.REQUEST_MODEL}


def test_calls_that_fail_have_no_answer(calls):
    failed = calls.filter(pl.col("error_type").is_not_null())
    assert 0.005 < failed.height / calls.height < 0.015
    assert failed["output_tokens"].null_count() == failed.height
    assert failed["response_id"].null_count() == failed.height
    assert (calls["cached_tokens"].drop_nulls() <= calls["input_tokens"].drop_nulls()).all()


def test_judges_tell_some_minutes_after_the_answer(calls, evaluations):
    made = dict(zip(calls["response_id"], calls["ts"], strict=True))
    delays = [(ts - made[said["response_id"]]) / 1000 for ts, said in evaluations]
    least, most = demo_llm.EVALUATION_DELAY_S
    assert least <= min(delays)
    assert max(delays) <= most
    assert {said["evaluation"] for _, said in evaluations} == set(demo_llm.EVALUATORS)


def test_labelled_drifts_lie_in_the_demo_in_order():
    assert [drift.start for drift in DRIFTS] == sorted(drift.start for drift in DRIFTS)
    for drift in DRIFTS:
        assert START < drift.start < drift.end <= START + timedelta(days=DAYS)
        assert drift.groups
        assert drift.model in (demo_credit.MODEL, demo_llm.SERVICE)
    assert moment(1.5) == START + timedelta(hours=36)


def test_messages_are_moved_in_time(models):
    ts, said = models[PREDICTIONS][0]
    assert msgspec.json.decode(message((ts, said), 60_000)) == {"ts": ts + 60_000, **said}


def test_all_rows_are_read_and_none_is_refused(models, tmp_path):
    config = load_config(DEMO_FOLDER / "config.yaml", environment={})
    paths = write_models(models, tmp_path)
    for what, rows in models.items():
        recording = RecordingSource(path=str(paths[what]))
        is_llm = what == CALLS
        source = Source(
            recording=recording,
            kind="llm" if is_llm else "predictions",
            model=demo_llm.SERVICE if is_llm else "",
        )
        (file,) = document_files(config, source, recording)
        blocks = list(file.reading(None).blocks(10_000))
        assert sum(len(block.columns) for block in blocks) == len(rows)
        assert not any(block.rejects for block in blocks)
        assert not any(block.documents.refused for block in blocks)
    labelled = msgspec.json.decode((tmp_path / DRIFTS_FILE).read_bytes())
    assert [one["kind"] for one in labelled] == [drift.kind for drift in DRIFTS]
    assert Limits().max_message_bytes > max(len(message(rows[0])) for rows in models.values())
