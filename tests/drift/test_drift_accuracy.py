"""The benchmark of drift detection: its model, its score, and that it runs on any such folder."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))
from benchmarks.accuracy import drift, drift_streams, naive_bayes  # noqa: E402

sys.path.remove(str(REPOSITORY))


def naive_errors(x, y, classes):
    """The model by its definition: moments of all rows before, taken anew for each row."""
    wrong = []
    for row in range(len(y)):
        best, told = -math.inf, -1
        for label in range(classes):
            known = x[:row][y[:row] == label]
            if len(known) == 0:
                continue
            squares = ((known - known.mean(0)) ** 2).sum(0)
            variance = squares / max(len(known) - 1, 1) + 1e-9
            off = (x[row] - known.mean(0)) ** 2
            likelihood = math.log(len(known)) - (off / variance + np.log(variance)).sum() / 2
            if likelihood > best:
                best, told = likelihood, label
        wrong.append(float(told != y[row]))
    return wrong


@pytest.mark.parametrize("classes", [2, 3])
def test_errors_are_those_of_the_definition(classes):
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, 300)
    x = rng.normal(y[:, None] * [1.0, 0.3, 0.0], [1.0, 2.0, 1e-3])
    model = naive_bayes.NaiveBayes(3, classes)
    own = np.concatenate([model.errors(x[:120], y[:120]), model.errors(x[120:], y[120:])])
    assert own.tolist() == naive_errors(x, y, classes)
    assert 20 < own.sum() < 200


def test_the_first_alarm_within_the_tolerance_is_the_hit():
    score = drift_streams.score_alarms([50, 100, 150, 1_100, 3_000], [100, 2_000, 2_999], 1_000)
    # 50 is early, 150 the second of its point, 1,100 a row within that point's tolerance as well.
    assert (score.hits, score.misses, score.false, score.delay_sum) == (2, 1, 3, 1_000)
    assert score.f1 == pytest.approx(4 / 8)
    assert score.precision == pytest.approx(2 / 5)
    assert score.recall == pytest.approx(2 / 3)
    assert score.delay == 500
    nothing = drift_streams.score_alarms([], [7], 10)
    assert (nothing.f1, nothing.recall) == (0.0, 0.0)
    assert math.isnan(nothing.precision)


def write_folder(folder):
    """A stream whose concept turns round at row 6,000, and one without change points."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=9_000)
    y = (x > 0) ^ (np.arange(9_000) >= 6_000) ^ (rng.random(9_000) < 0.1)
    table = {"a": x, "b": rng.choice(["u", "v"], 9_000), "label": y.astype(np.int8)}
    pl.DataFrame(table).write_parquet(folder / "turn.parquet")
    told = {
        "name": "turn",
        "family": "own",
        "kind": "abrupt",
        "file": "turn.parquet",
        "features": ["a", "b"],
        "drift_points": [6_000],
        "tolerance": 1_000,
    }
    listed = [told, {"name": "other", "file": "none", "features": [], "annotations": {}}]
    (folder / "drift_points.json").write_text(json.dumps(listed), encoding="utf-8")


def test_a_folder_of_streams_is_scored(tmp_path):
    write_folder(tmp_path)
    names = ["streamgauge", "streamgauge HDDM_A", "River HDDMA"]
    command = [sys.executable, "-m", "benchmarks.accuracy.drift", "--data", tmp_path]
    ran = subprocess.run(
        [*command, "--out", tmp_path / "out.jsonl", "--detectors", ",".join(names)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    alarms = {line["detector"]: line["alarms"] for line in lines}
    assert {line["stream"] for line in lines} == {"turn"}
    assert list(alarms) == [*names, "every 500 rows", "never"]
    assert alarms["River HDDMA"] == alarms["streamgauge HDDM_A"]
    (alarm,) = alarms["streamgauge"]
    assert 6_000 < alarm < 6_100
    assert alarms["never"] == []
    assert len(alarms["every 500 rows"]) == 18
    assert "left out: other" in ran.stdout
    assert "1 streams, 1 drifts" in ran.stdout


def test_a_second_jump_may_be_told_or_not():
    x, y = np.zeros((1, 1)), np.zeros(1, np.int64)
    stream = drift_streams.Stream("a", "f", "gradual, backwards", x, y, 2, (100, 5_000), 2_000)
    for rows in ([150, 5_010, 6_000], [150, 5_010]):
        score = drift_streams.score_streams([stream], {"a": rows}, both_jumps=True)
        assert (score.hits, score.false) == (2, 0)
    assert drift_streams.score_streams([stream], {"a": [150, 5_010, 6_000]}).false == 1


DATA = REPOSITORY.parent / "shared" / "data" / "drift"


@pytest.mark.skipif(not DATA.exists(), reason="the shared streams are not there")
def test_river_has_the_score_that_is_known_of_it():
    """The reference's row for HDDM_A on these 18 streams: 53 found, 6 missed, 11 false."""
    streams, _ = drift_streams.load_streams(DATA)
    alarms = {stream.name: drift.alarms_on(stream, drift.HddmA)[0] for stream in streams}
    score = drift_streams.score_streams(streams, alarms)
    assert (score.hits, score.misses, score.false) == (53, 6, 11)
    assert round(score.delay - 0.5) == 142
