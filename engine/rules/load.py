"""Loads Prometheus rule files: every mistake with its place and what to write instead."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import ConfigError, Problem
from engine.rules.model import RuleGroup, RuleVerdict
from engine.rules.rule_file import RuleFileReader, RuleSource


@dataclass(frozen=True, slots=True)
class RuleFileReport:
    """What was found in a rule file.

    Attributes
    ----------
    groups : tuple of RuleGroup
        With the rules that can be used.
    verdicts : tuple of RuleVerdict
        One for each rule, in file order.
    problems : tuple of Problem
        All mistakes; empty if the file can be used as it is.
    sources : tuple of RuleSource
        The rules that can be used with their places, for lints.
    """

    groups: tuple[RuleGroup, ...]
    verdicts: tuple[RuleVerdict, ...]
    problems: tuple[Problem, ...]
    sources: tuple[RuleSource, ...] = ()


def load_rule_file(
    path: Path, *, name: str, default_interval_ns: int, max_window_ns: int
) -> tuple[RuleGroup, ...]:
    """Load a rule file.

    Parameters
    ----------
    path : Path
        The file, in UTF-8.
    name : str
        What groups, alerts and problems call the file.
    default_interval_ns : int
        For groups that have no interval.
    max_window_ns : int
        The longest allowed range of an expression, with its offset.

    Returns
    -------
    tuple of RuleGroup
        In file order.

    Raises
    ------
    ConfigError
        With all mistakes of the file.
    """
    report = check_rule_file(
        path, name=name, default_interval_ns=default_interval_ns, max_window_ns=max_window_ns
    )
    if report.problems:
        raise ConfigError(report.problems)
    return report.groups


def check_rule_file(
    path: Path, *, name: str, default_interval_ns: int, max_window_ns: int
) -> RuleFileReport:
    """Tell for each rule of a file whether it can be used; parameters as for `load_rule_file`.

    Files that can't be read or are no YAML are a report with problems, too.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return _unreadable(name, f"can't be read: {error.strerror}")
    except UnicodeDecodeError:
        return _unreadable(name, "isn't UTF-8 text")
    reader = RuleFileReader(
        text, name, default_interval_ns=default_interval_ns, max_window_ns=max_window_ns
    )
    groups = reader.groups()
    return RuleFileReport(
        groups,
        tuple(reader.verdicts),
        tuple(sorted(set(reader.problems))),
        tuple(reader.sources),
    )


def bundled_rules_path(name: str) -> Path:
    """Give a rule file that ships with the package and is on by default."""
    return Path(__file__).with_name("bundled") / name


def _unreadable(name: str, message: str) -> RuleFileReport:
    return RuleFileReport((), (), (Problem(name, 0, 0, message),))
