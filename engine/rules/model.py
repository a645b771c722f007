"""What loading gives: rule groups, their rules, and a verdict on each rule of a file."""

from dataclasses import dataclass

from engine.promql.syntax import Expression
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

    @property
    def key(self) -> str:
        """What a rule keeps its state by: group, name and labels (design 3.3)."""
        labels = ",".join(f"{name}={template.text}" for name, template in self.labels)
        return f"{self.file}|{self.group}|{self.name}|{labels}"


@dataclass(frozen=True, kw_only=True)
class RecordingRule:
    """One recording rule: its expression's results become series called `name`.

    Attributes
    ----------
    file, group, name : str
        The rule file's and the group's name, and the metric name that is recorded.
    expression : Expression
    labels : tuple of (str, str)
        Put on each result; an empty value takes the label away. The group's labels are in it.
    line : int
        Where the rule stands in its file, from 1.
    """

    file: str
    group: str
    name: str
    expression: Expression
    labels: tuple[tuple[str, str], ...]
    line: int

    @property
    def key(self) -> str:
        """What a rule keeps its state by."""
        labels = ",".join(f"{name}={value}" for name, value in self.labels)
        return f"{self.file}|{self.group}|record|{self.name}|{labels}"


Rule = AlertRule | RecordingRule


@dataclass(frozen=True, kw_only=True)
class RuleGroup:
    """Rules that are evaluated together at each multiple of `interval_ns`, in file order.

    Attributes
    ----------
    limit : int
        Most alerts or series that a rule may have; 0 for any number.
    query_offset_ns : int
        How much longer than the lateness the group waits for late data.
    """

    file: str
    name: str
    interval_ns: int
    rules: tuple[Rule, ...]
    limit: int = 0
    query_offset_ns: int = 0


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
