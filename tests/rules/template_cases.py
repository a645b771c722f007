"""Templates, and the alerts that they are filled in for, compared with Prometheus' promtool.

The templates are in `template_results.json`, each with promtool's texts. To add one, add a line
with the template alone, and run this file with the environment's PROMTOOL.
"""

import ast
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "template_results.json"
EXTERNAL_LABELS = {"region": "eu", "replica": "a<b"}
EXTERNAL_URL = "http://monitor.example:9090/base"
ROWS = [  # value, and the label `text`
    (1.5, "abc"),
    (0.0, "it's foo-bar_baz 9a"),
    (-90061.5, "host.example.org:9100"),
    (1760000000.25, "1h30m"),
    (float("nan"), "[::1]:80"),
    (float("inf"), 'é"<&>'),
    (3.0, "42"),
]


def golden_results():
    """Give each template with promtool's texts, one for each row."""
    results = json.loads(RESULTS.read_text())
    return {template: texts * (len(ROWS) if len(texts) == 1 else 1) for template, *texts in results}


def promtool_says(promtool, templates, rows):
    """Give, by row, the texts that promtool makes of the templates; an empty one is left out."""
    annotations = {f"t{number}": template for number, template in enumerate(templates)}
    rules = {"groups": [{"name": "g", "rules": [
        {"alert": "A", "expr": "m", "annotations": annotations}
    ]}]}  # fmt: skip
    series = [
        {"series": f"m{{i={json.dumps(str(i))},text={json.dumps(text, ensure_ascii=False)}}}",
         "values": repr(value).replace("inf", "Inf").replace("nan", "NaN")}
        for i, (value, text) in enumerate(rows)
    ]  # fmt: skip
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "external_labels": EXTERNAL_LABELS,
            "external_url": EXTERNAL_URL,
            "input_series": series,
            "alert_rule_test": [{"eval_time": "0m", "alertname": "A", "exp_alerts": []}],
        }],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(json.dumps(rules))
        (folder / "test.yaml").write_text(json.dumps(test))
        command = [promtool, "test", "rules", "test.yaml"]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    blocks = re.findall(r"Labels:\{.*\n +Annotations:\{.*", run.stdout + run.stderr)
    said = dict(map(_parsed, blocks))
    if sorted(said) != list(range(len(rows))):
        raise AssertionError(run.stdout + run.stderr)
    return said


def _parsed(block):
    pairs = re.findall(r'(\w+)=("(?:\\.|[^"\\])*")', block)
    # Go writes a byte that is no UTF-8 as \\x, and so it does with a few ASCII characters.
    texts = {
        name: ast.literal_eval(re.sub(r"(?<!\\)((?:\\\\)*)\\x[89a-f].", r"\1\\ufffd", quoted))
        for name, quoted in pairs
    }
    return int(texts["i"]), texts


def write_results(promtool):
    """Ask promtool again for all templates; one text stands for the same text in all rows."""
    templates = [template for template, *_ in json.loads(RESULTS.read_text())]
    said = promtool_says(promtool, templates, ROWS)
    lines = []
    for number, template in enumerate(templates):
        texts = [said[row].get(f"t{number}", "") for row in range(len(ROWS))]
        shown = texts[:1] if len(set(texts)) == 1 else texts
        lines.append(json.dumps([template, *shown], ensure_ascii=False))
    RESULTS.write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    write_results(os.environ["PROMTOOL"])
