"""``streamgauge demo``: the whole path on made-up data, or the data to Kafka."""

import os
from pathlib import Path

from engine.cli.console import Console, count_text
from engine.cli.demo_report import DemoReport, fleet_size
from engine.config.connections import RecordingSource
from engine.config.load import load_config
from engine.replay.drift_labels import MIRROR
from engine.replay.episodes import Episode
from engine.replay.player import replay
from engine.replay.publisher import publish, publish_rows
from engine.sources.demo_fleet import DEMO_FOLDER
from engine.sources.demo_models import DRIFTS_FILE, generate_models, write_models
from engine.sources.recording_files import open_recording

_MODELS_FOLDER = "models"


def demo_command(
    *,
    out: Path = Path("out/demo"),
    to_kafka: str | None = None,
    topic: str = "metrics",
    json: bool = False,
) -> None:
    """Show what it does on a made-up fleet of hosts and two models, eight days in some seconds.

    Plays a bundled recording of metrics (daily and weekly rhythm, incidents, an outage, a lagging
    source, counters that reset), and beside it a credit model whose labels come days later and an
    LLM service, both of which drift, through the real dataflow; compares what was found with what
    is labelled.

    Parameters
    ----------
    out
        Folder for the results.
    to_kafka
        Brokers: instead of playing it, send the fleet's samples to a topic there, and predictions,
        labels and LLM calls to demo-predictions, demo-labels and demo-llm, moved in time so that
        they end now.
    topic
        The topic of the samples for --to-kafka; made if it is missing.
    json
        Print the summary as JSON.
    """
    console = Console(json=json)
    if to_kafka is None:
        _play(console, out, json=json)
    else:
        _send(console, to_kafka, topic)


def _send(console: Console, brokers: str, topic: str) -> None:
    rows_of = {f"demo-{what}": rows for what, rows in generate_models().items()}
    with console.progress("sending") as bar:
        sent = publish(open_recording(DEMO_FOLDER), brokers, topic, on_progress=bar.advance)
        rows = publish_rows(rows_of, brokers, on_progress=bar.advance)
    console.line(f"sent {count_text(sent, 'sample')} to {topic} on {brokers}")
    console.line(f"sent {count_text(rows, 'row')} of models to {', '.join(rows_of)}")
    console.line("read them with: streamgauge run examples/demo.yaml")


def _play(console: Console, out: Path, *, json: bool) -> None:
    config = load_config(DEMO_FOLDER / "config.yaml", environment=os.environ)
    fleet = fleet_size()
    models = generate_models()
    paths = write_models(models, out / _MODELS_FOLDER)

    def show(fired: list[Episode]) -> None:
        for episode in fired:
            if not json and episode.alert != MIRROR:
                console.line(f"{episode.fired_at}  {episode.alert:17} {episode.reason}")

    rows = sum(map(len, models.values()))
    with console.progress("playing eight days", total=fleet.samples + rows) as bar:
        summary = replay(
            config,
            RecordingSource(path=str(DEMO_FOLDER)),
            out,
            beside=[RecordingSource(path=str(path)) for path in paths.values()],
            on_progress=bar.advance,
            on_fired=show,
        )
    report = DemoReport.of(summary, out / "drift.jsonl", out / _MODELS_FOLDER / DRIFTS_FILE)
    if json:
        console.print_json({"summary": summary, **report.as_json()})
        return
    report.show_drifts(console, {what: len(rows) for what, rows in models.items()})
    report.show_incidents(console, fleet)
    console.line(f"All records are in {out}")
