"""``streamgauge check``: what is wrong with configurations and rule files, all of it at once."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.cli.app import EXIT_DONE, EXIT_FAILED
from engine.cli.arguments import DurationArgument
from engine.cli.console import Console, count_text
from engine.config.load import load_config
from engine.config.positions import YamlMapping, load_yaml
from engine.config.schema import RulesConfig
from engine.errors import ConfigError, Problem, UsageError
from engine.pipeline.build import make_plan, rule_files
from engine.rules.known_series import KnownSeries
from engine.rules.lint import Warned, lint
from engine.rules.load import RuleFileReport, check_rule_file
from engine.rules.model import RecordingRule, RuleVerdict
from engine.series.identity import Series
from engine.sources.recording_files import CHUNK_SAMPLES, open_recording

_DEFAULTS = RulesConfig()


def check_command(
    *files: Path,
    max_window: DurationArgument = _DEFAULTS.max_window_ns,
    interval: DurationArgument = _DEFAULTS.interval_ns,
    recording: Path | None = None,
    strict: bool = False,
    json: bool = False,
) -> int:
    """Check configurations and Prometheus rule files.

    A file's content tells which it is. The rule files of a configuration are checked with it. Every
    mistake is reported with file, line and column. Warnings tell of what is allowed but hardly
    meant: a comparison that can never be true, a label that no result has, a `for` shorter than the
    interval.

    Parameters
    ----------
    files
        Configurations and rule files.
    max_window
        Longest range a rule may look back over, in rule files given by themselves.
    interval
        Time between ticks of a group that names none, likewise.
    recording
        A recording of the metrics: rules that select none of its series are warned of.
    strict
        Fail if there are warnings.
    json
        Print a line of JSON for each rule, and for each mistake outside of rules.
    """
    if not files:
        raise UsageError("name the files to check")
    checked = Checked()
    are_rules = {path: _is_rule_file(path) for path in files}
    # Configurations first: they say with which limits their rule files are to be read.
    for path in files:
        if not are_rules[path]:
            checked.config(path)
    for path in files:
        if are_rules[path]:
            checked.rules(path, interval_ns=interval, max_window_ns=max_window)
    console = Console(json=json)
    with console.progress("reading the recording"):
        warned = checked.warned(recording)
    if json:
        _print_json(checked, warned, console)
    else:
        _print(checked, warned, console)
    return EXIT_FAILED if checked.problems or (strict and warned) else EXIT_DONE


class Checked:
    """What was found; each file is checked once, however often it is named."""

    def __init__(self) -> None:
        self.problems: set[Problem] = set()
        self.reports: list[RuleFileReport] = []
        self.files: set[Path] = set()

    def config(self, path: Path) -> None:
        """Check a configuration with its rule files and the names in it."""
        if not self._is_new(path):
            return
        try:
            config = load_config(path, environment=os.environ)
        except ConfigError as error:
            self.problems.update(error.problems)
            return
        # Rules are called by their names in the configuration; people look for paths.
        paths = {file.name: file.path for file in rule_files(config)[0]}
        for rules in paths.values():
            self.rules(
                rules,
                interval_ns=config.rules.interval_ns,
                max_window_ns=config.rules.max_window_ns,
            )
        try:
            make_plan(config, ())
        except ConfigError as error:
            self.problems.update(
                replace(problem, file=str(paths.get(problem.file, problem.file)))
                for problem in error.problems
            )

    def rules(self, path: Path, *, interval_ns: int, max_window_ns: int) -> None:
        """Check a rule file."""
        if not self._is_new(path):
            return
        report = check_rule_file(
            path, name=str(path), default_interval_ns=interval_ns, max_window_ns=max_window_ns
        )
        self.reports.append(report)
        self.problems.update(report.problems)

    @property
    def verdicts(self) -> list[RuleVerdict]:
        """One for each rule, in the order of the files."""
        return [verdict for report in self.reports for verdict in report.verdicts]

    def warned(self, recording: Path | None) -> list[Warned]:
        """Look for what is hardly meant, also beside the series of a recording."""
        sources = [source for report in self.reports for source in report.sources]
        known = None
        if recording is not None:
            rules = [source.rule for source in sources]
            made = [rule.name for rule in rules if isinstance(rule, RecordingRule)]
            known = KnownSeries(_series_of(recording), made)
        return lint(sources, known)

    def _is_new(self, path: Path) -> bool:
        known = path.resolve() in self.files
        self.files.add(path.resolve())
        return not known


def _is_rule_file(path: Path) -> bool:
    """Tell by its keys whether a file has rules; one that can't be read has none."""
    try:
        node, _ = load_yaml(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError):
        return False
    return isinstance(node, YamlMapping) and "groups" in node


def _series_of(path: Path) -> Iterator[Series]:
    """Give the series of a recording; files with a column for each metric name them all at once."""
    for partition in open_recording(path).partitions:
        for block in partition.blocks(CHUNK_SAMPLES):
            yield from block.new_series
            if partition.layout.wide:
                break


def _print(checked: Checked, warned: list[Warned], console: Console) -> None:
    warnings = [replace(one.warning, message=f"warning: {one.warning.message}") for one in warned]
    for problem in sorted({*checked.problems, *warnings}):
        console.line(str(problem))
    files = count_text(len(checked.files), "file")
    rules = count_text(len(checked.verdicts), "rule")
    counts = ((len(checked.problems), "mistake"), (len(warnings), "warning"))
    found = ", ".join(count_text(count, noun) for count, noun in counts if count)
    console.line(f"{files}, {rules}: {found or 'fine'}")


def _print_json(checked: Checked, warned: list[Warned], console: Console) -> None:
    """Print a line for each rule, which holds its warnings if there are any."""
    warnings: dict[tuple[str, str, str, int], list[dict[str, Any]]] = {}
    for one in warned:
        rule, warning = one.rule, one.warning
        place = {"line": warning.line, "column": warning.column}
        warnings.setdefault((rule.file, rule.group, rule.name, rule.line), []).append(
            {**place, "warning": warning.message}
        )
    for verdict in checked.verdicts:
        found = warnings.get((verdict.file, verdict.group, verdict.rule, verdict.line))
        more = {"warnings": found} if found and verdict.ok else {}
        console.print_json({**verdict.as_json(), **more})
    for problem in _outside_rules(checked):
        console.print_json(_as_json(problem))


def _outside_rules(checked: Checked) -> Iterable[Problem]:
    """Give the problems that no rule's verdict speaks of."""
    said: dict[str, str] = {}
    for verdict in checked.verdicts:
        said[verdict.file] = f"{said.get(verdict.file, '')}{verdict.error}\n"
    return [
        problem
        for problem in sorted(checked.problems)
        if problem.message not in said.get(problem.file, "")
    ]


def _as_json(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "ok": False,
        "error": problem.message,
    }
