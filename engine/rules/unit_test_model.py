"""What a rule-test file says: input series, and the alerts and samples that are expected."""

from dataclasses import dataclass
from pathlib import Path

from engine.config.positions import Position
from engine.errors import Problem
from engine.promql.matrix import Labels
from engine.rules.series_notation import DescribedSeries


@dataclass(frozen=True, slots=True)
class AlertInstance:
    """A firing alert, expected or found.

    Attributes
    ----------
    labels : tuple of (str, str)
        With ``alertname``, sorted. An expected empty label is kept: no alert ever has one.
    annotations : tuple of (str, str)
        Sorted by name.
    """

    labels: Labels
    annotations: Labels


@dataclass(frozen=True, slots=True)
class VectorSample:
    """A sample of an instant vector, expected or found; ``__name__`` is among its labels."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertCheck:
    """Exactly these alerts of one name fire at a time; an entry of ``alert_rule_test``.

    Attributes
    ----------
    eval_time_ns : int
        Nanoseconds since the test's start; the last evaluation until then counts.
    alertname : str
        Alerts of all rules of this name, in whatever group, are compared.
    alerts : tuple of AlertInstance
        In file order.
    position : Position
        Where the entry begins.
    """

    eval_time_ns: int
    alertname: str
    alerts: tuple[AlertInstance, ...]
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionCheck:
    """An expression has exactly these samples at a time; an entry of ``promql_expr_test``.

    Attributes
    ----------
    expression : str
        PromQL, not parsed yet.
    eval_time_ns : int
        Nanoseconds since the test's start.
    samples : tuple of VectorSample
        In file order. A scalar result counts as one sample without labels.
    position : Position
        Where the expression begins.
    """

    expression: str
    eval_time_ns: int
    samples: tuple[VectorSample, ...]
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One entry of ``tests``.

    Attributes
    ----------
    name : str
        ``unnamed#i`` for a test without a name, i being its place from 0, as promtool says.
    interval_ns : int
        Between the values of the input series; groups without an interval have it, too.
    start_ns : int
        When the first values stand and the first evaluation is, nanoseconds since the epoch.
    input_series : tuple of DescribedSeries
        Each label set once.
    alert_checks : tuple of AlertCheck
        In file order.
    expression_checks : tuple of ExpressionCheck
        In file order.
    external_labels : tuple of (str, str)
        Sorted by name; what templates see as ``$externalLabels``.
    external_url : str
        What templates see as ``$externalURL``.
    position : Position
        Where the entry begins.
    """

    name: str
    interval_ns: int
    start_ns: int
    input_series: tuple[DescribedSeries, ...]
    alert_checks: tuple[AlertCheck, ...]
    expression_checks: tuple[ExpressionCheck, ...]
    external_labels: Labels
    external_url: str
    position: Position

    @property
    def end_ns(self) -> int:
        """The last time at which something is checked, nanoseconds since the epoch."""
        times = [check.eval_time_ns for check in self.alert_checks]
        times += [check.eval_time_ns for check in self.expression_checks]
        return self.start_ns + max(times, default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTestFile:
    """A whole file.

    Attributes
    ----------
    file : str
        What the user calls it.
    rule_files : tuple of Path
        What the patterns matched, in their order.
    evaluation_interval_ns : int
        Between evaluations of all groups, whatever their own interval.
    group_eval_order : tuple of str
        Groups that are named here are evaluated in this order; a group that isn't named counts
        as the first one does.
    fuzzy_compare : bool
        Whether a value may be the next float64 beside the expected one.
    tests : tuple of RuleTest
        In file order.
    warnings : tuple of Problem
        Patterns of ``rule_files`` that match no file, which promtool warns of.
    """

    file: str
    rule_files: tuple[Path, ...]
    evaluation_interval_ns: int
    group_eval_order: tuple[str, ...]
    fuzzy_compare: bool
    tests: tuple[RuleTest, ...]
    warnings: tuple[Problem, ...] = ()
