"""Templates give what Prometheus' promtool gives, to the character.

Aim: text for text the same. Method: promtool's texts were written down for many templates and a
few alerts; with promtool at hand (the environment's PROMTOOL), more alerts are drawn.
"""

import os
import random

import pytest
from template_cases import (
    EXTERNAL_LABELS,
    EXTERNAL_URL,
    ROWS,
    golden_results,
    promtool_says,
)

from engine.rules.templates import External, Template

EXTERNAL = External(EXTERNAL_LABELS, EXTERNAL_URL)
TEXTS = [
    *("abc", "it's foo-bar_baz 9a", "éa ßx ǆ İ", 'q"\\x', "12", "-0.5", "1e400", "Inf", "nan"),
    *("", "a\nb", "host.example.org:9100", "[fe80::1]:80", "10.0.0.1:5", "1h30m", "-5s", "<b>&'"),
    *("a.b:c d", "x_y.z", "(", "2e-3", "+Inf", "0x1f", "1_000", "日本 tokyo"),
]
EDGES = """
    0 -0.0 1 -1 999.95 999.96 999999 1e6 1234567 1e21 1e20 1e-4 9.9999e-5 1.2345e-05 1234567.891
    -90061.5 59.98765 20999999.5 0.1 0.6666666666666666 5e-324 1.7976931348623157e308 inf -inf nan
    1023.99 1024 1e27 1e-27 60 3600 86400 1760000000.123 -1760000000.987 9.3e9 2.5 3.5 0.125 100
    123456 9.223372036e18
"""


def drawn_values():
    generator = random.Random(5)
    return [float(edge) for edge in EDGES.split()] + [
        round(generator.uniform(-10, 10), generator.randrange(8))
        * 10.0 ** generator.randint(-12, 15)
        for _ in range(80)
    ]


def differences(template, rows, expected):
    """Give the first row in which the template's text is another."""
    compiled = Template.parse(template, alert="A")
    for number, ((value, text), wanted) in enumerate(zip(rows, expected, strict=True)):
        labels = {"__name__": "m", "i": str(number), "text": text}
        given = {name: label for name, label in labels.items() if label}
        got = compiled.expand(given, value, external=EXTERNAL)
        if got != wanted:
            return value, text, got, wanted
    return None


def test_templates_equal_what_promtool_said():
    results = golden_results()
    assert len(results) >= 150
    found = {template: differences(template, ROWS, texts) for template, texts in results.items()}
    assert {template: row for template, row in found.items() if row} == {}


def test_templates_equal_promtool_on_other_alerts():
    promtool = os.environ.get("PROMTOOL")
    if not promtool:
        pytest.skip("PROMTOOL doesn't name Prometheus' promtool")
    generator = random.Random(7)
    rows = [(value, generator.choice(TEXTS)) for value in drawn_values()]
    rows += [(1.5, text) for text in TEXTS]
    templates = list(golden_results())
    said = promtool_says(promtool, templates, rows)
    found = {}
    for number, template in enumerate(templates):
        texts = [said[row].get(f"t{number}", "") for row in range(len(rows))]
        found[template] = differences(template, rows, texts)
    assert {template: row for template, row in found.items() if row} == {}
