"""Reads rule-test files, as ``promtool test rules`` takes them, collecting all mistakes."""

import glob
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.config.durations import MINUTE_NS, SECOND_NS
from engine.config.positions import Position, YamlMapping, value_position_of
from engine.errors import Problem
from engine.promql.matrix import Labels
from engine.rules.series_notation import (
    DescribedSeries,
    NotationError,
    parse_metric,
    parse_series,
    parse_values,
)
from engine.rules.unit_test_model import (
    AlertCheck,
    AlertInstance,
    ExpressionCheck,
    RuleTest,
    RuleTestFile,
    VectorSample,
)
from engine.rules.yaml_fields import YamlFields

_FILE_FIELDS = ("rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests")
_TEST_FIELDS = (
    *("name", "interval", "start_timestamp", "input_series", "alert_rule_test"),
    *("promql_expr_test", "external_labels", "external_url"),
)
_DEFAULT_INTERVAL_NS = MINUTE_NS
# The words that promtool's YAML library, of version 1.1, takes for true and false.
_WORDS = {"true": True, "yes": True, "on": True, "y": True} | {
    "false": False, "no": False, "off": False, "n": False,
}  # fmt: skip
_SECONDS_END = 2**63 // SECOND_NS
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[-+]\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True, slots=True)
class RuleTestReport:
    """What was found in a rule-test file.

    Attributes
    ----------
    test_file : RuleTestFile or None
        None if there are problems.
    problems : tuple of Problem
        All mistakes, by their place.
    """

    test_file: RuleTestFile | None
    problems: tuple[Problem, ...]


