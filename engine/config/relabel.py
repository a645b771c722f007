"""One rule of relabelling in the configuration: Prometheus' `relabel_config`, and `match`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import promql_parser
import re2
from msgspec import Meta

from engine.config.scalars import Scalar, Selector
from engine.config.section import Section

Action = Literal[
    "replace",
    "keep",
    "drop",
    "keepequal",
    "dropequal",
    "hashmod",
    "labelmap",
    "labeldrop",
    "labelkeep",
    "lowercase",
    "uppercase",
]


def compile_pattern(text: str) -> Any:
    """Compile an RE2 pattern in which ``.`` matches a newline, as in Prometheus 3.

    Raises
    ------
    ValueError
        If it isn't one.
    """
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0]
        raise ValueError(reason.decode() if isinstance(reason, bytes) else reason) from None


def _regex(text: str) -> str:
    compile_pattern(text)
    return text


_TEXT = {"type": ["string", "number", "boolean"]}  # `regex: 5` is the text "5"
REGEX = Scalar("an RE2 regular expression", "e.g. 'go_.*'", _regex, _TEXT)

_DEFAULTS: dict[str, Any] = {
    "source_labels": (),
    "separator": ";",
    "regex": "(.*)",
    "modulus": None,
    "target_label": "",
    "replacement": "$1",
}

_WITH_TARGET = {"replace", "keepequal", "dropequal", "hashmod", "lowercase", "uppercase"}
# Prometheus refuses these, too.
_NOT_TAKEN = {
    "keepequal": ("separator", "regex", "modulus", "replacement"),
    "dropequal": ("separator", "regex", "modulus", "replacement"),
    "lowercase": ("replacement",),
    "uppercase": ("replacement",),
    "labeldrop": ("source_labels", "separator", "modulus", "target_label", "replacement"),
    "labelkeep": ("source_labels", "separator", "modulus", "target_label", "replacement"),
}


class RelabelConfig(Section, frozen=True, kw_only=True):
    """A relabelling rule; rules are applied in order, each to what the ones before it left."""

    action: Annotated[
        Action,
        Meta(description="As in Prometheus; a series that is left without a name is dropped."),
    ] = "replace"
    match: Annotated[
        Selector | None,
        Meta(
            description="PromQL selector of the series that the rule is for; with `keep` or `drop` "
            "and no `source_labels` it says what to keep or drop."
        ),
    ] = None
    source_labels: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="Labels whose values are joined to the text that `regex` is matched to."),
    ] = ()
    separator: Annotated[str, Meta(description="Text between the values of `source_labels`.")] = ";"
    regex: Annotated[
        str,
        Meta(
            description="RE2 pattern, anchored at both ends: of the joined text or, in the "
            "`label...` actions, of labels' names.",
            extra={"scalar": REGEX},
        ),
    ] = "(.*)"
    modulus: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="`hashmod`: what to divide the joined text's hash by."),
    ] = None
    target_label: Annotated[
        str, Meta(description="The label to write or compare; `replace` expands `$1` in it.")
    ] = ""
    replacement: Annotated[
        str,
        Meta(
            description="The new value or, in `labelmap`, name; `$1` is the regex' first group "
            "and `$${1}` the same in braces, since `${...}` is the environment's."
        ),
    ] = "$1"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Each action has keys that it needs and keys that it can't use."""
        if self.action in _WITH_TARGET and not self.target_label:
            yield "target_label", f"`{self.action}` needs a label's name here"
        if self.action == "hashmod" and self.modulus is None:
            yield "modulus", "`hashmod` needs a whole number here"
        if self.action == "labelmap" and not self.replacement:
            yield "replacement", "`labelmap` needs a label's name here"
        given = {key for key, default in _DEFAULTS.items() if getattr(self, key) != default}
        for key in _NOT_TAKEN.get(self.action, ()):
            if key in given:
                yield key, f"`{self.action}` can't use this; remove it"
        if self.decided_by_match and "regex" in given:
            yield "regex", "needs `source_labels` where there is `match`"
        if self.match is not None and not _is_supported(self.match):
            yield "match", "takes no `or` between matchers and only RE2 patterns"

    @property
    def decided_by_match(self) -> bool:
        """Whether `match` alone says what to keep or drop."""
        filters = self.action in {"keep", "drop"}
        return filters and self.match is not None and not self.source_labels


def _is_supported(selector: str) -> bool:
    """Tell whether a selector that the PromQL parser takes is one that the engine takes."""
    tree: Any = promql_parser.parse(selector)
    matchers = tree.matchers
    try:
        for matcher in matchers.matchers:
            if str(matcher.op) in {"MatchOp.Re", "MatchOp.NotRe"}:
                compile_pattern(matcher.value)
    except ValueError:
        return False
    return not matchers.or_matchers
