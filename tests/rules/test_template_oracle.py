"""Templates give what Prometheus' promtool gives, to the character."""

import ast
import json
import random
import re
import subprocess
from pathlib import Path

import pytest

from engine.rules.templates import Template

VALUE_TEMPLATES = [
    "{{ $value }}",
    "{{ .Value }}",
    "{{ $value | humanize }}",
    "{{ $value | humanize1024 }}",
    "{{ humanizePercentage $value }}",
    "{{ humanizeDuration $value }}",
    "{{ $value | humanizeTimestamp }}",
    *(
        f'{{{{ printf "%{verb}" $value }}}}'
        for verb in [
            *("v", "f", "F", "e", "E", "g", "G", "s", "d", "t", "q", "c", "z"),
            *(".0f", ".1f", ".2f", ".10f", ".0e", ".3e", ".0g", ".1g", ".4g", ".12g", ".20g"),
            *(".3v", "10.2f", "-10.2f|", "010.2f", "+.2f", "+v", " v", "+10v", "012v", "-012g|"),
            *("6d", "8s", ".f", "5%", "%"),
        ]
    ),
    '{{ printf "%.2f%%, %v of %s" $value $value $labels.text }}',
    '{{ print $value 1 "x" $value }}{{ println $value "x" 2 }}',
    '{{ $value | printf "%.1f" | humanize }}',
    '{{ printf "%v" $value | toUpper | toLower | title }}',
]
TEXT_TEMPLATES = [
    "{{ $labels.text }}|{{ .Labels.text }}|{{ $labels.nope }}|{{ $externalLabels }}",
    "{{ $labels }}",
    "{{ printf `%v %s %q %x %d %10s|` $labels $labels $labels $labels $labels $labels }}",
    "{{ title $labels.text }}",
    "{{ toUpper $labels.text }}",
    "{{ $labels.text | toLower }}",
    *(
        f'{{{{ printf "%{verb}" $labels.text }}}}'
        for verb in [*"vsqxXdfT"[:7], "10s", "-10s|", "010s", ".2s", ".2q", "+q", "% x", "8.3q"]
    ),
    '{{ reReplaceAll "a*" "-" $labels.text }}',
    '{{ reReplaceAll "([a-z])(?P<next>.)" "$next${1}$1x$$$" $labels.text }}',
    '{{ reReplaceAll ".+" "<$0>" $labels.text }}',
    "{{ humanize $labels.text }}",
    "{{ $labels.text | humanizeDuration }} text",
    "line\n y{{humanizeTimestamp $labels.text }}",
    '{{ humanize (printf "%s" $labels.text|toUpper) }}',
    "a {{- /* trimmed */ -}}  b {{- $labels.text -}} \n c",
]
CONSTANT_TEMPLATES = [
    "{{ 1.5e3 }} {{ 0x1F }} {{ 1e3 }} {{ 'a' }} {{ 017 }} {{ 1_000 }} {{ +5 }} {{ -.5 }}{{ true }}",
    '{{ printf "%d|%5d|%-5d|%05d|%+d|% d|%.3d|%6.3d" 5 5 5 5 5 5 5 5 }}',
    '{{ printf "%x|%X|%o|%b|%c" 255 255 8 5 65 }}',
    '{{ printf "%d|%05d|%x|%.0d|%f|%s|%t" -5 -5 -255 0 5 5 5 }}',
    '{{ printf "%t|%v|%8t|%d|%s" true false true true true }}',
    '{{ printf "%d" }}|{{ printf "%d" 1 2 "x" 1.5 true }}|{{ printf "%" }}|{{ printf "50%" 1 }}',
    '{{ "\\a\\x41\\u00e9\\U0001F600\\101\\"" }}{{ `raw\\n` }}',
    '{{ printf "%q" "\\a\\x41\\u00e9\\U0001F600\\u200b\\t\\"" }}{{ printf "%+q" "\\u00e9" }}',
    '{{ "43200" | humanizeDuration }}{{ humanize 5 }}{{ humanize1024 "1e6" }}',
    '{{ "}}" }} {{"a"}}{{ ("b") }}{{ (print 1 | title) }}',
]
TEXTS = [
    "abc",
    "it's foo-bar_baz 9a",
    "éa ßx ǆ İ",
    'q"\\x',
    "12",
    "-0.5",
    "1e400",
    "Inf",
    "nan",
    "",
    "a\nb",
]
EDGES = """
    0 -0.0 1 -1 999.95 999.96 999999 1e6 1234567 1e21 1e20 1e-4 9.9999e-5 1.2345e-05 1234567.891
    -90061.5 59.98765 20999999.5 0.1 0.6666666666666666 5e-324 1.7976931348623157e308 inf -inf nan
    1023.99 1024 1e27 1e-27 60 3600 86400 1760000000.123 -1760000000.987 9.3e9 2.5 3.5 0.125 100
    123456 9.223372036e18
"""


def values() -> list[float]:
    generator = random.Random(5)
    drawn = [
        round(generator.uniform(-10, 10), generator.randrange(8))
        * 10.0 ** generator.randint(-12, 15)
        for _ in range(120)
    ]
    return [float(edge) for edge in EDGES.split()] + drawn


def promtool_says(
    oracle: Path, templates: list[str], rows: list[tuple[float, str]], folder: Path
) -> dict[int, dict[str, str]]:
    """Give, by row, the annotations that promtool makes of the templates."""
    annotations = {f"t{index}": template for index, template in enumerate(templates)}
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
            "input_series": series,
            "alert_rule_test": [{"eval_time": "0m", "alertname": "A", "exp_alerts": []}],
        }],
    }  # fmt: skip
    (folder / "rules.yaml").write_text(json.dumps(rules))
    (folder / "test.yaml").write_text(json.dumps(test))
    command = [str(oracle), "test-rules", "test.yaml"]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if run.returncode == 2:
        pytest.skip(f"the oracle can't run: {run.stderr or run.stdout}")
    output = json.loads(run.stdout)["output"]
    return dict(parsed(block) for block in re.findall(r"Labels:\{.*\n +Annotations:\{.*", output))


def parsed(block: str) -> tuple[int, dict[str, str]]:
    pairs = re.findall(r'(\w+)=("(?:\\.|[^"\\])*")', block)
    texts = {name: ast.literal_eval(quoted) for name, quoted in pairs}
    return int(texts["i"]), texts


@pytest.fixture(scope="module")
def rows():
    generator = random.Random(7)
    rows = [(value, generator.choice(TEXTS)) for value in values()]
    return rows + [(1.5, text) for text in TEXTS]


def test_templates_equal_promtool(rows, tmp_path, shared):
    oracle = shared / "tools/prometheus-oracle/oracle"
    templates = VALUE_TEMPLATES + TEXT_TEMPLATES + CONSTANT_TEMPLATES
    said = promtool_says(oracle, templates, rows, tmp_path)
    assert len(said) == len(rows)
    different = {}
    for number, template in enumerate(templates):
        compiled = Template.parse(template, alert="A")
        for index, (value, text) in enumerate(rows):
            labels = {"__name__": "m", "i": str(index), "text": text}
            expected = said[index].get(f"t{number}", "")
            got = compiled.expand({k: v for k, v in labels.items() if v}, value)
            if got != expected:
                different.setdefault(template, (value, text, got, expected))
    assert different == {}
