"""Reads the text of a Prometheus rule file into groups, collecting all mistakes."""

import re
from collections.abc import Callable
from typing import TypeVar

from engine.config.durations import parse_duration
from engine.config.positions import (
    Position,
    YamlList,
    YamlMapping,
    load_yaml,
    position_of,
    text_of,
    value_position_of,
)
from engine.errors import Problem
from engine.rules.model import AlertRule, RuleGroup, RuleVerdict
from engine.rules.promql import Expression, parse_expression
from engine.rules.promql_errors import ExpressionError
from engine.rules.source_position import position_inside
from engine.rules.templates import Template
from engine.series.identity import NAME_LABEL

Parsed = TypeVar("Parsed")

_GROUP_FIELDS = ("name", "interval", "labels", "rules")
_RULE_FIELDS = ("alert", "expr", "for", "keep_firing_for", "labels", "annotations")
# Of Prometheus, and of Thanos, Mimir and VictoriaMetrics, whose rule files look the same.
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
        "limit",
        "namespace",
        "notifier_headers",
        "params",
        "partial_response_strategy",
        "query_offset",
        "record",
        "source_tenants",
        "tenant",
        "type",
        "update_entries_limit",
    }
)
_NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")


class RuleFileReader:
    """Reads one rule file; `groups` fills `verdicts` and `problems`."""

    def __init__(
        self, text: str, file: str, *, default_interval_ns: int, max_window_ns: int
    ) -> None:
        self.file = file
        self.default_interval_ns = default_interval_ns
        self.max_window_ns = max_window_ns
        self.lines = text.splitlines()
        self.verdicts: list[RuleVerdict] = []
        self.root, self.problems = load_yaml(text, file)

    def groups(self) -> tuple[RuleGroup, ...]:
        """Read all groups; those that can't be used are left out."""
        root = self.root
        if root is None:
            return ()
        if not isinstance(root, YamlMapping):
            self._problem(Position(1, 1), "a rule file is a mapping; begin it with 'groups:'")
            return ()
        self._check_fields(root, ("groups",))
        groups = []
        first_lines: dict[str, int] = {}
        for node, position in self._items(root, "groups"):
            group = self._group(node, position)
            if group is None:
                continue
            if group.name in first_lines:
                self._problem(
                    value_position_of(node, "name"),
                    f"the group '{group.name}' stands twice, first in line "
                    f"{first_lines[group.name]}; rename one",
                )
            first_lines.setdefault(group.name, position.line)
            groups.append(group)
        return tuple(groups)

    def _group(self, node: YamlMapping, position: Position) -> RuleGroup | None:
        before = len(self.problems)
        self._check_fields(node, _GROUP_FIELDS)
        name = self._text(node, "name")
        if not name:
            self._problem(position, "the group has no name; add 'name: ...'")
        interval_ns = self._duration(node, "interval") or self.default_interval_ns
        labels = self._templates(node, "labels", alert="")
        errors = [problem.message for problem in self.problems[before:]]
        rules: list[AlertRule] = []
        seen: dict[tuple[str, ...], int] = {}
        for rule_node, rule_position in self._items(node, "rules"):
            begin = len(self.problems)
            rule = self._rule(rule_node, rule_position, name, labels)
            if rule is not None:
                self._check_repeated(rule, rule_node, seen)
                rules.append(rule)
            found = [problem.message for problem in self.problems[begin:]]
            title = self._text(rule_node, "alert") or self._text(rule_node, "record")
            self.verdicts.append(
                RuleVerdict(self.file, name, title, rule_position.line, "; ".join(errors + found))
            )
        if not name:
            return None
        return RuleGroup(file=self.file, name=name, interval_ns=interval_ns, rules=tuple(rules))

    def _rule(
        self, node: YamlMapping, position: Position, group: str, group_labels: dict[str, Template]
    ) -> AlertRule | None:
        """Read a rule; None if it has a mistake, which is among the problems then."""
        before = len(self.problems)
        self._check_fields(node, _RULE_FIELDS)
        name = self._text(node, "alert")
        if not name and "record" not in node:
            self._problem(position, "the rule has no name; add 'alert: ...'")
        if node.get("expr") is None or text_of(node, "expr") == "":
            self._problem(position, "the rule has no expression; add 'expr: ...'")
        expression = self._parsed(node, "expr", self._expression)
        for_ns = self._duration(node, "for")
        keep_firing_for_ns = self._duration(node, "keep_firing_for")
        # A group's label is parsed anew: error texts hold the alert's name.
        inherited = {
            label: Template.parse(template.text, alert=name)
            for label, template in group_labels.items()
        }
        labels = inherited | self._templates(node, "labels", alert=name)
        annotations = self._templates(node, "annotations", alert=name)
        if len(self.problems) > before or expression is None:
            return None
        return AlertRule(
            file=self.file,
            group=group,
            name=name,
            expression=expression,
            for_ns=for_ns,
            keep_firing_for_ns=keep_firing_for_ns,
            labels=tuple(sorted(labels.items(), key=_by_name)),
            annotations=tuple(sorted(annotations.items(), key=_by_name)),
            line=position.line,
        )

    def _check_repeated(
        self, rule: AlertRule, node: YamlMapping, seen: dict[tuple[str, ...], int]
    ) -> None:
        """Refuse a second rule that would share its state with an earlier one."""
        key = (rule.name, *(f"{label}={template.text}" for label, template in rule.labels))
        if key in seen:
            self._problem(
                value_position_of(node, "alert"),
                f"'{rule.name}' has the same name and labels as the rule in line {seen[key]}; "
                "give one of them another name or a label",
            )
        seen.setdefault(key, rule.line)

    def _expression(self, text: str) -> Expression:
        return parse_expression(text, max_window_ns=self.max_window_ns)

    def _templates(self, node: YamlMapping, field: str, *, alert: str) -> dict[str, Template]:
        mapping = node.get(field)
        if mapping is None:
            return {}
        if not isinstance(mapping, YamlMapping):
            self._problem(value_position_of(node, field), f"'{field}' is a mapping of texts")
            return {}
        templates = {}
        for name in mapping:
            if not _NAME.fullmatch(name) or (field == "labels" and name == NAME_LABEL):
                self._problem(
                    position_of(mapping, name),
                    f"'{name}' can't be a name in '{field}'; "
                    "write letters, digits and _, no digit first",
                )
            template = self._parsed(
                mapping,
                name,
                lambda text: Template.parse(text, alert=alert),
                what=f"{field}.{name}",
            )
            if template is not None:
                templates[name] = template
        return templates

    def _duration(self, node: YamlMapping, field: str) -> int:
        """Read a duration, 0 where there is none."""

        def parse(text: str) -> int:
            try:
                return parse_duration(text)
            except ValueError as error:
                raise ValueError(f"'{text}' isn't a duration such as 30s or 5m: {error}") from None

        return self._parsed(node, field, parse) or 0

    def _parsed(
        self,
        node: YamlMapping,
        field: str,
        parse: Callable[[str], Parsed],
        *,
        what: str = "",
    ) -> Parsed | None:
        """Read a scalar with `parse`, whose ValueError becomes a problem at its place."""
        if field not in node:
            return None
        position = value_position_of(node, field)
        if isinstance(node[field], YamlMapping | YamlList):
            self._problem(position, f"'{what or field}' is a text")
            return None
        text = self._text(node, field)
        if not text and not what:
            return None
        try:
            return parse(text)
        except ExpressionError as error:
            if error.offset is not None:
                position = position_inside(self.lines, position, text, error.offset)
            self._problem(position, f"{what or field}: {error}")
        except ValueError as error:
            self._problem(position, f"{what or field}: {error}")
        return None

    def _text(self, node: YamlMapping, field: str) -> str:
        """Give a scalar as it was written, empty where there is none, as Prometheus does."""
        if node.get(field) is None:
            return ""
        return text_of(node, field) or ""

    def _items(self, node: YamlMapping, field: str) -> list[tuple[YamlMapping, Position]]:
        """Give the mappings of a list."""
        items = node.get(field)
        if items is None:
            return []
        if not isinstance(items, YamlList):
            self._problem(value_position_of(node, field), f"'{field}' is a list; begin it with '-'")
            return []
        found = []
        for index, item in enumerate(items):
            position = position_of(items, index)
            if isinstance(item, YamlMapping):
                found.append((item, position))
            else:
                self._problem(position, f"each entry of '{field}' is a mapping")
        return found

    def _check_fields(self, node: YamlMapping, known: tuple[str, ...]) -> None:
        for field in node:
            if field in known:
                continue
            position = position_of(node, field)
            if field not in _UNSUPPORTED_FIELDS:
                self._problem(position, f"unknown field '{field}'; there are {', '.join(known)}")
            elif field != "limit" or text_of(node, field) != "0":  # a limit of 0 means none
                self._problem(position, f"'{field}' is not supported yet; remove it")

    def _problem(self, position: Position, message: str) -> None:
        self.problems.append(Problem(self.file, *position, message))


def _by_name(item: tuple[str, Template]) -> str:
    return item[0]
