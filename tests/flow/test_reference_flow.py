"""References that are taken from one run to another.

Aim: a run that begins with what `streamgauge reference` took from another one's state says of the
windows that follow what that one said. Method: two runs of the same recording, the second one
without the rows that became the first one's reference.
"""

import json

import msgspec
import numpy as np
import polars as pl
import pytest
from flow_tools import config_of, run_flow

from engine.cli.app import main
from engine.config.load import load_config
from engine.errors import ConfigError
from engine.pipeline.build import make_plan

BEGIN_MS = 1_760_000_000_000
ROWS, FIRST = 1_200, 400

RULES = """
groups:
  - name: scores
    interval: 1m
    rules:
      - {alert: Score, expr: drift_score >= 0}
      - {alert: PValue, expr: drift_pvalue >= 0}
"""


def rows():
    """Predictions in two zones, the ages in one of which move."""
    rng = np.random.default_rng(5)
    number = np.arange(ROWS)
    zone = rng.choice(["north", "south"], ROWS)
    moved = (number > 800) & (zone == "south")
    return [
        {
            "ts": BEGIN_MS + 1000 * place,
            "model": "m",
            "version": "1",
            "prediction_id": f"p{place}",
            "features": {
                "age": float(rng.normal()) + 3.0 * float(moved[place]),
                "plan": str(rng.choice(["a", "b", "c"])),
            },
            "tags": {"zone": str(zone[place])},
            "prediction": int(rng.random() < 0.5),
        }
        for place in range(ROWS)
    ]


def run_of(folder, items, reference, more=""):
    """Run a recording to its end, and give the folder of its state."""
    folder.mkdir()
    (folder / "r.jsonl").write_bytes(b"\n".join(map(msgspec.json.encode, items)))
    (folder / "rules.yaml").write_text(RULES)
    text = f"""
sources: [{{kind: predictions, recording: {{path: r.jsonl}}}}]
sinks: [{{folder: {{path: {folder / "out"}}}}}]
time: {{lateness: 2s}}
rules: {{files: [rules.yaml]}}
models: [{{model: m, reference: {reference}, segments: [zone], window: 200 rows{more}}}]
http: {{listen: ""}}
state: {{dir: {folder / "state"}, checkpoint: 200ms, epoch: 50ms, shards: 2}}
"""
    run_flow(config_of(text, folder), stateful=True)
    return folder / "state"


def records(folder, file):
    return list(map(msgspec.json.decode, (folder / "out" / file).read_bytes().splitlines()))


def windows_of(folder):
    """What was said of windows: all causes of all records of episodes."""
    found = [
        (item["window"], cause["segment"], cause["feature"], cause["method"], cause["score"])
        for item in records(folder, "drift.jsonl")
        if item["type"] == "drift"
        for cause in item["causes"]
    ]
    assert found
    return found


