"""``streamgauge test``: run unit tests of rules, in promtool's format."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from engine.cli.app import EXIT_DONE, EXIT_FAILED
from engine.cli.console import Console, count_text
from engine.config.load import load_config
from engine.config.schema import Config
from engine.errors import ConfigError, UsageError
from engine.replay.rule_tests import CheckResult, run_test_file
from engine.rules.unit_test_file import check_rule_test_file


def test_command(
    *files: Path, config: Path | None = None, run: str | None = None, json: bool = False
) -> int:
    """Run unit tests of rules, in the format of `promtool test rules`.

    Rules go through the same parts as in a run, with the samples of the test as their stream.
    Rules on anomalies are tested, too: the detectors of the configuration watch the samples.

    Parameters
    ----------
    files
        Test files.
    config
        A configuration whose detectors, `rule_options` and lookback count; without one: the
        defaults.
    run
        Run only tests whose name holds this text.
    json
        Print a line of JSON for each check.
    """
    if not files:
        raise UsageError("name the test files to run")
    settings = load_config(config, environment=os.environ) if config else Config()
    console = Console(json=json)
    counts: Counter[bool] = Counter()
    for path in files:
        report = check_rule_test_file(path, name=str(path))
        if report.test_file is None:
            raise ConfigError(report.problems)
        for warning in () if json else report.test_file.warnings:
            console.line(f"warning: {warning}")
        for result in run_test_file(report.test_file, settings, only=run):
            counts[not result.failures] += 1
            if json:
                console.print_json(_as_json(path, result))
            elif result.failures:
                console.line(_text(path, result))
    if not json:
        passed = count_text(counts[True], "check") + " passed"
        failed = f", {count_text(counts[False], 'check')} failed" if counts[False] else ""
        console.line(passed + failed)
    return EXIT_FAILED if counts[False] else EXIT_DONE


def _as_json(path: Path, result: CheckResult) -> dict[str, Any]:
    return {
        "file": str(path),
        "line": result.line,
        "test": result.test,
        "check": result.what,
        "ok": not result.failures,
        "failures": list(result.failures),
    }


def _text(path: Path, result: CheckResult) -> str:
    head = f"{path}:{result.line}: {result.test}: {result.what}"
    return "\n".join((head, *(f"  {line}" for line in result.failures)))
