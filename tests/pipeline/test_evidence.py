"""Rows of the newest episodes are kept whole, whatever order they come in and whatever fails.

Method: evidence is kept and read back; which episodes remain is compared with sorting them. A
replay of a model whose inputs shift shows that the flow keeps what its records speak of.
"""

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from engine.codecs.predictions import Column, Kind
from engine.config.connections import FolderSink, RecordingSource, Sink
from engine.config.load import parse_config
from engine.config.schema import Config, LimitsConfig, StateConfig
from engine.drift.version_monitor import Evidence
from engine.events import DriftEvent, rfc3339
from engine.events.drift import DriftBudget, DriftWindow
from engine.pipeline.evidence import EvidenceFolder, evidence_folder
from engine.replay.player import replay

NAN = float("nan")
BEGIN_NS = 1_760_000_400_000_000_000
HOUR_NS = 3_600_000_000_000


def event(number, *, opened_ns=BEGIN_NS, seq=0):
    opened = rfc3339(opened_ns)
    return DriftEvent(
        id=f"{number:016x}{seq:016x}",
        episode=f"{number:032x}",
        status="update" if seq else "open",
        seq=seq,
        model="credit",
        version="7",
        group="drift",
        severity="warning",
        openedAt=opened,
        onsetAt=opened,
        evaluatedAt=opened,
        window=DriftWindow(opened, opened, 3, 4),
        budget=DriftBudget(1.0, 1e-4),
        causes=(),
        segments=(),
        reason="Drift of credit 7.",
    )


def numeric(*values):
    return Column(Kind.NUMERIC, np.array(values, np.float64))


def evidence(number, *, opened_ns=BEGIN_NS, seq=0, value=1.0):
    return Evidence(
        event(number, opened_ns=opened_ns, seq=seq),
        {"age": numeric(value, value)},
        {"age": numeric(value, value, NAN)},
    )


def episodes(path):
    return {entry.name for entry in path.iterdir()}


def test_all_kinds_of_columns_read_back_by_name(tmp_path):
    columns = {
        "age": numeric(1.5, NAN, -np.inf),
        "region": Column(Kind.CATEGORICAL, np.array([1, -1, 0], np.int32), ["eu", "us", "apac"]),
        "active": Column(Kind.BOOLEAN, np.array([1, 0, -1], np.int8)),
        "note": Column(Kind.TEXT, np.array([12.0, NAN, 0.0])),
        "vector": Column(Kind.EMBEDDING, np.ones((1, 2), np.float32), (), np.array([1])),
        "(score)": numeric(0.1, 0.2, 0.3),
    }
    EvidenceFolder(tmp_path / "evidence").keep(Evidence(event(1), columns, {"age": numeric(2.0)}))
    folder = tmp_path / "evidence" / f"{1:032x}"
    assert pl.read_parquet(folder / "reference.parquet").to_dict(as_series=False) == {
        "age": [1.5, None, -np.inf],
        "region": ["us", None, "eu"],
        "active": [True, False, None],
        "note": [12.0, None, 0.0],
        "(score)": [0.1, 0.2, 0.3],
    }
    assert pl.read_parquet(folder / "window.parquet").to_dict(as_series=False) == {"age": [2.0]}
    kept = msgspec.json.decode((folder / "event.json").read_bytes(), type=DriftEvent)
    assert kept == event(1)


def test_what_was_said_last_of_an_episode_holds(tmp_path):
    kept = EvidenceFolder(tmp_path)
    for seq in range(3):
        kept.keep(evidence(1, seq=seq, value=float(seq)))
    assert episodes(tmp_path) == {f"{1:032x}"}  # and nothing is left over from writing
    folder = tmp_path / f"{1:032x}"
    assert pl.read_parquet(folder / "window.parquet")["age"].to_list() == [2.0, 2.0, None]
    assert msgspec.json.decode((folder / "event.json").read_bytes())["seq"] == 2


@given(
    opened=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    episodes_max=st.integers(1, 5),
    restarts=st.sets(st.integers(0, 11)),
)
def test_the_newest_are_kept_whatever_their_order(tmp_path_factory, opened, episodes_max, restarts):
    # Half seconds: times with and without a fraction are to sort by time.
    times = [BEGIN_NS + 500_000_000 * place for place in opened]
    path = tmp_path_factory.mktemp("evidence")
    kept = EvidenceFolder(path, episodes_max)
    for number, time in enumerate(times):
        if number in restarts:
            kept = EvidenceFolder(path, episodes_max)
        kept.keep(evidence(number, opened_ns=time))
    newest = sorted(range(len(times)), key=lambda number: (times[number], number))[-episodes_max:]
    assert episodes(path) == {f"{number:032x}" for number in newest}


