"""``streamgauge explain``: why an alert fired at a time, or did not."""

import os
from pathlib import Path

from msgspec.structs import replace

from engine.cli.arguments import TimeArgument
from engine.cli.console import Console
from engine.config.connections import RecordingSource, Source
from engine.config.load import load_config
from engine.config.schema import Config
from engine.pipeline.sources import recorded_feedback
from engine.replay.explain import AlertState, Explanation, explain


def explain_command(
    alert: str,
    *,
    at: TimeArgument,
    recording: Path,
    config: Path | None = None,
    rules: tuple[Path, ...] = (),
    name: str | None = None,
    json: bool = False,
) -> None:
    """Say why an alert fired at a time of a recording, or did not.

    The recording is played up to the last tick at or before the time. Shown are the samples in the
    rule's windows, what each part of its expression gave, and its alerts before and after.

    Parameters
    ----------
    alert
        The alert's name.
    at
        The time: RFC 3339, or Unix seconds.
    recording
        File or folder of Parquet, CSV or JSON Lines.
    config
        The configuration with the rule; of its sources only files of feedback are played.
    rules
        Rule files, instead of those of a configuration.
    name
        Metric name where the only column of a wide file is `value`.
    json
        Print a line of JSON for each rule of the name.
    """
    settings = load_config(config, environment=os.environ) if config else Config()
    if rules:
        files = tuple(str(path.resolve()) for path in rules)
        settings = replace(settings, rules=replace(settings.rules, files=files))
    source = Source(recording=RecordingSource(path=str(recording.resolve()), name=name))
    settings = replace(settings, sources=(source, *recorded_feedback(settings)))
    console = Console(json=json)
    for explanation in explain(settings, alert, at):
        if json:
            console.print_json(explanation)
        else:
            _print(console, explanation)


def _print(console: Console, explanation: Explanation) -> None:
    console.line(f"{explanation.rule} ({explanation.file}, {explanation.group})")
    console.line(f"at {explanation.tick}: {explanation.verdict}")
    for step in explanation.steps:
        indent = "  " * (step.depth + 1)
        console.line(f"{indent}{step.expression}")
        if step.error:
            console.line(f"{indent}  failed: {step.error}")
        for result in step.results:
            shown = result.value
            if shown is None:
                shown = " ".join(f"{value}@{when}" for when, value in result.samples)
            console.line(f"{indent}  {result.series} => {shown}")
        if step.more:
            console.line(f"{indent}  and {step.more} more")
        if not step.results and not step.error:
            console.line(f"{indent}  no result")
    for title, states in (("before", explanation.before), ("after", explanation.after)):
        console.line(f"  {title}: {', '.join(map(_state, states)) or 'no alert'}")


def _state(alert: AlertState) -> str:
    labels = ", ".join(f"{name}={value}" for name, value in alert.labels.items())
    return f"{alert.state} since {alert.active_at} ({labels}; value {alert.value})"
