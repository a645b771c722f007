"""Runs rule tests in promtool's format through the shards and rule lanes that a flow has.

What promtool does is done as it does it: samples stand at multiples of the test's interval, all
groups are evaluated at each multiple of the evaluation interval, whatever their own, and alerts
are compared as of the last evaluation before the asked time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from engine.config.schema import Config
from engine.errors import ConfigError, Problem
from engine.pipeline.build import alert_options, detector_specs
from engine.pipeline.plan import FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.promql.errors import ExpressionError
from engine.promql.matrix import Labels, Matrix, Scalar
from engine.promql.parse import Language, parse_expression
from engine.promql.stored import Stored, StoredSeries, query
from engine.rules.alerting import AlertEvaluation
from engine.rules.lifecycle import FIRING
from engine.rules.load import check_rule_file
from engine.rules.model import RuleGroup
from engine.rules.plan import LANES, plan_rules
from engine.rules.recorded import Samples, series_of
from engine.rules.series_notation import MISSING, STALE, DescribedSeries
from engine.rules.templates import External
from engine.rules.unit_test_compare import compare_alerts, compare_samples
from engine.rules.unit_test_model import (
    AlertCheck,
    AlertInstance,
    ExpressionCheck,
    RuleTest,
    RuleTestFile,
    VectorSample,
)
from engine.series.columns import FLAG_STALE, Columns
from engine.series.pieces import Definition, Piece, Progress, begun_by_detector

PARTITION = "test/0"
_UNBOUNDED = 2**62
"""Of windows: what a test gives is all there is."""


_Part = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]
"""Some samples of a series: timestamps, values, whether each is a stale marker."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """How one check of a test went.

    Attributes
    ----------
    test : str
        The test's name.
    what : str
        What was checked, and when.
    line : int
        Where the check stands in its file.
    failures : tuple of str
        Lines that say what is wrong; none if all is well.
    """

    test: str
    what: str
    line: int
    failures: tuple[str, ...]


def run_test_file(
    file: RuleTestFile, config: Config, *, only: str | None = None
) -> Iterator[CheckResult]:
    """Run the tests of a file, or those whose name holds `only`.

    Parameters
    ----------
    file : RuleTestFile
    config : Config
        Its detectors watch the input series, if the rules read what they make, and its
        `rule_options` count.

    Raises
    ------
    ConfigError
        With all mistakes in the rule files.
    """
    groups = _groups_of(file)
    for test in file.tests:
        if only is not None and only not in test.name:
            continue
        yield from _Run(file, test, groups, config).results()


def _groups_of(file: RuleTestFile) -> list[RuleGroup]:
    """Read the rule files; all groups get the evaluation interval and the order of the file."""
    groups: list[RuleGroup] = []
    problems: list[Problem] = []
    for path in file.rule_files:
        report = check_rule_file(
            path,
            name=str(path),
            default_interval_ns=file.evaluation_interval_ns,
            max_window_ns=_UNBOUNDED,
        )
        groups += report.groups
        problems += report.problems
    if problems:
        raise ConfigError(problems)
    place = {name: number for number, name in enumerate(file.group_eval_order)}
    groups.sort(key=lambda group: place.get(group.name, 0))
    return [replace(group, interval_ns=file.evaluation_interval_ns) for group in groups]


class _Run:
    """One test."""

    def __init__(
        self, file: RuleTestFile, test: RuleTest, groups: Sequence[RuleGroup], config: Config
    ) -> None:
        self.file = file
        self.test = test
        self.interval_ns = file.evaluation_interval_ns
        external = External(dict(test.external_labels), test.external_url)
        rules = plan_rules(groups, alert_options(config), external=external, keep_all=True)
        reads_anomalies = any(
            query.leaf.selector.name is None or query.leaf.selector.name.startswith("anomaly_")
            for query in rules.queries
        )
        self.plan = FlowPlan(
            config=config,
            partitions=(PARTITION,),
            shards=1,
            detectors=detector_specs(config) if reads_anomalies else (),
            rules=rules,
            lookback_ns=config.rules.lookback_ns,
            limits=structs.replace(config.limits, window_samples=_UNBOUNDED),
            emit="none",
        )
        self.language = Language(self.interval_ns)
        self.shard = SeriesShard(0, self.plan)
        self.shard.leaves.begin(test.start_ns)
        self.lanes = [self.plan.make_lane(number) for number in range(LANES)]
        self.made: list[Samples] = []
        for lane in self.lanes:
            lane.begin(test.start_ns)
            lane.observe_samples = self.made.append
        self.input = [_stored(item, test) for item in test.input_series]

    def results(self) -> Iterator[CheckResult]:
        """Run the test; checks are in the order of their times."""
        self._take(self._all_samples())
        for check in sorted(self.test.alert_checks, key=lambda item: item.eval_time_ns):
            self._take_nothing(self._last_tick(self.test.start_ns + check.eval_time_ns))
            yield self._check_alerts(check)
        self._take_nothing(self._last_tick(self.test.end_ns))
        source = Stored(self._all_series(), lookback_ns=self.plan.lookback_ns)
        for expression_check in self.test.expression_checks:
            yield self._check_expression(expression_check, source)

    def _last_tick(self, ts: int) -> int:
        start_ns = self.test.start_ns
        return start_ns + (ts - start_ns) // self.interval_ns * self.interval_ns

    def _all_samples(self) -> Piece:
        """All input as one piece, whose rows wait for their time."""
        parts = [
            Columns(
                np.full(len(ts), series_of(labels).fingerprint, np.uint64), ts, value,
                stale.astype(np.uint8) * FLAG_STALE,
            )
            for labels, ts, value, stale in self.input
        ]  # fmt: skip
        columns = Columns(
            *(
                np.concatenate([getattr(Columns.empty(), name), *(getattr(p, name) for p in parts)])
                for name in ("fingerprint", "ts", "value", "flags")
            )
        )
        definitions = [
            Definition(item, int(ts[0]), self.plan.detectors_of(item))
            for labels, ts, _, _ in self.input
            if len(ts)
            for item in (series_of(labels),)
        ]
        progress = Progress(0, self.test.start_ns - 1, self.test.start_ns - 1, caught_up=True)
        return Piece(0, progress, columns, definitions, begun_by_detector(definitions))

    def _take_nothing(self, watermark: int) -> None:
        progress = Progress(0, watermark, watermark, caught_up=True)
        self._take(Piece(0, progress, Columns.empty(), [], {}))

    def _take(self, piece: Piece) -> None:
        for output in (self.shard.handle([piece]), self.shard.finish()):
            for number, closed in output.closed.items():
                self.lanes[number].handle([closed])

    def _check_alerts(self, check: AlertCheck) -> CheckResult:
        got = [
            alert
            for lane in self.lanes
            for rule in lane.rules.values()
            if isinstance(rule, AlertEvaluation) and rule.rule.name == check.alertname
            for alert in _firing(rule)
        ]
        what = f"alert {check.alertname} at {_since(check.eval_time_ns)}"
        failures = compare_alerts(check.alerts, got)
        return CheckResult(self.test.name, what, check.position.line, tuple(failures))

    def _check_expression(self, check: ExpressionCheck, source: Stored) -> CheckResult:
        what = f"expression {check.expression} at {_since(check.eval_time_ns)}"
        tick = self.test.start_ns + check.eval_time_ns
        try:
            got = _samples_of(check.expression, self.language, source, tick)
            failures = compare_samples(check.samples, got, fuzzy=self.file.fuzzy_compare)
        except ExpressionError as error:
            failures = [str(error)]
        return CheckResult(self.test.name, what, check.position.line, tuple(failures))

    def _all_series(self) -> list[StoredSeries]:
        """The input and all that rules made, as series in memory."""
        columns: dict[Labels, list[_Part]] = {}
        for labels, ts, value, stale in self.input:
            columns.setdefault(labels, []).append((ts, value, stale))
        for samples in self.made:
            for number in np.unique(samples.index).tolist():
                here = samples.index == number
                part = samples.tick[here], samples.value[here], samples.stale[here]
                columns.setdefault(samples.labels[number], []).append(part)
        return [(labels, *_by_time(parts)) for labels, parts in columns.items()]


def _stored(item: DescribedSeries, test: RuleTest) -> StoredSeries:
    """Put times to an input series' values."""
    there = np.flatnonzero(item.kind != MISSING)
    ts = test.start_ns + there * test.interval_ns
    return item.labels, ts, item.value[there], item.kind[there] == STALE


