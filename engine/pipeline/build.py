"""From a configuration to the plan of its flow: files are read, names resolved, all is checked."""

import glob
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from engine.config.positions import load_yaml, value_position_of
from engine.config.schema import Config, DetectorConfig, RuleOptions
from engine.errors import ConfigError, Problem
from engine.pipeline.detector_kinds import is_joint_only, judge_of, maker_of, mistake_in
from engine.pipeline.model_checks import mistakes_in_models, read_references
from engine.pipeline.plan import MODEL_SHARDS, DetectorSpec, FlowPlan
from engine.promql.leaf import Comparison
from engine.promql.parse import Language
from engine.promql.selector import parse_selector
from engine.rules.load import bundled_rules_path, check_rule_file
from engine.rules.model import AlertRule, RuleGroup
from engine.rules.plan import ON_ABSENT, Options, plan_rules
from engine.rules.reads import comparison_of
from engine.rules.rule_expression import parse_rule_expression
from engine.rules.templates import External

ANOMALY_EXIT = "anomaly_state > 0.5"
"""What keeps the bundled anomaly alerts firing: the state's exit level."""

ANOMALY_RULES, DRIFT_RULES = "anomalies.yaml", "drift.yaml"
BUNDLED = "streamgauge/"
"""Goes before the names of files that ship with the package."""


@dataclass(frozen=True, slots=True)
class RuleFile:
    """A rule file: where it is and what records call it, the same on every machine."""

    path: Path
    name: str


def rule_files(config: Config) -> tuple[list[RuleFile], list[Problem]]:
    """Find the rule files of a configuration; a pattern without a file is a problem."""
    found: dict[str, RuleFile] = {}
    problems = []
    places = _places(config)
    for number, pattern in enumerate(config.rules.files):
        # Path.glob takes no absolute patterns, which are allowed here.
        matches = sorted(glob.glob(str(config.beside(pattern)), recursive=True))  # noqa: PTH207
        if not matches:
            message = f"no rule file matches {pattern}, seen from {config.folder.resolve()}"
            problems.append(Problem(*places("rules", "files", number), message))
        for match in matches:
            path = Path(match)
            # Relative, so that ids of alerts are the same wherever the folder lies.
            name = Path(os.path.relpath(path, config.folder)).as_posix()
            found[name] = RuleFile(path, name)
    return list(found.values()), problems


def make_plan(
    config: Config,
    partitions: Sequence[str],
    *,
    documents: Collection[str] = (),
    keep_all: bool = False,
) -> FlowPlan:
    """Plan the flow of a configuration.

    Parameters
    ----------
    config : Config
    partitions : sequence of str
        Keys of all source partitions.
    documents : collection of str
        Those of them that give predictions and labels.
    keep_all : bool
        Whether all rules' series are made, also those that no rule reads.

    Raises
    ------
    ConfigError
        With all mistakes in rule files and names.
    """
    files, problems = rule_files(config)
    bundled = [ANOMALY_RULES] if config.detectors else []
    watches_models = documents or config.models or config.has_documents
    bundled += [DRIFT_RULES] if watches_models else []
    if config.rules.bundled:
        files += [RuleFile(bundled_rules_path(name), BUNDLED + name) for name in bundled]
    groups: list[RuleGroup] = []
    for file in files:
        report = check_rule_file(
            file.path,
            name=file.name,
            default_interval_ns=config.rules.interval_ns,
            max_window_ns=config.rules.max_window_ns,
        )
        groups += report.groups
        problems += report.problems
    problems += _unknown_names(config, groups)
    references, unusable = read_references(config, _places(config))
    problems += unusable
    if problems:
        raise ConfigError(problems)
    made = [f"models/{shard}" for shard in range(MODEL_SHARDS)] if documents else []
    return FlowPlan(
        config=config,
        partitions=(*partitions, *made),
        documents=frozenset(n for n, key in enumerate(partitions) if key in documents),
        references=references,
        shards=config.state.shards,
        detectors=detector_specs(config),
        rules=plan_rules(
            groups,
            alert_options(config),
            external=External(config.rules.external_labels, config.rules.external_url),
            keep_all=keep_all,
        ),
        lookback_ns=config.rules.lookback_ns,
        limits=config.limits,
        emit=config.scores.emit,
    )