def scores_of(folder):
    """All scores and p-values that an alert has said, with time and labels."""
    found = {
        (item["evaluatedAt"], item["status"], *sorted(item["labels"].items())): item["value"]
        for item in records(folder, "alerts.jsonl")
    }
    assert len(found) > 20
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A run that collected its reference."""
    folder = tmp_path_factory.mktemp("reference") / "first"
    run_of(folder, rows(), f"first {FIRST} rows")
    return folder


def test_a_run_with_it_says_the_same(first, tmp_path, capsys):
    out = tmp_path / "m.json"
    assert main(["reference", "m", "--from", str(first / "state"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == (
        f"reference of m, version 1: 400 rows, 3 columns, 2 segments; it is in {out}\n"
    )
    assert json.loads(out.read_bytes())["about"]["rows"] == "400"
    run_of(tmp_path / "second", rows()[FIRST:], out)
    assert windows_of(tmp_path / "second") == windows_of(first)
    assert scores_of(tmp_path / "second") == scores_of(first)


def test_a_state_that_is_in_use_is_only_read(first, tmp_path):
    state = first / "state"
    before = {path: path.stat().st_mtime_ns for path in sorted(state.rglob("*"))}
    state.chmod(0o500)
    try:
        code = main(["reference", "m", "--from", str(state), "--out", str(tmp_path / "m.json")])
    finally:
        state.chmod(0o700)
    assert code == 0
    assert {path: path.stat().st_mtime_ns for path in sorted(state.rglob("*"))} == before


def test_half_a_checkpoint_is_passed_over(first, tmp_path):
    def written(name):
        out = tmp_path / name
        assert main(["reference", "m", "--from", str(first / "state"), "--out", str(out)]) == 0
        return out.read_bytes()

    whole = written("a.json")
    newer = first / "state" / "checkpoints" / "99999999-0000000001"
    newer.mkdir()
    (newer / "parts.json").write_text('["m0.0"]')
    try:
        assert written("b.json") == whole
    finally:
        (newer / "parts.json").unlink()
        newer.rmdir()


def test_rows_give_the_same_reference(first, tmp_path):
    recording = tmp_path / "rows.jsonl"
    recording.write_bytes(b"\n".join(map(msgspec.json.encode, rows()[:FIRST])))
    table = pl.DataFrame(
        {
            "feature.age": [row["features"]["age"] for row in rows()[:FIRST]],
            "feature.plan": [row["features"]["plan"] for row in rows()[:FIRST]],
            "tag.zone": [row["tags"]["zone"] for row in rows()[:FIRST]],
            "prediction": [row["prediction"] for row in rows()[:FIRST]],
        }
    )
    table.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "c.yaml").write_text("models: [{model: m, segments: [zone]}]")
    files = tmp_path / "rows.json", tmp_path / "state.json"
    arguments = ["--rows", str(tmp_path / "rows.parquet"), "--config", str(tmp_path / "c.yaml")]
    assert main(["reference", "m", *arguments, "--out", str(files[0])]) == 0
    assert main(["reference", "m", "--from", str(first / "state"), "--out", str(files[1])]) == 0
    of_rows, of_state = (json.loads(file.read_bytes()) for file in files)
    counted = [name for name in of_rows["arrays"] if name.startswith(("grid|", "segment|"))]
    assert of_rows["segments"] == of_state["segments"]
    assert of_rows["names"] == of_state["names"]
    assert {name: of_rows["arrays"][name] for name in counted} == {
        name: of_state["arrays"][name] for name in counted
    }


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["x"], 2, "the state has no model 'x'; there are 'm'"),
        (["m", "--version", "2"], 2, "model 'm', version '2': no version '2'; there are '1'"),
        (["m", "--config", "c.yaml"], 2, "--config is for --rows"),
        (["m", "--from", "nowhere"], 1, "nowhere has no whole checkpoint"),
        (["m", "--rows", "none.parquet"], 2, "none.parquet is missing"),
    ],
)
def test_what_can_not_be_written_is_told(first, arguments, code, message, tmp_path, capsys):
    folder = [] if "--from" in arguments else ["--from", str(first / "state")]
    out = tmp_path / "m.json"
    assert main(["reference", *arguments, *folder, "--out", str(out)]) == code
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_file_needs_its_ending(first, tmp_path, capsys):
    arguments = ["reference", "m", "--from", str(first / "state"), "--out"]
    assert main([*arguments, str(tmp_path / "m.parquet")]) == 2
    assert "--out must end in .json, not 'm.parquet'" in capsys.readouterr().err


def test_a_run_is_refused_what_is_not_enough(first, tmp_path):
    out = tmp_path / "m.json"
    assert main(["reference", "m", "--from", str(first / "state"), "--out", str(out)]) == 0
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "c.yaml").write_text(
        "models:\n"
        "- {model: a, reference: m.json, features: {age: numeric, height: numeric}}\n"
        "- {model: b, reference: m.json, mode: exact}\n"
        "- {model: c, reference: none.json}\n"
        "- {model: d, reference: empty.json}\n"
        "- {model: e, reference: m.json}\n"
    )
    with pytest.raises(ConfigError) as caught:
        make_plan(load_config(tmp_path / "c.yaml", environment={}), ["p0"], documents=["p0"])
    said = [str(problem) for problem in caught.value.problems]
    assert len(said) == 4
    for line, text, message in zip(
        (2, 3, 4, 5),
        said,
        ("lacks features: height; it has others: plan", "no rows", "is missing", "is empty"),
        strict=True,
    ):
        assert f"c.yaml:{line}:" in text
        assert message in text