def _by_time(parts: Sequence[_Part]) -> _Part:
    """Join a series' samples; of two at one time the later made stays."""
    ts, value, stale = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(ts, kind="stable")
    last = np.append(np.diff(ts[order]) > 0, True)
    kept = order[last]
    return ts[kept], value[kept], stale[kept]


def _firing(rule: AlertEvaluation) -> Iterator[AlertInstance]:
    """Alerts of a rule that fire now, with their annotations as of now."""
    alerts = rule.table.alerts
    for number in np.flatnonzero(alerts["state"] == FIRING).tolist():
        identity = rule.table.identities[number]
        if identity is None:
            continue
        value = float(alerts["value"][number])
        annotations = rule.annotations(identity.series, value)
        yield AlertInstance(identity.labels, tuple(sorted(annotations.items())))


def _samples_of(
    expression: str, language: Language, source: Stored, tick: int
) -> list[VectorSample]:
    value, block = query(parse_expression(expression, language), source, np.array([tick]))
    if block.errors:
        raise ExpressionError(block.errors[0])
    if isinstance(value, Scalar):
        return [VectorSample((), float(value.value[0]))]
    if not isinstance(value, Matrix):
        raise ExpressionError("a text has no samples; write a selector")
    return [
        VectorSample(value.table.labels[row], float(value.value[row, 0]))
        for row in np.flatnonzero(value.present[:, 0]).tolist()
    ]


def _since(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:g}s"