def _unknown_names(config: Config, groups: Sequence[RuleGroup]) -> list[Problem]:
    """Names in the configuration that nothing has, with their places in the file."""
    places = _places(config)
    problems = []
    alerts = {rule.name for group in groups for rule in group.rules if isinstance(rule, AlertRule)}
    for number, options in enumerate(config.rule_options):
        if options.alert not in alerts:
            place = places("rule_options", number, "alert")
            problems.append(Problem(*place, f"no rule makes the alert {options.alert}"))
        elif options.needs_number and not _compares(groups, options.alert):
            place = places("rule_options", number, "alert")
            message = "its expression is no comparison with a number: there is no value to leave by"
            problems.append(Problem(*place, message))
    for number, entry in enumerate(config.detectors):
        mistake = mistake_in(entry)
        if mistake is not None:
            place = places("detectors", number, mistake.key)
            problems.append(Problem(*place, mistake.message))
        elif any(entry == other for other in config.detectors[:number]):
            message = "stands twice; one of the two is enough"
            problems.append(Problem(*places("detectors", number, "use"), message))
    return problems + mistakes_in_models(config, places)


def _compares(groups: Sequence[RuleGroup], alert: str) -> bool:
    """Whether all rules of an alert compare with a number."""
    return all(
        comparison_of(rule.expression) is not None
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertRule) and rule.name == alert
    )


def _places(config: Config) -> Callable[[str, int | str, int | str], tuple[str, int, int]]:
    """Give a function that finds an entry's value in the file; the whole file if it is gone."""
    try:
        node, _ = load_yaml(Path(config.file).read_text(encoding="utf-8-sig"), config.file)
    except OSError:
        node = None

    def place(section: str, entry: int | str, key: int | str) -> tuple[str, int, int]:
        try:
            return config.file, *value_position_of(node[section][entry], key)
        except (KeyError, IndexError, TypeError):
            return config.file, 0, 0

    return place


def alert_options(config: Config) -> Callable[[AlertRule], Options]:
    """Give a function that finds an alert's options."""
    language = language_of(config)
    given = {entry.alert: _options(entry, language) for entry in config.rule_options}
    held = Options(hold_while=parse_rule_expression(ANOMALY_EXIT, language))

    def options_of(rule: AlertRule) -> Options:
        if rule.name not in given and rule.file == BUNDLED + ANOMALY_RULES:
            return held
        return given.get(rule.name, Options())

    return options_of


def language_of(config: Config) -> Language:
    """Give what expressions take from the configuration."""
    return Language(config.rules.interval_ns, config.rules.max_window_ns)


def _options(entry: RuleOptions, language: Language) -> Options:
    resolve = None
    if entry.resolve_below is not None:
        resolve = Comparison(">=", entry.resolve_below)
    if entry.resolve_above is not None:
        resolve = Comparison("<=", entry.resolve_above)
    hold_while = None
    if entry.hold_while is not None:
        hold_while = parse_rule_expression(entry.hold_while, language)
    return Options(
        gap_tolerance=entry.gap_tolerance,
        resolve=resolve,
        on_absent=ON_ABSENT[entry.on_absent],
        hold_while=hold_while,
    )


def detector_specs(config: Config) -> tuple[DetectorSpec, ...]:
    """Give the detectors of a configuration, whose names and parameters are checked."""
    shards = config.state.shards
    return tuple(
        _detector_spec(number, entry, shards) for number, entry in enumerate(config.detectors)
    )


def _detector_spec(number: int, entry: DetectorConfig, shards: int) -> DetectorSpec:
    make = maker_of(entry, shards)
    # All that the scores depend on: a change restarts the warm-up.
    said = msgspec.json.encode(
        [entry.use, entry.match, entry.false_alarms_per_day, dict(entry.params), entry.entity]
    )
    return DetectorSpec(
        number=number,
        name=entry.use,
        identity=f"{entry.use}-{make().version}-{sha256(said).hexdigest()[:12]}",
        match=entry.match,
        selector=parse_selector(entry.match),
        make=make,
        lookback_ns=entry.lookback_ns,
        false_alarms_per_day=entry.false_alarms_per_day,
        entity=entry.entity,
        make_judge=judge_of(entry),
        is_joint_only=is_joint_only(entry),
    )
