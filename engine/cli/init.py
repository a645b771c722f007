"""``streamgauge init``: a configuration that works, after a look at a topic or recording."""

import os
from pathlib import Path

from engine.cli.console import Console, count_text, duration_text
from engine.cli.init_models import models_of_recording, models_of_topic
from engine.cli.proposal import Proposal, kafka_lines, path_lines, quoted
from engine.cli.proposal_models import ModelsProposal
from engine.config.connections import KafkaSource
from engine.config.scalars import TOPIC
from engine.config.schema import TimeConfig
from engine.errors import UsageError
from engine.events import rfc3339
from engine.sources.document_recording import look_at_documents
from engine.sources.recording_summary import RecordingSummary, looks_like
from engine.sources.topic_summary import TopicSummary, look_at_topic

_NAMES_SHOWN = 8
_DEFAULT_BROKERS = "localhost:9092"


def init_command(
    *,
    topic: str | None = None,
    brokers: str = _DEFAULT_BROKERS,
    recording: Path | None = None,
    out: Path = Path("streamgauge.yaml"),
    force: bool = False,
) -> None:
    """Write a configuration after a look at a topic or recording.

    Metrics, predictions, labels and LLM calls are told apart by what is there. The file has
    comments and passes `streamgauge check`. Nothing is written to the topic.

    Parameters
    ----------
    topic
        The Kafka topic to look at: up to 2000 of its newest messages.
    brokers
        Kafka's bootstrap servers.
    recording
        The recording to look at, instead of a topic.
    out
        The file to write.
    force
        Replace the file if it is there.
    """
    if (topic is None) == (recording is None):
        raise UsageError("name what to look at: --topic (with --brokers) or --recording")
    if out.exists() and not force:
        raise UsageError(f"{out} is there already; choose another --out or give --force")
    console = Console()
    if recording is not None:
        with console.progress("looking"):
            proposal = _of_recording(recording, out)
    else:
        source = KafkaSource(brokers=brokers, topic=_topic(topic or ""))
        with console.progress("looking"):
            seen = look_at_topic(source, max_ahead_ns=TimeConfig().max_ahead_ns)
        proposal = _of_topic(source, out, seen)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(proposal.text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{out}: can't be written: {error.strerror}") from error
    console.facts(proposal.seen)
    console.line(f"wrote {out}; next: streamgauge {_next(recording, proposal, out)}")


def _topic(name: str) -> str:
    try:
        return str(TOPIC.parse(name))
    except ValueError as error:
        raise UsageError(f"--topic: {name!r} can't be a topic: {error}") from None


def _next(recording: Path | None, proposal: Proposal | ModelsProposal, out: Path) -> str:
    # A replay has no name for the model of rows that name none; a run has, in the source.
    if recording is None or any(line.startswith("  model:") for line in proposal.source):
        return f"run {out}"
    return f"replay {recording} --config {out} --out out"


def _of_topic(source: KafkaSource, out: Path, seen: TopicSummary) -> Proposal | ModelsProposal:
    if seen.documents is not None:
        return models_of_topic(source, out, seen, seen.documents)
    if seen.messages and not seen.samples:
        raise UsageError(
            f"none of {count_text(seen.messages, 'message')} of {source.topic} is a metric in "
            "a known format, and most are neither predictions, labels nor LLM calls; as native "
            f"JSON of metrics, the first: {seen.first_reject}"
        )
    behind_ns = max(seen.out_of_order_ns.values(), default=0)
    facts = {
        "topic": f"{source.topic} on {source.brokers}, {count_text(seen.partitions, 'partition')}",
        "messages": f"{seen.messages:,} looked at, {'keyed' if seen.keyed else 'not all keyed'}"
        if seen.messages
        else "none: the topic is empty, or silent for 5 s",
        "format": seen.format,
        **_series_facts(seen.series, seen.metrics, seen.interval_ns),
    }
    if seen.rejects:
        facts["unusable"] = f"{seen.rejects:,}; the first: {seen.first_reject}"
    if seen.wild:
        facts["wild clocks"] = f"{count_text(seen.wild, 'sample')} too far ahead of their records"
    if seen.samples:
        disorder = ", ".join(
            f"{duration_text(one)} in partition {partition}"
            for partition, one in sorted(seen.out_of_order_ns.items())
            if one
        )
        facts["out of order"] = f"up to {disorder}" if disorder else "nothing"
    return Proposal(
        file=str(out),
        source=kafka_lines(
            source.brokers,
            f"topic: {quoted(source.topic)}",
            f"format: {seen.format}",
            "start: latest        # without a stored offset: latest, earliest or -1h",
        ),
        sink=kafka_lines(source.brokers, "prefix: streamgauge  # topics streamgauge.alerts, ..."),
        seen=tuple(facts.items()),
        metrics=seen.metrics,
        interval_ns=seen.interval_ns,
        out_of_order_ns=behind_ns,
    )


def _of_recording(recording: Path, out: Path) -> Proposal | ModelsProposal:
    documents = look_at_documents(recording)
    if documents is not None:
        return models_of_recording(recording, out, documents)
    return _of_metrics(recording, out, looks_like(recording))


def _of_metrics(recording: Path, out: Path, seen: RecordingSummary) -> Proposal:
    shape = "wide" if seen.wide else "long"
    facts = {
        "recording": f"{recording}, {count_text(seen.partitions, 'file')}, "
        f"{', '.join(seen.formats)}, {shape}",
        "samples": f"{seen.samples:,}{'' if seen.complete else ' looked at; there are more'}",
        **_series_facts(seen.series, seen.metrics, seen.interval_ns),
    }
    if seen.first_ts is not None and seen.last_ts is not None:
        facts["time"] = f"{rfc3339(seen.first_ts)} to {rfc3339(seen.last_ts)}"
    if seen.rejects:
        facts["unusable"] = count_text(seen.rejects, "row")
    behind_ns = seen.out_of_order_ns
    facts["out of order"] = f"up to {duration_text(behind_ns)}" if behind_ns else "nothing"
    path = recording if recording.is_absolute() else os.path.relpath(recording, out.parent)
    return Proposal(
        file=str(out),
        source=path_lines("recording", str(path), "relative to this file's folder"),
        sink=path_lines("folder", "out", "relative to the working directory"),
        seen=tuple(facts.items()),
        metrics=seen.metrics,
        interval_ns=seen.interval_ns,
        out_of_order_ns=behind_ns,
    )


def _series_facts(series: int, metrics: tuple[str, ...], interval_ns: int | None) -> dict[str, str]:
    more = ", ..." if len(metrics) > _NAMES_SHOWN else ""
    facts = {"series": f"{series:,}"}
    if metrics:
        facts["metrics"] = f"{len(metrics):,}: {', '.join(metrics[:_NAMES_SHOWN])}{more}"
    if interval_ns is not None:
        facts["interval"] = duration_text(interval_ns)
    return facts