def check_rule_test_file(path: Path, *, name: str) -> RuleTestReport:
    """Read a rule-test file.

    Parameters
    ----------
    path : Path
        The file, in UTF-8; patterns of ``rule_files`` are relative to its folder.
    name : str
        What problems call the file.

    Returns
    -------
    RuleTestReport
        Files that can't be read or are no YAML are a report with problems, too.

    References
    ----------
    Prometheus, ``cmd/promtool/unittest.go``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return RuleTestReport(None, (Problem(name, 0, 0, f"can't be read: {error.strerror}"),))
    except UnicodeDecodeError:
        return RuleTestReport(None, (Problem(name, 0, 0, "isn't UTF-8 text"),))
    reader = _Reader(text, name, path.parent)
    test_file = reader.test_file()
    problems = tuple(sorted(reader.problems))
    return RuleTestReport(None if problems else test_file, problems)


def parse_start(text: str) -> int:
    """Read ``start_timestamp``: Unix seconds, maybe with a fraction, or an RFC 3339 time.

    Returns
    -------
    int
        Nanoseconds since the epoch.

    Raises
    ------
    ValueError
        If it is neither.

    References
    ----------
    Prometheus, ``parseTime`` (``cmd/promtool/query.go``).
    """
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if not abs(seconds) < _SECONDS_END:
            raise ValueError(f"'{text}' is no time; it takes seconds up to the year 2262")
        fraction, whole = math.modf(seconds)
        return int(whole) * SECOND_NS + int(fraction * SECOND_NS)
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is neither Unix seconds nor a time like 2026-01-31T12:00:00Z")
    moment, digits, zone = found.groups()
    try:
        whole_ns = int(datetime.fromisoformat(moment + zone).astimezone(UTC).timestamp())
    except (ValueError, OverflowError) as error:
        raise ValueError(f"'{text}' is no time: {error}") from None
    return whole_ns * SECOND_NS + int((digits or "")[:9].ljust(9, "0"))


class _Reader(YamlFields):
    """Reads one file; `test_file` fills `problems`."""

    def __init__(self, text: str, file: str, folder: Path) -> None:
        super().__init__(text, file)
        self.folder = folder
        self.evaluation_interval_ns = _DEFAULT_INTERVAL_NS
        self.warnings: list[Problem] = []

    def test_file(self) -> RuleTestFile:
        root = YamlMapping(Position(1, 1)) if self.root is None else self.root
        if not isinstance(root, YamlMapping):
            self.problem(Position(1, 1), "a rule-test file is a mapping; begin it with 'tests:'")
            root = YamlMapping(Position(1, 1))
        self.check_fields(root, _FILE_FIELDS)
        self.evaluation_interval_ns = (
            self.duration(root, "evaluation_interval") or _DEFAULT_INTERVAL_NS
        )
        tests = self.items(root, "tests")
        return RuleTestFile(
            file=self.file,
            rule_files=self._rule_files(root),
            evaluation_interval_ns=self.evaluation_interval_ns,
            group_eval_order=self._group_order(root),
            fuzzy_compare=self.parsed(root, "fuzzy_compare", _parse_boolean) or False,
            tests=tuple(
                self._test(node, place, index) for index, (node, place) in enumerate(tests)
            ),
            warnings=tuple(self.warnings),
        )

    def _rule_files(self, root: YamlMapping) -> tuple[Path, ...]:
        found: list[Path] = []
        for pattern, position in self.texts(root, "rule_files"):
            matched = sorted(_glob(pattern, self.folder))
            if not matched:
                message = f"no file matches the pattern '{pattern}'"
                self.warnings.append(Problem(self.file, *position, message))
            found += (self.folder / name for name in matched)
        return tuple(found)

    def _group_order(self, root: YamlMapping) -> tuple[str, ...]:
        order: dict[str, None] = {}
        for name, position in self.texts(root, "group_eval_order"):
            if name in order:
                self.problem(position, f"the group '{name}' stands twice; remove one")
            order[name] = None
        return tuple(order)

    def _test(self, node: YamlMapping, position: Position, index: int) -> RuleTest:
        self.check_fields(node, _TEST_FIELDS)
        return RuleTest(
            name=self.text(node, "name") or f"unnamed#{index}",
            interval_ns=self.duration(node, "interval") or self.evaluation_interval_ns,
            start_ns=self.parsed(node, "start_timestamp", parse_start) or 0,
            input_series=self._input_series(node),
            alert_checks=tuple(
                self._alert_check(*item) for item in self.items(node, "alert_rule_test")
            ),
            expression_checks=tuple(
                self._expression_check(*item) for item in self.items(node, "promql_expr_test")
            ),
            external_labels=_sorted(self.labels(node, "external_labels")),
            external_url=self.text(node, "external_url"),
            position=position,
        )

    def _input_series(self, node: YamlMapping) -> tuple[DescribedSeries, ...]:
        found: dict[Labels, DescribedSeries] = {}
        for item, position in self.items(node, "input_series"):
            self.check_fields(item, ("series", "values"))
            if not self.text(item, "series"):
                self.problem(position, "the series is missing; add 'series: ...'")
            labels = self.parsed(item, "series", _parse_input_metric)
            values = self.parsed(item, "values", parse_values) or parse_values("")
            if labels is not None:
                # Of several entries with equal labels, promtool takes the last.
                found[labels] = DescribedSeries(labels, *values)
        return tuple(found.values())

    def _alert_check(self, node: YamlMapping, position: Position) -> AlertCheck:
        self.check_fields(node, ("eval_time", "alertname", "exp_alerts"))
        alertname = self.text(node, "alertname")
        if not alertname:
            self.problem(position, "the check has no alert; add 'alertname: ...'")
        alerts = []
        for item, _ in self.items(node, "exp_alerts"):
            self.check_fields(item, ("exp_labels", "exp_annotations"))
            labels = self.labels(item, "exp_labels") | {"alertname": alertname}
            annotations = self.labels(item, "exp_annotations")
            alerts.append(AlertInstance(_sorted(labels), _sorted(annotations)))
        return AlertCheck(
            eval_time_ns=self.duration(node, "eval_time"),
            alertname=alertname,
            alerts=tuple(alerts),
            position=position,
        )

    def _expression_check(self, node: YamlMapping, position: Position) -> ExpressionCheck:
        self.check_fields(node, ("expr", "eval_time", "exp_samples"))
        expression = self.text(node, "expr")
        if not expression.strip():
            self.problem(position, "the check has no expression; add 'expr: ...'")
        samples = []
        for item, _ in self.items(node, "exp_samples"):
            self.check_fields(item, ("labels", "value", "histogram"))
            if self.text(item, "histogram"):
                message = "native histograms are not supported; use classic buckets"
                self.problem(value_position_of(item, "histogram"), message)
            labels = self.parsed(item, "labels", parse_metric) or ()
            samples.append(VectorSample(labels, self._number(item, "value")))
        return ExpressionCheck(
            expression=expression,
            eval_time_ns=self.duration(node, "eval_time"),
            samples=tuple(samples),
            position=value_position_of(node, "expr") if "expr" in node else position,
        )

    def _number(self, node: YamlMapping, field: str) -> float:
        """Read a YAML number, 0 where there is none."""
        number = node.get(field)
        if number is None:
            return 0.0
        if isinstance(number, int | float) and not isinstance(number, bool):
            try:
                return float(number)
            except OverflowError:
                pass
        message = f"'{field}' is a number without quotes, such as 1.5, .nan, .inf or -.inf"
        self.problem(value_position_of(node, field), message)
        return 0.0


def _parse_input_metric(text: str) -> Labels:
    """Read a series as in an input line, where no values may stand beside it."""
    series = parse_series(text)
    if len(series.kind):
        raise NotationError("the values stand in 'values', not behind the series", 0)
    return series.labels


def _glob(pattern: str, folder: Path) -> list[str]:
    """Match as Go does: hidden files, too; the pattern may be absolute or hold '..'."""
    return glob.glob(pattern, root_dir=folder, include_hidden=True)  # noqa: PTH207 # takes neither


def _parse_boolean(text: str) -> bool:
    if text.lower() not in _WORDS:
        raise ValueError(f"'{text}' is neither true nor false")
    return _WORDS[text.lower()]


def _sorted(labels: dict[str, str]) -> Labels:
    return tuple(sorted(labels.items()))
