"""``streamgauge check``: configurations and rule files, all mistakes with their places."""

import json
from pathlib import Path

import pytest

from engine.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
GOOD = "groups: [{name: a, rules: [{alert: Up, expr: up == 0}, {alert: Hot, expr: t > 1}]}]\n"
ODD = """\
groups:
  - name: a
    rules:
      - {alert: Never, expr: absent(up) > 1, for: 10s}
      - {alert: Good, expr: up == 0}
      - {record: "made:here", expr: cpu}
      - {alert: Made, expr: "made:here > 0"}
"""
BAD = """\
groups:
  - name: a
    rules:
      - {alert: Good, expr: up == 0}
      - {alert: Broken, expr: 'up >'}
      - {alert: Long, expr: 'avg_over_time(up[2d]) > 1'}
  - name: a
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, text):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return name


def check(capsys, *arguments):
    code = main(["check", *arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, captured.out.splitlines()


def check_json(capsys, *arguments):
    code, lines = check(capsys, "--json", *arguments)
    return code, [json.loads(line) for line in lines]


def test_the_examples_are_fine(capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    code, (line,) = check(capsys, "examples/metrics.yaml")
    assert code == 0
    assert line.startswith("2 files, ")
    assert line.endswith(" rules: fine")


def test_a_rule_file_is_known_by_its_groups(capsys):
    assert check(capsys, write("x.yaml", GOOD)) == (0, ["1 file, 2 rules: fine"])


@pytest.mark.parametrize("text", ["", "time: {lateness: 1s}", "# nothing\n"])
def test_all_else_is_a_configuration(capsys, text):
    assert check(capsys, write("x.yaml", text)) == (0, ["1 file, 0 rules: fine"])


def test_every_mistake_of_a_rule_file_has_its_place(capsys):
    code, lines = check(capsys, write("bad.yaml", BAD))
    assert code == 1
    assert [line.split(": ")[0] for line in lines[:-1]] == [
        "bad.yaml:5:35",
        "bad.yaml:6:46",
        "bad.yaml:7:11",
    ]
    assert "nothing stands behind '>'" in lines[0]
    assert "1d" in lines[1]
    assert lines[-1] == "1 file, 3 rules: 3 mistakes"


def test_every_mistake_of_a_configuration_has_its_place(capsys):
    text = "tiem: {}\ntime: {lateness: 5x}\n"
    code, lines = check(capsys, write("c.yaml", text))
    assert code == 1
    assert [line.split(" ")[0] for line in lines[:-1]] == ["c.yaml:1:1:", "c.yaml:2:18:"]


def test_a_configurations_rules_and_names_are_checked_with_it(capsys):
    write("sub/rules/bad.yaml", BAD)
    config = write(
        "sub/c.yaml",
        "rules: {files: [rules/*.yaml, none.yaml]}\n"
        "detectors: [{use: nope}]\nrule_options: [{alert: Missing}]\n",
    )
    code, lines = check(capsys, config)
    text = "\n".join(lines)
    assert code == 1
    assert "sub/rules/bad.yaml:5:35: " in text
    assert "sub/c.yaml:2:19: there is no detector nope" in text
    assert "sub/c.yaml:3:24: no rule makes the alert Missing" in text
    assert "sub/c.yaml:1:31: no rule file matches none.yaml" in text
    assert lines[-1] == "2 files, 3 rules: 6 mistakes"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{weigth: 0.1}", "the detector ewma has no parameter weigth; did you mean weight?"),
        ("{weight: 2}", "Expected `float` <= 1.0"),
    ],
)
def test_wrong_parameters_of_a_detector_are_named(capsys, params, message):
    config = write("c.yaml", f"detectors: [{{use: ewma, params: {params}}}]\n")
    code, lines = check(capsys, config)
    assert code == 1
    assert lines[0].startswith("c.yaml:1:33: ")
    assert message in lines[0]


def test_what_was_meant_is_named(capsys):
    entries = [
        "{use: robust_zz}", "{use: half_space_trees, params: {treess: 3}}",
        "{use: river.anomaly.HalfSpaceTree}",
        "{use: river.anomaly.HalfSpaceTrees, params: {hight: 3}}",
        "{use: peers}", "{use: ewma, entity: [host]}",
    ]  # fmt: skip
    listed = "".join(f"- {entry}\n" for entry in entries)
    config = write("c.yaml", f"detectors:\n{listed}")
    code, lines = check(capsys, config)
    assert code == 1
    expected = [
        "c.yaml:2:9: there is no detector robust_zz; did you mean robust_z?",
        "c.yaml:3:35: the detector half_space_trees has no parameter treess; did you mean trees?",
        "c.yaml:4:9: River has no class river.anomaly.HalfSpaceTree; did you mean river.anomaly",
        "c.yaml:5:47: river.anomaly.HalfSpaceTrees has no parameter hight; did you mean height?",
        "c.yaml:6:9: the detector peers: `entity` must name the labels that siblings share",
        "c.yaml:7:23: the detector ewma makes no joint scores; leave it out",
    ]
    for line, start in zip(lines, expected, strict=False):
        assert line.startswith(start)


def test_parameters_of_the_default_detector_are_refused(capsys):
    config = write("c.yaml", "detectors: [{params: {weight: 1}}]\n")
    assert (
        "the detector default has no parameter weight; write rhythm" in check(capsys, config)[1][0]
    )


def test_all_files_are_checked_at_once(capsys):
    files = [write("a.yaml", "tiem: {}"), write("b.yaml", GOOD), write("c.yaml", BAD)]
    code, lines = check(capsys, *files)
    assert code == 1
    assert {line.split(":")[0] for line in lines[:-1]} == {"a.yaml", "c.yaml"}
    assert lines[-1] == "3 files, 5 rules: 4 mistakes"


def test_a_file_that_is_named_twice_counts_once(capsys):
    write("rules/r.yaml", GOOD)
    config = write("c.yaml", "rules: {files: [rules/*.yaml]}")
    code, lines = check(capsys, "rules/r.yaml", config, "./rules/../rules/r.yaml", config)
    assert (code, lines) == (0, ["2 files, 2 rules: fine"])


def test_the_configurations_longest_range_holds_for_its_rules(capsys):
    rules = write("r.yaml", "groups: [{name: a, rules: [{alert: A, expr: 'up[2d]'}]}]")
    rules = write("r.yaml", Path(rules).read_text().replace("up[2d]", "avg_over_time(up[2d]) > 1"))
    config = write("c.yaml", "rules: {files: [r.yaml], max_window: 3d}")
    assert check(capsys, rules, config)[0] == 0
    assert check(capsys, rules)[0] == 1
    assert check(capsys, "--max-window", "3d", rules)[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "can't be read: No such file or directory"),
        (b"\xff\xfe", "isn't UTF-8 text"),
        (b"a: [", "not YAML"),
        (b"- a", "takes keys with values"),
        (b"groups: 3", "'groups' is a list"),
    ],
)
def test_what_is_neither_is_a_mistake(capsys, content, message):
    if content is not None:
        Path("x.yaml").write_bytes(content)
    code, lines = check(capsys, "x.yaml")
    assert code == 1
    assert lines[0].startswith("x.yaml")
    assert message in lines[0]


def test_json_has_a_line_for_each_rule_and_for_each_mistake_outside_of_rules(capsys):
    files = [write("good.yaml", GOOD), write("bad.yaml", BAD), write("c.yaml", "tiem: {}")]
    code, lines = check_json(capsys, *files)
    assert code == 1
    rules = [line for line in lines if "rule" in line]
    assert [(line["file"], line["group"], line["rule"], line["ok"]) for line in rules] == [
        ("good.yaml", "a", "Up", True),
        ("good.yaml", "a", "Hot", True),
        ("bad.yaml", "a", "Good", True),
        ("bad.yaml", "a", "Broken", False),
        ("bad.yaml", "a", "Long", False),
    ]
    assert all(bool(line["error"]) is not line["ok"] for line in rules)
    others = [line for line in lines if "rule" not in line]
    assert [(line["file"], line["line"], line["column"], line["ok"]) for line in others] == [
        ("bad.yaml", 7, 11, False),
        ("c.yaml", 1, 1, False),
    ]
    assert "stands twice" in others[0]["error"]


def test_json_of_good_files_has_rules_only(capsys):
    code, lines = check_json(capsys, write("good.yaml", GOOD))
    assert code == 0
    assert [line["rule"] for line in lines] == ["Up", "Hot"]


def test_warnings_have_their_places_and_fail_only_if_that_is_wanted(capsys):
    rules = write("r.yaml", ODD)
    expected = [
        "r.yaml:4:41: warning: a value of 1 > 1 can never be true",
        "r.yaml:4:51: warning: 'for' of 10s is shorter than the group's interval of 1m",
        "1 file, 4 rules: 2 warnings",
    ]
    assert check(capsys, rules) == (0, expected)
    assert check(capsys, "--strict", rules) == (1, expected)
    assert check(capsys, "--strict", write("good.yaml", GOOD))[0] == 0


def test_mistakes_and_warnings_are_counted_apart(capsys):
    code, lines = check(capsys, write("bad.yaml", BAD), write("r.yaml", ODD))
    assert code == 1
    assert lines[-1] == "2 files, 7 rules: 3 mistakes, 2 warnings"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("long.csv", "ts,name,labels,value\n1760000000,cpu,,1\n1760000015,up,,1\n"),
        ("wide.csv", "ts,cpu,up\n1760000000,1,1\n1760000015,1,1\n"),
    ],
)
def test_rules_are_checked_beside_a_recording(capsys, name, text):
    rules = write("r.yaml", ODD.replace("up == 0", "down == 0"))
    recording = write(name, text)
    code, lines = check(capsys, rules, "--recording", recording)
    assert code == 0
    assert lines[2:] == [
        "r.yaml:5:29: warning: no series is called down in the recording",
        "1 file, 4 rules: 3 warnings",
    ]


def test_a_recording_that_is_none_is_told(capsys):
    assert main(["check", write("r.yaml", GOOD), "--recording", "none.csv"]) == 2
    assert "no such file" in capsys.readouterr().err


def test_json_has_warnings_with_their_rules(capsys):
    code, lines = check_json(capsys, write("r.yaml", ODD))
    assert code == 0
    assert [line["rule"] for line in lines] == ["Never", "Good", "made:here", "Made"]
    assert [line["ok"] for line in lines] == [True] * 4
    assert [(one["line"], one["column"]) for one in lines[0]["warnings"]] == [(4, 41), (4, 51)]
    assert "can never be true" in lines[0]["warnings"][0]["warning"]
    assert not any("warnings" in line for line in lines[1:])
    assert set(lines[1]) == {"file", "group", "rule", "ok", "error"}


def test_the_rules_of_a_configuration_are_linted(capsys):
    write("rules/r.yaml", ODD)
    config = write("c.yaml", "rules: {files: [rules/r.yaml], interval: 10s}")
    code, lines = check(capsys, config)
    assert code == 0
    assert lines == [
        "rules/r.yaml:4:41: warning: a value of 1 > 1 can never be true",
        "2 files, 4 rules: 1 warning",
    ]
