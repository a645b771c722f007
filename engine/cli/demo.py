"""``streamgauge demo``: the whole path on a made-up fleet, or the fleet's samples to Kafka."""

import os
from pathlib import Path

import polars as pl

from engine.cli.console import Console, count_text
from engine.config.connections import RecordingSource
from engine.config.load import load_config
from engine.replay.episodes import Episode
from engine.replay.labels import Finding, compare, load_incidents
from engine.replay.player import replay
from engine.replay.publisher import publish
from engine.sources.demo_fleet import DEMO_FOLDER
from engine.sources.recording_files import open_recording


def demo_command(
    *,
    out: Path = Path("out/demo"),
    to_kafka: str | None = None,
    topic: str = "metrics",
    json: bool = False,
) -> None:
    """Show what it does on a made-up fleet of hosts, eight days in some seconds.

    Plays a bundled recording (daily and weekly rhythm, incidents, an outage, a lagging source,
    counters that reset) through the real dataflow, and compares what fired with the labels.

    Parameters
    ----------
    out
        Folder for the results.
    to_kafka
        Brokers: instead of playing it, send the fleet's samples to a topic there, moved in time
        so that they end now.
    topic
        The topic for --to-kafka; made if it is missing.
    json
        Print the summary as JSON.
    """
    console = Console(json=json)
    if to_kafka is not None:
        with console.progress("sending") as bar:
            sent = publish(open_recording(DEMO_FOLDER), to_kafka, topic, on_progress=bar.advance)
        console.line(f"sent {count_text(sent, 'sample')} to {topic} on {to_kafka}")
        console.line("read them with: streamgauge run examples/demo.yaml")
        return
    config = load_config(DEMO_FOLDER / "config.yaml", environment=os.environ)
    total = pl.scan_parquet(DEMO_FOLDER / "*.parquet").select(pl.len()).collect().item()

    def show(fired: list[Episode]) -> None:
        if not json:
            for episode in fired:
                console.line(f"{episode.fired_at}  {episode.alert:17} {episode.reason}")

    with console.progress("playing eight days", total=total) as bar:
        summary = replay(
            config,
            RecordingSource(path=str(DEMO_FOLDER)),
            out,
            on_progress=bar.advance,
            on_fired=show,
        )
    findings, others = compare(load_incidents(DEMO_FOLDER / "labels.json"), summary.episodes)
    if json:
        console.print_json({"summary": summary, "findings": findings, "others": others})
        return
    console.line("")
    console.table(("incident", "began", "found by", "after"), map(_row, findings))
    console.line("")
    found = sum(bool(finding.episodes) for finding in findings)
    console.line(
        f"{found} of {len(findings)} incidents found; {count_text(len(others), 'other alert')} in "
        f"{count_text(summary.samples, 'sample')} of {count_text(summary.series, 'series')}"
    )
    for episode in others:
        console.line(f"  {episode.fired_at}  {episode.alert}: {episode.reason}")
    console.line(f"All records are in {out}")


def _row(finding: Finding) -> tuple[str, str, str, str]:
    incident = finding.incident
    alerts = ", ".join(dict.fromkeys(episode.alert for episode in finding.episodes))
    return (
        incident.description,
        f"{incident.start:%a %d %b %H:%M}",
        alerts or "-",
        "" if finding.delay is None else str(finding.delay),
    )
