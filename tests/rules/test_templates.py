"""Templates: what is refused when rules are loaded, and what the errors say."""

import pickle

import pytest

from engine.rules.templates import Template

LABELS = {"__name__": "m", "job": "api", "note": "x y"}


def expand(text, value=1.5):
    return Template.parse(text, alert="A").expand(LABELS, value)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain } text", "plain } text"),
        ("", ""),
        ("{{ $labels.job }} at {{ $value }}", "api at 1.5"),
        ("{{$labels.job}}{{.Labels.job}}{{ ($labels).job }}", "apiapiapi"),
        ("{{ $labels.nope }}|{{ $externalLabels.x }}|{{ .ExternalLabels }}", "||map[]"),
        ("{{ $labels }}", "map[__name__:m job:api note:x y]"),
        ("a {{- $value -}} b", "a1.5b"),
        ("a {{/* a comment */}} b {{- /* trimmed */ -}} c", "a  bc"),
        ("{{\n$value |\n humanizePercentage }}", "150%"),
        ('{{ reReplaceAll "(.)p" "$1-" $labels.job | toUpper }}', "A-I"),
        ('{{ "}}" }}{{ `a"b` }}', '}}a"b'),
        ('{{ printf "%.1f of %s" $value (title $labels.job) }}', "1.5 of Api"),
        ('{{ $value | printf "%.2f" }}', "1.50"),
    ],
)
def test_expansion(text, expanded):
    assert expand(text) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ frobnicate $value }}", "the function 'frobnicate' is not defined"),
        ("{{ $label.job }}", r"\$label is not defined"),
        ("{{ .Foo }}", r"\.Foo is not defined"),
        ("{{ $externalURL }}", "has no web page"),
        ("{{ if $value }}x{{ end }}", "'if' is not supported yet"),
        ("{{ range $labels }}{{ end }}", "'range' is not supported yet"),
        ("{{ with $labels.job }}{{ end }}", "'with' is not supported yet"),
        ('{{ define "x" }}{{ end }}', "'define' is not supported yet"),
        ('{{ template "x" }}', "'template' is not supported yet"),
        ('{{ query "up" | first | value }}', "'query' is not supported yet"),
        ("{{ $value | first }}", "'first' is not supported yet"),
        ("{{ $x := $value }}", "a variable of one's own is not supported yet"),
        ("{{ . }}", r"'\.' alone is not supported yet"),
        ("{{ nil }}", "'nil' is not supported yet"),
        ("{{ $value", "isn't closed"),
        ('{{ "abc }}', "unexpected '\"'"),
        ("{{ $value + 1 }}", r"unexpected '\+'"),
        ("{{ $labels.a-b }}", "unexpected '-'"),
        ("{{/* open }}", "comment isn't closed"),
        ("{{/* a */ $value }}", "comment must fill"),
        ("{{ }}", "a value is missing"),
        ("{{ $value | }}", "a value is missing"),
        ("{{ ($value }}", r"a '\)' is missing"),
        ("{{ $value) }}", r"unexpected '\)'"),
        ("{{ $value $value }}", "isn't a function"),
        ("{{ 5 | $value }}", "isn't a function"),
        ('{{ print "a""b" }}', "a space is missing"),
        ('{{ print"a" }}', "a space is missing"),
        ("{{ humanize }}", r"takes 1 argument\(s\), not 0"),
        ("{{ humanize 1 2 }}", r"takes 1 argument\(s\), not 2"),
        ("{{ printf }}", "at least 1 argument"),
        ("{{ title $value }}", r"title takes text, not \$value \(float64\)"),
        ("{{ humanize $labels }}", "takes a number or text"),
        ("{{ humanize true }}", "takes a number or text"),
        ("{{ printf $labels.job $value }}", "needs its format written out"),
        ('{{ reReplaceAll $labels.job "" "x" }}', "needs its pattern written out"),
        ('{{ reReplaceAll "(" "" "x" }}', "isn't an RE2 regular expression"),
        ('{{ printf "%x" $value }}', "%x of a float64 is not supported yet"),
        ('{{ "\\d" }}', "escape"),
        ('{{ "\\ud800" }}', "no character"),
        ("{{ 'ab' }}", "one character"),
        ("{{ 99999999999999999999 }}", "too large"),
        ("{{ 1x }}", "isn't a number"),
        ("{{ $value.x }}", "is no set of labels"),
        ("{{ $labels.job.x }}", "is no set of labels"),
    ],
)
def test_bad_templates_are_found_when_rules_are_loaded(text, message):
    with pytest.raises(ValueError, match=message):
        Template.parse(text)


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match="nested too deeply"):
        Template.parse("{{ " + "(" * 2_000 + "$value" + ")" * 2_000 + " }}")


def test_an_error_while_expanding_becomes_the_text():
    assert expand("ok {{ $value }} {{ humanize $labels.note }}") == (
        "<error expanding template: error executing template __alert_A: template: __alert_A:1:131: "
        'executing "__alert_A" at <humanize $labels.note>: error calling humanize: '
        'strconv.ParseFloat: parsing "x y": invalid syntax>'
    )


@pytest.mark.parametrize(
    ("text", "uses_value"),
    [
        ("{{ $labels.job }}", False),
        ("plain", False),
        ("{{ $value }}", True),
        ('{{ printf "%v" (humanize .Value) }}', True),
        ("{{ $labels.value }}{{/* $value */}}", False),
    ],
)
def test_it_knows_whether_the_value_matters(text, uses_value):
    assert Template.parse(text).uses_value is uses_value


def test_templates_of_the_same_text_are_equal_and_travel():
    text = '{{ printf "%.1f" $value }}{{ reReplaceAll "a(.)" "$1" $labels.job }}'
    template = Template.parse(text)
    assert template == Template.parse(text)
    assert hash(template) == hash(Template.parse(text))
    assert pickle.loads(pickle.dumps(template)).expand(LABELS, 2.0) == "2.0pi"
