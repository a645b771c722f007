"""Templates: what is refused when rules are loaded, and what the errors say."""

import pickle

import pytest

from engine.rules.templates import External, Template

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
        ('{{ "}}" }}{{ `a"b` }}', '}}a"b'),
        ('{{ printf "%.1f of %s" $value (title $labels.job) }}', "1.5 of Api"),
        ('{{ $value | printf "%.2f" }}', "1.50"),
        ("{{ if gt $value 1.0 }}high{{ else }}low{{ end }}", "high"),
        ("{{ with $labels.nope }}{{ . }}{{ else }}{{ .Value }}{{ end }}", "1.5"),
        (
            "{{ range $name, $text := $labels }}{{ $name }}={{ $text }};{{ end }}",
            "__name__=m;job=api;note=x y;",
        ),
        ("{{ $n := 0 }}{{ range $labels }}{{ $n = len . }}{{ end }}{{ $n }}", "3"),
        ("{{ $externalURL }}{{ externalURL }}{{ pathPrefix }}", ""),
    ],
)
def test_expansion(text, expanded):
    assert expand(text) == expanded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ frobnicate $value }}", "the function 'frobnicate' is not defined"),
        ("{{ $label.job }}", r"\$label is not defined"),
        ('{{ define "x" }}{{ end }}', "'define' is not supported yet"),
        ('{{ template "x" }}', "'template' is not supported yet"),
        ('{{ query "up" | first | value }}', "'query' is not supported yet"),
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
        ('{{ print "a""b" }}', "a space is missing"),
        ('{{ print"a" }}', "a space is missing"),
        ('{{ "\\d" }}', "escape"),
        ('{{ "\\ud800" }}', "no character"),
        ("{{ 'ab' }}", "one character"),
        ("{{ 99999999999999999999 }}", "too large"),
        ("{{ 1x }}", "isn't a number"),
        ("{{ 0x1p9999 }}", "isn't a number"),
        ('{{ printf "%*d" 1 2 }}', "'%\\*' in a printf format is not supported yet"),
        ("{{ tmpl `x` }}", "'tmpl' is not supported yet: templates in a template"),
        ("{{ now }}", "'now' is not supported yet: a text may depend on the alert only"),
        ("{{ if $value }}", r"an '\{\{end\}\}' is missing for the 'if'"),
        ("{{ if $value }}{{ else }}", "is missing for the 'if'"),
        ("{{ if $value }}{{ else }}{{ else }}{{ end }}", "is missing for the 'if'"),
        ("{{ if $value }}{{ else with 1 }}{{ end }}", "belongs to a 'with', not a 'if'"),
        ("{{ range $labels }}{{ else range 1 }}{{ end }}", "unexpected 'range'"),
        ("{{ end }}", r"unexpected '\{\{end\}\}'"),
        ("{{ else }}", r"unexpected '\{\{else\}\}'"),
        ("{{ if }}{{ end }}", "a value is missing for the if"),
        ("{{ end 1 }}", "unexpected '1'"),
        ("{{ print end }}", "unexpected 'end'"),
        ("{{ break }}", "break stands outside of a range"),
        ("{{ range 1 }}{{ end }}{{ continue }}", "continue stands outside of a range"),
        ("{{ range 1 }}{{ break 1 }}{{ end }}", "unexpected '1'"),
        ("{{ $x := }}", "a value is missing"),
        ("{{ $x, $y := 1 }}", "too many variables for the command"),
        ("{{ range $x, $y, $z := 1 }}{{ end }}", "too many variables for the range"),
        ("{{ range $x, 1 }}{{ end }}", "range can declare variables only"),
        ("{{ if $x := 1 }}{{ end }}{{ $x }}", r"\$x is not defined"),
        ("{{ range $i, $x := $labels }}{{ end }}{{ $i }}", r"\$i is not defined"),
        ("{{ $value | 5 }}", "5 isn't a function"),
        ("{{ `a`.x }}", "has no field .x"),
    ],
)
def test_bad_templates_are_found_when_rules_are_loaded(text, message):
    with pytest.raises(ValueError, match=message):
        Template.parse(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [("{{ $x := " + "(" * 60 + "1", ")" * 60 + " }}"), ("{{ if 1 }}" * 60, "{{ end }}" * 60)],
)
def test_deep_nesting_is_refused(before, after):
    with pytest.raises(ValueError, match="nested too deeply"):
        Template.parse(before + after)


def test_what_may_be_nested_can_be_filled_in():
    inner = "(print " * 49 + "$value" + ")" * 49
    assert expand("{{ if 1 }}" * 49 + "{{ " + inner + " }}" + "{{ end }}" * 49) == "1.5"


def test_a_long_range_over_a_number_is_an_error():
    assert "longer than 10000 rounds" in expand("{{ range 1000000000 }}{{ end }}")
    nested = "{{ range 5000 }}{{ range 5000 }}{{ end }}{{ end }}"
    assert "longer than 10000 rounds" in expand(nested)


def test_the_installation_has_labels_and_a_url():
    template = Template.parse("{{ $externalLabels.dc }} {{ externalURL }} {{ pathPrefix }}")
    external = External({"dc": "eu"}, "http://m.example:9090/a%20b/c")
    assert template.expand(LABELS, 1.0, external=external) == (
        "eu http://m.example:9090/a%20b/c /a b/c"
    )


def test_what_cannot_be_printed_is_an_error_text():
    assert expand('{{ printf "%x" $value }}').endswith(
        "error calling printf: printf's %x of a float64 is not supported yet>"
    )


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
        ("{{ with $labels.job }}{{ . }}{{ end }}", False),
        ("{{ if $labels.job }}{{ . }}{{ end }}", True),
        ("{{ with $labels.job }}{{ else }}{{ . }}{{ end }}", True),
        ("{{ range $labels }}{{ $value }}{{ end }}", True),
        ("{{ range $labels }}{{ $.Value }}{{ end }}", True),
        ("{{ range $labels }}{{ $.Labels.job }}{{ end }}", False),
        ("{{ $x := $ }}{{ $x.Value }}", True),
        ("{{ (print $value).x }}", True),
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
