"""Labels that a template prints, with their places."""

import pytest

from engine.rules.template_labels import labels_printed
from engine.rules.templates import Template


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("none", []),
        ("{{ $labels.a }}", ["a"]),
        ("{{ $labels.a }} {{ .Labels.b }} {{ $labels.a }}", ["a", "b"]),
        ("{{ $labels }} {{ $value }} {{ .Value }}", []),
        ("{{ $labels.a | toUpper }} {{ printf `%s` $labels.b }}", ["a", "b"]),
        ("{{ toUpper (toLower $labels.a) }}", ["a"]),
        ("{{ if $labels.a }}{{ $labels.a }} {{ $labels.b }}{{ else }}{{ $labels.c }}{{ end }}",
         ["b", "c"]),
        ("{{ with $labels.a }}{{ . }}{{ end }}{{ $labels.a }}", []),
        ("{{ $x := $labels.a }}{{ $x }}", ["a"]),
    ],
)  # fmt: skip
def test_labels(text, labels):
    found = labels_printed(Template.parse(text).statements)
    assert [label for label, _ in found] == labels
    for label, position in found:
        assert text[position:].startswith((f".{label}", f".Labels.{label}"))
