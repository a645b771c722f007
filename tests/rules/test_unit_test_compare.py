"""What a rule test expects against what came out: promtool's verdict, in better words.

Method: the wording on small cases; the verdict on random ones against promtool itself, whose
rules and expressions are such that what comes out is known beforehand.
"""

import json
import math
import random
import re
import subprocess

import pytest

from engine.rules.unit_test_compare import compare_alerts, compare_samples
from engine.rules.unit_test_model import AlertInstance, VectorSample

NAN_HINT = "NaN equals nothing; compare `x != bool x`, which is 1 for NaN"


def labels_of(**labels):
    return tuple(sorted(labels.items()))


def alert(annotations=None, **labels):
    return AlertInstance(labels_of(alertname="A", **labels), labels_of(**(annotations or {})))


def sample(value, **labels):
    return VectorSample(labels_of(**labels), value)


def test_equal_alerts_in_any_order():
    alerts = [alert(host="1"), alert({"summary": "s"}, host="2"), alert({"summary": "t"}, host="2")]
    assert compare_alerts(alerts, alerts[::-1]) == []
    assert compare_alerts([], []) == []


def test_the_nearest_counterpart_is_named_with_what_differs():
    expected = [
        alert({"summary": "down"}, host="1", severity="page"),
        alert({"summary": "down"}, host="2", severity="page", team=""),
    ]
    got = [
        alert({"summary": "down", "link": "x"}, host="2", severity="page"),
        alert({"summary": "up"}, host="1", severity="warning"),
    ]
    assert compare_alerts(expected, got) == [
        'alert {alertname="A", host="1", severity="page"} differs:',
        '    label severity: expected "page", got "warning"',
        '    annotation summary: expected "down", got "up"',
        'alert {alertname="A", host="2", severity="page", team=""} differs:',
        '    label team: expected "", got none',
        '    annotation link: expected none, got "x"',
    ]


def test_labels_weigh_more_than_annotations():
    expected = [alert({"a": "1", "b": "2"}, host="1")]
    got = [alert({"a": "1", "b": "2"}, host="2"), alert({}, host="1")]
    lines = compare_alerts(expected, got)
    assert lines[:3] == [
        'alert {alertname="A", host="1"} differs:',
        '    annotation a: expected "1", got none',
        '    annotation b: expected "2", got none',
    ]
    assert lines[3:] == [
        'alert {alertname="A", host="2"} fires unexpectedly',
        '    nearest that is expected: {alertname="A", host="1"}',
        '    label host: expected "1", got "2"',
    ]


def test_alerts_without_a_counterpart():
    assert compare_alerts([alert(host="1")], []) == [
        'alert {alertname="A", host="1"} doesn\'t fire, but is expected'
    ]
    assert compare_alerts([], [alert(host="1")]) == [
        'alert {alertname="A", host="1"} fires unexpectedly'
    ]
    assert compare_alerts([alert(host="1"), alert(host="2")], [alert(host="1")]) == [
        'alert {alertname="A", host="2"} doesn\'t fire, but is expected',
        '    nearest that fires: {alertname="A", host="1"}',
        '    label host: expected "2", got "1"',
    ]


def test_how_often_counts():
    lines = compare_alerts([alert(host="1")] * 2, [alert(host="1")])
    assert lines == [
        'alert {alertname="A", host="1"} doesn\'t fire, but is expected',
        '    nearest that fires: {alertname="A", host="1"}',
        "    which is equal, but is another one's counterpart",
    ]
    assert len(compare_alerts([alert(host="1")], [alert(host="1")] * 2)) == 3


def test_long_texts_are_cut_where_they_begin_to_differ():
    head = "the same words again and again, " * 5
    (_, line) = compare_alerts([alert({"d": head + "now"})], [alert({"d": head + "t" * 200})])
    start = '"' + (head + "now")[len(head) - 16 :] + '"'
    assert line.startswith(f"    annotation d: expected ...{start}, got ...")
    assert line.endswith('t"...')
    assert len(line) < 180
    (_, line) = compare_alerts([alert({"d": head})], [alert({"d": head + "\n"})])
    assert line.endswith(f'..."{head[-16:]}", got ..."{head[-16:]}\\n"')


def test_very_many_alerts():
    expected = [alert(host=str(k)) for k in range(1000)]
    got = [alert(host=str(k)) for k in range(700, 1700)]
    lines = compare_alerts(expected, got)
    assert sum(line.startswith("alert") for line in lines) >= 700
    assert compare_alerts(expected, expected[::-1]) == []


@pytest.mark.parametrize(
    ("expected", "got", "plain", "fuzzy"),
    [
        (1.0, 1.0, True, True),
        (0.0, -0.0, True, True),
        (math.inf, math.inf, True, True),
        (math.inf, -math.inf, False, False),
        (math.nan, math.nan, False, False),
        (math.nan, 1.0, False, False),
        (1.0, math.nextafter(1.0, 2.0), False, True),
        (1.0, math.nextafter(1.0, 0.0), False, True),
        (1.0, 1.0 + 2**-51, False, False),
        (0.1 + 0.2, 0.3, False, True),
        (0.0, 5e-324, False, True),
    ],
)
def test_values(expected, got, plain, fuzzy):
    verdict = compare_samples([sample(expected, a="1")], [sample(got, a="1")])
    assert (verdict == []) is plain
    verdict = compare_samples([sample(expected, a="1")], [sample(got, a="1")], fuzzy=True)
    assert (verdict == []) is fuzzy


