"""NAB files through the pipeline: a score for each row, blind to all but timestamp and value."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from benchmark_modules import benchmark_module

nab = benchmark_module("accuracy.nab")
corpora = benchmark_module("accuracy.nab_corpus")
pipeline = benchmark_module("accuracy.pipeline")

MINUTES_NS = 60 * 10**9
CONFIG = pipeline.configuration("ewma", 0.1)


def recording(rows=400):
    """A noisy series with a spike, a repeated timestamp and a step back of two rows."""
    random = np.random.default_rng(7)
    ts = 1_400_000_000 * 10**9 + 5 * MINUTES_NS * np.arange(rows)
    value = random.normal(10.0, 1.0, rows)
    value[300] = 60.0
    ts[200] = ts[199]
    value[[199, 200]] = (10.0, 50.0)
    ts[[350, 351]] -= 30 * MINUTES_NS
    return corpora.Recording("cat/a.csv", ts, value, ((290, 310),))


def test_every_row_has_a_score_in_file_order(tmp_path):
    file = recording()
    scores = nab.anomaly_scores(file, 0, CONFIG, tmp_path)
    assert len(scores) == 400
    assert ((scores >= 0.0) & (scores < 1.0)).all()
    assert np.argmax(scores) in {199, 200, 300}
    assert scores[300] > 0.5
    # Of a repeated timestamp the larger value counts, and both rows have its score.
    assert scores[199] == scores[200] > 0.5
    assert scores[[350, 351]].tolist() == [0.0, 0.0]
    # What was in time and is met again by the step back keeps its score.
    in_time = np.delete(np.arange(400), [199, 350, 351])
    clean = corpora.Recording("cat/b.csv", file.ts[in_time], file.value[in_time], ())
    assert nab.anomaly_scores(clean, 0, CONFIG, tmp_path).tolist() == scores[in_time].tolist()


def test_name_labels_and_key_do_not_matter_to_a_score(tmp_path):
    file = recording()
    other = replace(file, name="other/b.csv", windows=())
    scores = nab.anomaly_scores(file, 0, CONFIG, tmp_path / "a")
    assert nab.anomaly_scores(other, 1, CONFIG, tmp_path / "b").tolist() == scores.tolist()


def test_squashed_scores_keep_their_order_and_the_boundary():
    onset = np.array([0.0, 5e-324, 0.5, 1.0, 2.0, 1e9, 1e300, np.inf])
    squashed = nab.squash(onset)
    assert squashed[3] == nab.BOUNDARY
    assert (squashed[[0, -1]] == (0.0, 1.0)).all()
    assert (np.diff(squashed) >= 0.0).all()
    assert len(set(squashed[:6])) == 6


def test_results_are_laid_out_as_the_benchmark_wants_them(tmp_path):
    file = recording()
    scores = np.random.default_rng(1).random(400)
    nab.write_results(file, scores, "my_detector", tmp_path)
    with (tmp_path / "cat" / "my-detector_a.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0]) == ["timestamp", "value", "anomaly_score", "label"]
    assert [row["timestamp"] for row in rows[:2]] == ["2014-05-13 16:53:20", "2014-05-13 16:58:20"]
    assert [float(row["anomaly_score"]) for row in rows] == scores.tolist()
    assert [float(row["value"]) for row in rows] == file.value.tolist()
    assert [i for i, row in enumerate(rows) if row["label"] == "1"] == list(range(290, 311))


def test_files_are_read_as_they_are(tmp_path):
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    # As some are: lines end in CRLF, the last one in nothing.
    lines = ("timestamp,value", *(f"2014-01-01 00:0{i}:00,{i}.5" for i in (0, 1, 1, 3)))
    (tmp_path / "data" / "cat" / "a.csv").write_bytes("\r\n".join(lines).encode())
    spans = '{"cat/a.csv": [["2014-01-01 00:01:00.000000", "2014-01-01 00:03:00.000000"]]}'
    (tmp_path / "labels" / "combined_windows.json").write_text(spans)
    (file,) = corpora.load_corpus(tmp_path)
    assert file.value.tolist() == [0.5, 1.5, 1.5, 3.5]
    assert file.windows == ((1, 3),)
    assert file.timestamps()[3] == "2014-01-01 00:03:00"
    assert file.category == "cat"


@pytest.mark.parametrize("seed", range(5))
def test_moved_windows_keep_their_widths_and_stay_apart(seed):
    windows = ((200, 219), (300, 339), (380, 389))
    moved = corpora.moved_windows(
        replace(recording(), windows=windows), np.random.default_rng(seed)
    )
    rows = [set(range(left, right + 1)) for left, right in moved.windows]
    assert sorted(map(len, rows)) == [10, 20, 40]
    assert len(set.union(*rows)) == 70
    assert min(map(min, rows)) >= 60  # 15 % are probation
    assert max(map(max, rows)) < 400
    assert moved.windows == tuple(sorted(moved.windows))
    assert moved.windows != windows


def test_baselines_do_not_see_the_data():
    corpus = [replace(recording(), name=f"c{i}/a.csv") for i in range(2)]
    own = {file.name: np.zeros(400) for file in corpus}
    found = nab.compare(corpus, own, "own")
    assert set(found) == {"own", *nab.blind_baselines()}
    assert found["own"][0].oracle == 0.0
    every = found[f"alarm every {nab.BLIND_ROWS} rows"][0]
    assert every.frozen == 0.0  # its one alarm is in probation
    assert found["constant 1"][0].frozen < 0.0
