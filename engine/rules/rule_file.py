"""Reads the text of a Prometheus rule file into groups, collecting all mistakes."""

import re
from dataclasses import dataclass, field

from engine.config.positions import (
    Position,
    YamlMapping,
    position_of,
    value_position_of,
)
from engine.errors import Problem
from engine.promql.parse import Language
from engine.promql.syntax import Expression
from engine.rules.model import AlertRule, RecordingRule, Rule, RuleGroup, RuleVerdict
from engine.rules.rule_expression import parse_rule_expression
from engine.rules.templates import Template
from engine.rules.yaml_fields import YamlFields
from engine.series.identity import NAME_LABEL

_GROUP_FIELDS = ("name", "interval", "query_offset", "limit", "labels", "rules")
_RULE_FIELDS = ("record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
_OF_ALERTS_ONLY = ("for", "keep_firing_for", "annotations")
# Of Thanos, Mimir and VictoriaMetrics, whose rule files look the same.
_UNSUPPORTED_FIELDS = frozenset(
    {
        "align_evaluation_time_on_interval",
        "concurrency",
        "debug",
        "eval_alignment",
        "eval_delay",
        "eval_offset",
        "evaluation_delay",
        "headers",
        "namespace",
        "notifier_headers",
        "params",
        "partial_response_strategy",
        "source_tenants",
        "tenant",
        "type",
        "update_entries_limit",
    }
)
_WHOLE_NUMBER = re.compile("[-+]?[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Group:
    """What rules take over from their group, and what they may not share."""

    name: str
    node: YamlMapping
    labels: dict[str, str]
    first_lines: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A rule with where it comes from: what lints need to point at what they mean.

    Attributes
    ----------
    rule : Rule
    interval_ns : int
        Of its group.
    node : YamlMapping
        As it stands in the file.
    fields : YamlFields
        The file.
    """

    rule: Rule
    interval_ns: int
    node: YamlMapping
    fields: YamlFields

    def warning(self, *path: str, offset: int | None, message: str) -> Problem:
        """Make a warning about a scalar of the rule, which is found by the keys to it."""
        node = self.node
        for key in path[:-1]:
            node = node[key]
        position = value_position_of(node, path[-1])
        if offset is not None:
            position = self.fields.place_inside(node, path[-1], offset)
        return Problem(self.fields.file, *position, message)


class RuleFileReader(YamlFields):
    """Reads one rule file; `groups` fills `verdicts`, `sources` and `problems`.

    References
    ----------
    Prometheus, ``model/rulefmt/rulefmt.go``.
    """

    def __init__(
        self, text: str, file: str, *, default_interval_ns: int, max_window_ns: int
    ) -> None:
        super().__init__(text, file)
        self.default_interval_ns = default_interval_ns
        self.language = Language(default_interval_ns, max_window_ns)
        self.verdicts: list[RuleVerdict] = []
        self.sources: list[RuleSource] = []

    def groups(self) -> tuple[RuleGroup, ...]:
        """Read all groups; those that can't be used are left out."""
        root = self.root
        if root is None:
            return ()
        if not isinstance(root, YamlMapping):
            self.problem(Position(1, 1), "a rule file is a mapping; begin it with 'groups:'")
            return ()
        self.check_fields(root, ("groups",))
        groups = []
        first_lines: dict[str, int] = {}
        for node, position in self.items(root, "groups"):
            group = self._group(node, position)
            if group is None:
                continue
            if group.name in first_lines:
                self.problem(
                    value_position_of(node, "name"),
                    f"the group '{group.name}' stands twice, first in line "
                    f"{first_lines[group.name]}; rename one",
                )
            first_lines.setdefault(group.name, position.line)
            groups.append(group)
        return tuple(groups)

    def _group(self, node: YamlMapping, position: Position) -> RuleGroup | None:
        before = len(self.problems)
        self.check_fields(node, _GROUP_FIELDS, _UNSUPPORTED_FIELDS)
        name = self.text(node, "name")
        if not name:
            self.problem(position, "the group has no name; add 'name: ...'")
        interval_ns = self.duration(node, "interval") or self.default_interval_ns
        query_offset_ns = self.duration(node, "query_offset")
        limit = self.parsed(node, "limit", _limit) or 0
        group = _Group(name, node, self._names_and_texts(node, "labels"))
        errors = [problem.message for problem in self.problems[before:]]
        rules: list[Rule] = []
        for rule_node, rule_position in self.items(node, "rules"):
            begin = len(self.problems)
            rule = self._rule(rule_node, rule_position, group)
            if rule is not None:
                rules.append(rule)
                self.sources.append(RuleSource(rule, interval_ns, rule_node, self))
            found = dict.fromkeys(problem.message for problem in self.problems[begin:])
            error = "; ".join([*errors, *found])
            title = self.text(rule_node, "alert") or self.text(rule_node, "record")
            self.verdicts.append(RuleVerdict(self.file, name, title, rule_position.line, error))
        if not name:
            return None
        return RuleGroup(
            file=self.file,
            name=name,
            interval_ns=interval_ns,
            rules=tuple(rules),
            limit=limit,
            query_offset_ns=query_offset_ns,
        )

    def _rule(self, node: YamlMapping, position: Position, group: _Group) -> Rule | None:
        """Read a rule; None if it has a mistake, which is among the problems then."""
        before = len(self.problems)
        self.check_fields(node, _RULE_FIELDS, _UNSUPPORTED_FIELDS)
        alert, record = self.text(node, "alert"), self.text(node, "record")
        if alert and record:
            place = value_position_of(node, "record")
            self.problem(place, "only one of 'record' and 'alert' must be set")
        elif not alert and not record:
            self.problem(position, "one of 'record' or 'alert' must be set; add 'alert: ...'")
        if "expr" not in node or node["expr"] in (None, ""):
            self.problem(position, "the rule has no expression; add 'expr: ...'")
        expression = self.parsed(
            node, "expr", lambda text: parse_rule_expression(text, self.language)
        )
        if record and not alert:
            rule: Rule | None = self._recording(node, position, group, expression)
        else:
            rule = self._alert(node, position, group, expression)
        if len(self.problems) > before or rule is None:
            return None
        # Recording rules may be repeated: kubernetes-mixin makes one metric of several, in parts.
        if isinstance(rule, AlertRule):
            self._check_repeated(rule, node, group)
        return rule

    def _recording(
        self, node: YamlMapping, position: Position, group: _Group, expression: Expression | None
    ) -> RecordingRule | None:
        name, place = self.text(node, "record"), value_position_of(node, "record")
        if "{" in name or "}" in name:
            message = "braces present in the recording rule name; should it be in expr?"
            self.problem(place, f"{message}: {name}")
        given = {
            "for": self.duration(node, "for"),
            "keep_firing_for": self.duration(node, "keep_firing_for"),
            "annotations": self._names_and_texts(node, "annotations"),
        }
        for unused in _OF_ALERTS_ONLY:
            if given[unused]:
                message = f"invalid field '{unused}' in recording rule"
                self.problem(position_of(node, unused), message)
        labels = group.labels | self._names_and_texts(node, "labels")
        if expression is None:
            return None
        return RecordingRule(
            file=self.file,
            group=group.name,
            name=name,
            expression=expression,
            labels=tuple(sorted(labels.items())),
            line=position.line,
        )

    def _alert(
        self, node: YamlMapping, position: Position, group: _Group, expression: Expression | None
    ) -> AlertRule | None:
        name = self.text(node, "alert")
        for_ns = self.duration(node, "for")
        keep_firing_for_ns = self.duration(node, "keep_firing_for")
        # A group's label is parsed for each alert, as its error texts hold the alert's name.
        labels = self._templates(group.node, "labels", group.labels, alert=name)
        own = self._names_and_texts(node, "labels")
        labels |= self._templates(node, "labels", own, alert=name)
        texts = self._names_and_texts(node, "annotations")
        annotations = self._templates(node, "annotations", texts, alert=name)
        if expression is None:
            return None
        return AlertRule(
            file=self.file,
            group=group.name,
            name=name,
            expression=expression,
            for_ns=for_ns,
            keep_firing_for_ns=keep_firing_for_ns,
            labels=tuple((label, labels[label]) for label in sorted(labels)),
            annotations=tuple((label, annotations[label]) for label in sorted(annotations)),
            line=position.line,
        )

    def _check_repeated(self, rule: AlertRule, node: YamlMapping, group: _Group) -> None:
        """Refuse a second alert whose events could not be told from an earlier one's."""
        if rule.key in group.first_lines:
            self.problem(
                value_position_of(node, "alert"),
                f"'{rule.name}' has the same name and labels as the rule in line "
                f"{group.first_lines[rule.key]}; give one of them another name or a label",
            )
        group.first_lines.setdefault(rule.key, rule.line)

    def _names_and_texts(self, node: YamlMapping, mapping_field: str) -> dict[str, str]:
        """Read a mapping of label or annotation names to texts."""
        texts = self.labels(node, mapping_field)
        what = mapping_field.removesuffix("s")
        for name in texts:
            if not name or (what == "label" and name == NAME_LABEL):
                place = position_of(node[mapping_field], name)
                self.problem(place, f"invalid {what} name: '{name}'")
        return texts

    def _templates(
        self, node: YamlMapping, mapping_field: str, texts: dict[str, str], *, alert: str
    ) -> dict[str, Template]:
        def parse(text: str) -> Template:
            return Template.parse(text, alert=alert)

        templates = {}
        for name in texts:
            what = f"{mapping_field}.{name}"
            template = self.parsed(node[mapping_field], name, parse, what=what)
            templates[name] = template or Template.parse("", alert=alert)
        return templates


def _limit(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text):
        raise ValueError(f"'{text}' isn't a whole number")
    return max(int(text), 0)