def test_no_rows_reach_the_disk_where_none_are_to_be_kept(tmp_path):
    EvidenceFolder(tmp_path / "evidence", 0).keep(evidence(1))
    assert not (tmp_path / "evidence").exists()


def test_a_failure_is_logged_once_and_ends_nothing(tmp_path):
    (tmp_path / "evidence").write_text("in the way")
    kept = EvidenceFolder(tmp_path / "evidence")
    with capture_logs() as logs:
        kept.keep(evidence(1))
        kept.keep(evidence(2))
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("evidence of episodes is not kept", "warning")
    ]
    (tmp_path / "evidence").unlink()
    kept.keep(evidence(3))  # it may be possible again
    assert episodes(tmp_path / "evidence") == {f"{3:032x}"}


def test_a_start_removes_what_a_crash_left_half_written_and_nothing_else(tmp_path):
    EvidenceFolder(tmp_path).keep(evidence(1))
    (tmp_path / f"{2:032x}.tmp").mkdir()
    (tmp_path / f"{1:032x}.old.tmp").mkdir()
    (tmp_path / "notes").mkdir()
    EvidenceFolder(tmp_path)
    assert episodes(tmp_path) == {f"{1:032x}", "notes"}


def test_an_episode_that_can_not_be_read_is_the_first_to_go(tmp_path):
    EvidenceFolder(tmp_path).keep(evidence(9))
    (tmp_path / f"{9:032x}" / "event.json").write_text("{")
    EvidenceFolder(tmp_path, 1).keep(evidence(1))
    assert episodes(tmp_path) == {f"{1:032x}"}


def test_a_run_keeps_evidence_in_its_state_and_a_replay_beside_its_results(tmp_path):
    config = Config(
        sinks=(Sink(folder=FolderSink(path=str(tmp_path / "out"))),),
        state=StateConfig(dir=str(tmp_path / "state")),
        limits=LimitsConfig(episodes=7),
    )
    live = evidence_folder(config, stateful=True)
    assert (live.path, live.episodes_max) == (tmp_path / "state" / "evidence", 7)
    live.keep(evidence(1))
    assert evidence_folder(config, stateful=True).path == live.path
    assert episodes(live.path) == {f"{1:032x}"}  # a run goes on with what is there

    played = evidence_folder(config, stateful=False)
    assert (played.path, played.episodes_max) == (tmp_path / "out" / "evidence", 7)
    played.keep(evidence(1))
    evidence_folder(config, stateful=False)
    assert episodes(played.path) == set()  # a replay replaces an earlier one's results

    assert evidence_folder(Config(), stateful=False) is None


@pytest.fixture
def predictions(tmp_path):
    """Predictions of 12 hours whose feature shifts after the first six."""
    random = np.random.default_rng(1)
    rows = 2_400
    ts = BEGIN_NS + np.arange(rows) * (12 * HOUR_NS // rows)
    age = random.normal(40.0, 10.0, rows) + np.where(np.arange(rows) >= rows // 2, 20.0, 0.0)
    path = tmp_path / "predictions.parquet"
    pl.DataFrame(
        {
            "ts": pl.Series(ts).cast(pl.Datetime("ns")),
            "model": "credit",
            "version": "7",
            "prediction_id": [f"p{row}" for row in range(rows)],
            "prediction": random.integers(0, 2, rows),
            "feature.age": age,
        }
    ).write_parquet(path)
    return path


def test_a_replay_keeps_rows_of_the_windows_that_its_records_are_of(tmp_path, predictions):
    text = "models: [{model: credit, reference: first 800 rows, window: 1h}]"
    config = parse_config(text, file="c.yaml", environment={}, folder=tmp_path)
    out = tmp_path / "out"
    replay(config, RecordingSource(path=str(predictions)), out)
    lines = (out / "drift.jsonl").read_bytes().splitlines()
    said = {}
    for line in lines:
        record = msgspec.json.decode(line)
        if record["type"] == "drift" and record["status"] != "closed" and record["window"]["rows"]:
            said[record["episode"]] = record
    assert said
    assert episodes(out / "evidence") == said.keys()
    for episode, record in said.items():
        folder = out / "evidence" / episode
        assert msgspec.json.decode((folder / "event.json").read_bytes()) == record
        reference = pl.read_parquet(folder / "reference.parquet")["age"].mean()
        window = pl.read_parquet(folder / "window.parquet")["age"].mean()
        assert window - reference == pytest.approx(20.0, abs=4.0)