def test_the_wording_of_samples():
    expected = [sample(1.0, __name__="m", a="1"), sample(0.5), sample(math.nan, b="1")]
    got = [sample(2.0, __name__="m", a="1"), sample(math.nan, b="1"), sample(math.inf, c="1")]
    assert compare_samples(expected, got) == [
        'sample m{a="1"} differs:',
        "    value: expected 1, got 2",
        "sample {} differs:",
        '    label c: expected none, got "1"',
        "    value: expected 0.5, got +Inf",
        'sample {b="1"} differs:',
        f"    value: expected NaN, got NaN ({NAN_HINT})",
    ]
    assert compare_samples([], [sample(5.0, __name__="m")]) == [
        "sample m is in the result unexpectedly"
    ]
    assert compare_samples([sample(5.0)], []) == ["sample {} isn't in the result, but is expected"]


def test_values_that_are_nearly_equal_are_called_so():
    (_, line) = compare_samples([sample(0.3)], [sample(0.1 + 0.2)])
    assert line.endswith("(the next float64; `fuzzy_compare: true` accepts it)")
    (_, line) = compare_samples([sample(1000.0)], [sample(1000.0001)])
    assert line == "    value: expected 1000, got 1000.0001 (off by 1e-07 of it)"


def random_labels(generator):
    return {name: generator.choice("12") for name in "abc" if generator.random() < 0.6}


def changed(generator, labels):
    """Change a label, leave one out, make one empty, or do nothing."""
    changed = dict(labels)
    kind = generator.random()
    if kind < 0.2 and changed:
        changed[generator.choice(sorted(changed))] = generator.choice(("1", "2", ""))
    elif kind < 0.3 and changed:
        del changed[generator.choice(sorted(changed))]
    elif kind < 0.4:
        changed["d"] = generator.choice(("", "1"))
    return changed


def random_case(generator):
    """Series that there are, and alerts and samples that are expected: about half as they are."""
    there = {tuple(sorted(random_labels(generator).items())) for _ in range(3)}
    there = {labels: generator.choice((1, 2)) for labels in sorted(there)}
    expected = [
        (changed(generator, dict(labels)), value if generator.random() < 0.9 else 3)
        for labels, value in there.items()
        if generator.random() < 0.95
    ]
    expected += expected[: generator.random() < 0.1]
    generator.shuffle(expected)
    return there, expected


def selected(name, labels):
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"


def as_test_file(cases):
    test = {"interval": "1m", "input_series": [], "alert_rule_test": [], "promql_expr_test": []}
    for number, (there, expected) in enumerate(cases):
        for labels, value in there.items():
            series = selected(f"m{number}", dict(labels))
            test["input_series"].append({"series": series, "values": str(value)})
        alerts = [
            {"exp_labels": labels, "exp_annotations": {"value": f"is {value}"}}
            for labels, value in expected
        ]
        check = {"eval_time": "0s", "alertname": f"A{number}", "exp_alerts": alerts}
        test["alert_rule_test"].append(check)
        samples = [
            {"labels": selected(f"m{number}", labels), "value": value} for labels, value in expected
        ]
        check = {"eval_time": "0s", "expr": f"m{number}", "exp_samples": samples}
        test["promql_expr_test"].append(check)
    return json.dumps({"rule_files": ["rules.json"], "tests": [test]})


def as_rule_file(count):
    rules = [
        {
            "alert": f"A{number}",
            "expr": f"m{number}",
            "annotations": {"value": "is {{ $value }}"},
        }
        for number in range(count)
    ]
    return json.dumps({"groups": [{"name": "g", "rules": rules}]})


def test_the_verdict_is_promtools(shared, tmp_path):
    generator = random.Random(4)
    cases = [random_case(generator) for _ in range(300)]
    (tmp_path / "rules.json").write_text(as_rule_file(len(cases)))
    (tmp_path / "tests.json").write_text(as_test_file(cases))
    oracle = shared / "tools/prometheus-oracle/oracle"
    run = subprocess.run(
        [str(oracle), "test-rules", "tests.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode == 2:
        pytest.skip(f"the oracle can't run: {run.stderr or run.stdout}")
    output = json.loads(run.stdout)["output"]
    failed_alerts = set(re.findall(r"alertname: A(\d+),", output))
    failed_samples = set(re.findall(r'expr: "m(\d+)",', output))
    assert len(failed_alerts) > 100
    assert len(failed_samples) > 100
    for number, (there, expected) in enumerate(cases):
        name = f"m{number}"
        lines = compare_alerts(
            [alert({"value": f"is {value}"}, **labels) for labels, value in expected],
            [alert({"value": f"is {value}"}, **dict(labels)) for labels, value in there.items()],
        )
        assert bool(lines) == (str(number) in failed_alerts), (there, expected, lines)
        lines = compare_samples(
            # A name with braces is a series without its empty labels.
            [
                sample(value, __name__=name, **{k: v for k, v in labels.items() if v})
                for labels, value in expected
            ],
            [sample(value, __name__=name, **dict(labels)) for labels, value in there.items()],
        )
        assert bool(lines) == (str(number) in failed_samples), (there, expected, lines)
