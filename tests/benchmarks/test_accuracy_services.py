"""Services through the pipeline, and the plain scorers beside it."""

import numpy as np
import polars as pl
import pytest
from benchmark_modules import benchmark_module

services = benchmark_module("accuracy.services")
baselines = benchmark_module("accuracy.service_baselines")
pipeline = benchmark_module("accuracy.pipeline")

TRAIN_ROWS = 600


def service(rows=900, metrics=3):
    """Metrics that go together but for 20 rows of the test part, and a constant one."""
    random = np.random.default_rng(3)
    values = random.normal(size=(rows, 1)) + 0.1 * random.normal(size=(rows, metrics))
    values[:, -1] = 4.0
    values[700:720, :-1] += np.array([15.0, -15.0])
    ts = services.BEGIN_NS + services.STEP_NS * np.arange(rows)
    label = np.isin(np.arange(TRAIN_ROWS, rows), np.arange(700, 720))
    return services.Service("one", ts, values, label)


def test_a_service_is_read_with_train_and_test_part(tmp_path):
    rows = pl.DataFrame(
        {
            "step": pl.Series([0, 1, 2], dtype=pl.Int32),
            "split": ["train", "test", "test"],
            "m01": pl.Series([0.5, 1.5, 2.5], dtype=pl.Float32),
            "m02": pl.Series([1.0, 2.0, 3.0], dtype=pl.Float32),
            "label": pl.Series([None, 1, 0], dtype=pl.Int8),
        }
    )
    rows.write_parquet(tmp_path / "omi.parquet")
    (read,) = services.load_services(tmp_path)
    assert read.name == "omi"
    assert read.metrics.tolist() == [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]]
    assert read.label.tolist() == [True, False]
    assert read.ts.tolist() == [services.BEGIN_NS + i * 300 * 10**9 for i in range(3)]
    assert read.test(np.array([7.0, 8.0, 9.0])).tolist() == [8.0, 9.0]


def test_a_service_has_one_score_at_each_row(tmp_path):
    one = service()
    config = pipeline.configuration("ewma", 0.1)
    found = services.verdicts(one, config, tmp_path)
    assert set(found) == {"mean of metrics"}
    mean = found["mean of metrics"]
    scores = pl.read_parquet(tmp_path / "scores.parquet").sort("name", "ts")
    state, onset = (scores[kind].to_numpy().reshape(3, -1) for kind in ("state", "onset"))
    assert mean.state == pytest.approx(state.mean(axis=0))
    assert mean.onset.tolist() == onset.max(axis=0).tolist()
    result = services.evaluate([one], [mean], services.BOUNDARY)
    assert result.budget.found == result.frozen.found == 1
    assert result.auc_pr > 2 * one.label.mean()


def test_joint_scores_are_reported_on_their_own(tmp_path, monkeypatch):
    one = service()
    ts = pl.Series(one.ts).cast(pl.Datetime("ns", "UTC"))
    names = [*(f"series_{key}" for key in range(3)), services.ENTITY_DEVIATION]
    parts = [
        pl.DataFrame({"ts": ts, "name": name, "state": float(number), "onset": float(number)})
        for number, name in enumerate(names)
    ]
    scores = pl.concat([*parts[:3], parts[3][100:]])
    played = pipeline.Played(scores, np.array([], np.int64))
    monkeypatch.setattr(services, "play", lambda *_: played)
    found = services.verdicts(one, None, tmp_path)
    assert found["mean of metrics"].state.tolist() == [1.0] * 900
    assert found["mean of metrics"].onset.tolist() == [2.0] * 900
    assert found["joint"].state.tolist() == [0.0] * 100 + [3.0] * 800


def test_scores_are_written_with_null_labels_in_the_train_part(tmp_path):
    one = service()
    both = services.Verdicts(np.arange(900.0), np.zeros(900))
    services.write_scores(one, {"joint": both}, "my_detector", tmp_path)
    rows = pl.read_parquet(tmp_path / "my-detector_one.parquet")
    assert rows["label"][:TRAIN_ROWS].null_count() == TRAIN_ROWS
    assert rows["label"][TRAIN_ROWS:].to_list() == one.label.tolist()
    assert rows["state, joint"].to_list() == both.state.tolist()


@pytest.mark.parametrize("name", baselines.BASELINES)
def test_baselines_see_the_incident_and_no_later_row(name):
    one = service()
    score = baselines.BASELINES[name](one.metrics, TRAIN_ROWS)
    assert np.isfinite(score).all()
    assert score[700] > 3 * np.median(score)
    cut = one.metrics[:705].copy()
    early = baselines.BASELINES[name](cut, TRAIN_ROWS)
    assert early.tolist() == pytest.approx(score[:705].tolist(), rel=1e-9, abs=1e-9)


def test_rolling_z_is_of_the_rows_before(monkeypatch):
    monkeypatch.setattr(baselines, "ROLLING_ROWS", 10)
    values = np.random.default_rng(5).normal(size=(60, 2))
    score = baselines.rolling_z(values, 0)
    for row in (5, 30, 59):
        before = values[max(0, row - 10) : row]
        z = np.abs(values[row] - before.mean(axis=0)) / before.std(axis=0, ddof=1)
        assert score[row] == pytest.approx(z.mean())


def test_pca_is_of_all_days_before():
    days = 3 * baselines.RENEWAL_ROWS
    random = np.random.default_rng(6)
    common = random.normal(size=(days, 1)) * np.array([1.0, 2.0, -3.0])
    values = 100.0 + common + 0.05 * random.normal(size=(days, 3))
    values = np.column_stack([values, np.full(days, 7.0)])
    score = baselines.incremental_pca(values, 0)
    past, day = np.split(values[:, :3], [2 * baselines.RENEWAL_ROWS])
    z = (day - past.mean(axis=0)) / past.std(axis=0)
    _, directions = np.linalg.eigh(np.corrcoef(past.T))
    main = directions[:, -1]  # nearly all of the variance
    rest = z - np.outer(z @ main, main)
    expected = np.linalg.norm(rest, axis=1)
    assert score[2 * baselines.RENEWAL_ROWS :] == pytest.approx(expected)
    assert score[: baselines.RENEWAL_ROWS].tolist() == [0.0] * baselines.RENEWAL_ROWS
