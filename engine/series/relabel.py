"""Relabelling as Prometheus 3 does it (`metric_relabel_configs`), of one series at a time.

The metric name is the label ``__name__``; a series that a rule leaves without it is dropped.
Labels that begin with ``__`` stay, as Prometheus' samples keep them. Label names are any text but
the empty one; a rule that would write to an empty name writes nothing.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import md5
from typing import Any

from engine.series.identity import NAME_LABEL, Series

_REFERENCE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>\w+)|\{(?P<braced>\w+)\})")
_MATCHES_REMEMBERED = 1024

Condition = Callable[[str, Mapping[str, str]], bool]
"""Tells of a name and labels whether a rule is for them."""


def any_series(_name: str, _labels: Mapping[str, str], /) -> bool:
    """Match every series."""
    return True


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``$1``, ``${1}``, ``$name`` and ``$$`` in it, as Go's `Regexp.Expand` reads it.

    ``$1x`` is the group named ``1x``; what isn't in the pattern or took no part is empty; a ``$``
    that begins nothing stays.
    """

    text: str

    def expand(self, match: Any) -> str:
        """Put a match's groups in their places."""
        if "$" not in self.text:
            return self.text

        def value(reference: re.Match[str]) -> str:
            if reference["dollar"]:
                return "$"
            return _group(match, reference["bare"] or reference["braced"])

        return _REFERENCE.sub(value, self.text)


def _group(match: Any, name: str) -> str:
    is_number = name.isascii() and name.isdigit() and (name == "0" or name[0] != "0")
    if is_number:
        number = int(name[:9])  # no pattern has as many groups, and int() takes no endless text
        return (match[number] or "") if number <= match.re.groups else ""
    return (match[name] or "") if name in match.re.groupindex else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelabelRule:
    """One rule, compiled.

    Attributes
    ----------
    action : str
        One of Prometheus' actions, in lower case.
    matches : callable
        Name and labels to whether the rule is for the series, as the rules before it left it.
    source_labels : tuple of str
    separator : str
    full_match : callable
        Matches the pattern to a whole text, see `remembering`.
    modulus : int
        1 or more.
    target_label : Template
        Only `replace` expands it.
    replacement : Template
    """

    action: str
    full_match: Callable[[str], Any]
    matches: Condition = any_series
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    modulus: int = 1
    target_label: Template = Template("")
    replacement: Template = Template("$1")


def remembering(pattern: Any) -> Callable[[str], Any]:
    """Give a pattern's `fullmatch`; series share most values, and a look-up costs far less."""
    return lru_cache(maxsize=_MATCHES_REMEMBERED)(pattern.fullmatch)


class LabelBuilder:
    """The labels of a series while rules change them.

    Prometheus keeps what was set apart from what the series had, and walks the latter first: where
    several labels are mapped to one name, the last in that order wins.
    """

    def __init__(self, series: Series) -> None:
        labels = dict(sorted(((NAME_LABEL, series.name), *series.labels)))
        self._base, self._set = labels, dict[str, str]()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([*self._base.items(), *self._set.items()])

    def get(self, name: str) -> str:
        """Give a label's value, or "" without the label."""
        return self._set.get(name) or self._base.get(name, "")

    def set(self, name: str, value: str) -> None:
        """Write a label; an empty value removes it, an empty name is passed over."""
        if not value:
            self.remove(name)
        elif name:
            self._base.pop(name, None)
            self._set[name] = value

    def remove(self, name: str) -> None:
        """Remove a label."""
        self._base.pop(name, None)
        self._set.pop(name, None)

    def matches(self, condition: Condition) -> bool:
        """Ask a condition on name and labels."""
        return condition(self.get(NAME_LABEL), {**self._base, **self._set})

    def series(self) -> Series | None:
        """Give the series; None without a name."""
        name = self.get(NAME_LABEL)
        return Series.of(name, {**self._base, **self._set}) if name else None


def relabel(series: Series, rules: Sequence[RelabelRule]) -> Series | None:
    """Apply rules to a series, in their order.

    Parameters
    ----------
    series : Series
    rules : sequence of RelabelRule

    Returns
    -------
    Series or None
        The series under its new name and labels; None if it is dropped.
    """
    labels = LabelBuilder(series)
    for rule in rules:
        applies = rule.matches is any_series or labels.matches(rule.matches)
        if applies and not _apply(rule, labels):
            return None
    return labels.series()


def _apply(rule: RelabelRule, labels: LabelBuilder) -> bool:
    """Apply one rule; tells whether the series is kept."""
    if rule.action in {"labelmap", "labeldrop", "labelkeep"}:
        _apply_to_names(rule, labels)
        return True
    value = rule.separator.join([labels.get(name) for name in rule.source_labels])
    target = rule.target_label.text
    match rule.action:
        case "keep":
            return rule.full_match(value) is not None
        case "drop":
            return rule.full_match(value) is None
        case "keepequal":
            return labels.get(target) == value
        case "dropequal":
            return labels.get(target) != value
        case "replace":
            _replace(rule, labels, value)
        case "hashmod":
            labels.set(target, str(_hash(value) % rule.modulus))
        case "lowercase":
            labels.set(target, "".join(map(_lower, value)))
        case "uppercase":
            labels.set(target, "".join(map(_upper, value)))
    return True


def _apply_to_names(rule: RelabelRule, labels: LabelBuilder) -> None:
    for name, value in labels:
        match = rule.full_match(name)
        if rule.action == "labelmap" and match:
            labels.set(rule.replacement.expand(match), value)
        elif (rule.action == "labeldrop" and match) or (rule.action == "labelkeep" and not match):
            labels.remove(name)


def _replace(rule: RelabelRule, labels: LabelBuilder, value: str) -> None:
    match = rule.full_match(value)
    if match:
        labels.set(rule.target_label.expand(match), rule.replacement.expand(match))


def _hash(value: str) -> int:
    """Give the last eight bytes of the MD5 as a big-endian number."""
    return int.from_bytes(md5(value.encode(), usedforsecurity=False).digest()[8:], "big")


def _lower(character: str) -> str:
    # Go maps one character to one: of İ, whose full lower case has two, the first.
    return character.lower()[0]


def _upper(character: str) -> str:
    # Go maps one character to one: ß stays, and for ᾳ the title case is the one.
    return next((c for c in (character.upper(), character.title()) if len(c) == 1), character)
