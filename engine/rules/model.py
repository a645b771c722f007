"""What loading gives: rule groups, alert rules, and a verdict on each rule of a file."""

from dataclasses import dataclass

from engine.rules.promql import Expression
from engine.rules.templates import Template


@dataclass(frozen=True, kw_only=True)
class AlertRule:
    """One alert rule.

    Attributes
    ----------
    file : str
        The rule file's name.
    group : str
        The group's name.
    name : str
        The alert's name.
    expression : Expression
        What must have a result for the alert to be active.
    for_ns : int
        How long it must be active before it fires.
    keep_firing_for_ns : int
        How long it fires on without a result.
    labels : tuple of (str, Template)
        By label name; the group's labels are in it, where the rule doesn't override them.
    annotations : tuple of (str, Template)
        By name.
    line : int
        Where the rule stands in its file, from 1.
    """

    file: str
    group: str
    name: str
    expression: Expression
    for_ns: int
    keep_firing_for_ns: int
    labels: tuple[tuple[str, Template], ...]
    annotations: tuple[tuple[str, Template], ...]
    line: int


@dataclass(frozen=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated together at each multiple of `interval_ns`, in file order."""

    file: str
    name: str
    interval_ns: int
    rules: tuple[AlertRule, ...]


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """Whether one rule of a file can be used.

    Attributes
    ----------
    file, group, rule : str
        Names; `rule` is the alert's name, or the recorded series' one.
    line : int
        Where the rule begins, from 1.
    error : str
        All that is wrong with it; empty if it can be used.
    """

    file: str
    group: str
    rule: str
    line: int
    error: str

    @property
    def ok(self) -> bool:
        """Whether the rule can be used."""
        return not self.error

    def as_json(self) -> dict[str, str | bool]:
        """Give the verdict for machines."""
        return {
            "file": self.file,
            "group": self.group,
            "rule": self.rule,
            "ok": self.ok,
            "error": self.error,
        }
