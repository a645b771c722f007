"""What ``streamgauge init`` proposes after a look at predictions, labels or LLM calls."""

import os
from pathlib import Path
from typing import Any

import msgspec

from engine.cli.console import count_text, duration_text
from engine.cli.proposal import kafka_lines, path_lines, quoted, shown
from engine.cli.proposal_models import (
    MODELS_MAX,
    ModelsProposal,
    features_text,
    held_text,
    versions_text,
)
from engine.config.connections import KafkaSource
from engine.config.prediction_fields import PredictionFields
from engine.errors import UsageError
from engine.events import rfc3339
from engine.sources.document_recording import RecordedDocuments
from engine.sources.document_summary import DocumentSummary
from engine.sources.document_topic import TopicDocuments
from engine.sources.topic_summary import TopicSummary

_NAMES_SHOWN = 8
_WHAT = {"predictions": "predictions", "labels": "labels", "llm": "LLM calls"}

# A half of a prediction waits for half of the lateness, so that must be twice what was seen; the
# proposal adds a half.
_WAITING = 4 / 3


def models_of_recording(recording: Path, out: Path, seen: RecordedDocuments) -> ModelsProposal:
    """Propose a configuration for a recording.

    Raises
    ------
    UsageError
        None of its rows can be used.
    """
    summary = seen.summary
    _check_rows(summary, f"none of the rows of {recording} can be used")
    facts = {
        "recording": f"{recording}, {count_text(seen.partitions, 'file')}, "
        f"{', '.join(seen.formats)}, {_WHAT[summary.kind]}",
        "rows": f"{summary.rows:,}{'' if seen.complete else ' looked at; there are more'}",
        **_facts(summary, seen.model),
    }
    if summary.first_ts is not None and summary.last_ts is not None:
        facts["time"] = f"{rfc3339(summary.first_ts)} to {rfc3339(summary.last_ts)}"
    _add_faults(facts, summary)
    behind_ns = max(summary.out_of_order_ns.values(), default=0)
    facts["out of order"] = f"up to {duration_text(behind_ns)}" if behind_ns else "nothing"
    path = recording if recording.is_absolute() else os.path.relpath(recording, out.parent)
    is_llm = summary.kind == "llm"
    own = (f"  model: {quoted(seen.model)}   # of rows that name none",) if seen.model else ()
    return ModelsProposal(
        file=str(out),
        source=(
            *_kind_lines(summary, seen.model),
            *path_lines("recording", str(path), "relative to this file's folder"),
            *(() if is_llm else own),
        ),
        sink=path_lines("folder", "out", "relative to the working directory"),
        hints=_hints(summary, 'recording: {path: "labels.parquet"}'),
        seen=tuple(facts.items()),
        summary=summary,
        service=seen.model if is_llm else "",
        out_of_order_ns=behind_ns,
        complete=seen.complete,
    )


def models_of_topic(
    source: KafkaSource, out: Path, topic: TopicSummary, seen: TopicDocuments
) -> ModelsProposal:
    """Propose a configuration for a topic.

    Raises
    ------
    UsageError
        None of its messages can be used.
    """
    summary = seen.summary
    _check_rows(
        summary,
        f"none of {count_text(topic.messages, 'message')} of {source.topic} can be used",
        seen.wild,
    )
    signal = f", {seen.form.signal}" if seen.form.format == "otlp_proto" else ""
    facts = {
        "topic": f"{source.topic} on {source.brokers}, {count_text(topic.partitions, 'partition')}",
        "messages": f"{topic.messages:,} looked at, {'keyed' if topic.keyed else 'not all keyed'}",
        "format": f"{topic.format}{signal}, {_WHAT[summary.kind]}",
        "rows": f"{summary.rows:,}",
        **_facts(summary, seen.model),
    }
    _add_faults(facts, summary)
    if seen.wild:
        facts["wild clocks"] = f"{count_text(seen.wild, 'row')} too far ahead of their records"
    disorder = ", ".join(
        f"{duration_text(one)} in partition {partition}"
        for partition, one in sorted(summary.out_of_order_ns.items())
        if one
    )
    facts["out of order"] = f"up to {disorder}" if disorder else "nothing"
    behind_ns = max(summary.out_of_order_ns.values(), default=0)
    if seen.form.format == "cloudevents":
        behind_ns = round(behind_ns * _WAITING)
    return ModelsProposal(
        file=str(out),
        source=(
            *_kind_lines(summary, seen.model),
            *kafka_lines(
                source.brokers,
                f"topic: {quoted(source.topic)}",
                f"format: {topic.format}",
                *(("signal: logs",) if seen.form.signal == "logs" else ()),
                *_field_lines(seen.fields),
                "start: latest        # without a stored offset: latest, earliest or -1h",
            ),
        ),
        sink=kafka_lines(source.brokers, "prefix: streamgauge  # topics streamgauge.drift, ..."),
        hints=_hints(summary, f"kafka: {{brokers: {quoted(source.brokers)}, topic: labels}}"),
        seen=tuple(facts.items()),
        summary=summary,
        service=seen.model,
        out_of_order_ns=behind_ns,
        complete=False,
    )


def _check_rows(summary: DocumentSummary, what: str, wild: int = 0) -> None:
    """Refuse what says nothing of any model; `wild` rows have the clocks of another time."""
    if summary.models:
        return
    if summary.first_reject:
        raise UsageError(f"{what}; the first: {summary.first_reject}")
    ahead = f"{count_text(wild, 'row')} too far ahead of their records"
    raise UsageError(f"{what}; {ahead if wild else 'there are no rows'}")


def _facts(summary: DocumentSummary, service: str) -> dict[str, str]:
    """Say what was seen of the models."""
    facts = {"models": f"{len(summary.models):,}"}
    for model in summary.models[:MODELS_MAX]:
        name = shown(service if summary.kind == "llm" else model.name)
        parts = [
            f"versions {versions_text(model, _NAMES_SHOWN)}" if model.versions else "",
            f"features {features_text(model, _NAMES_SHOWN)}" if model.features else "",
            held_text(model),
            f"tags {', '.join(map(shown, model.tags))}" if model.tags else "",
            f"evaluators {', '.join(map(shown, model.evaluators))}" if model.evaluators else "",
        ]
        facts[f"model {name}"] = "; ".join(part for part in parts if part)
    return facts


def _add_faults(facts: dict[str, str], summary: DocumentSummary) -> None:
    if summary.rejects:
        facts["unusable"] = f"{summary.rejects:,}; the first: {summary.first_reject}"


def _kind_lines(summary: DocumentSummary, service: str) -> tuple[str, ...]:
    if summary.kind == "llm":
        return ("kind: llm", f"model: {quoted(service)}   # the entry of `models` below")
    return (f"kind: {summary.kind}",)


def _field_lines(fields: PredictionFields) -> list[str]:
    """Give what the format must be told, key by key."""
    values = {name: getattr(fields, name) for name in sorted(fields.given())}
    # JSON is YAML.
    lines = [
        f"  {name}: {msgspec.json.encode(_escaped(value)).decode()}"
        for name, value in values.items()
    ]
    return ["predictions:", *lines] if lines else []


def _escaped(value: Any) -> Any:
    """Write each $ in a value so that it stands for itself; in keys it does so anyway."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(part) for key, part in value.items()}
    return [_escaped(part) for part in value] if isinstance(value, list | tuple) else value


def _hints(summary: DocumentSummary, labels: str) -> tuple[str, ...]:
    """Say what else belongs to the models."""
    if summary.kind == "labels":
        other = labels.replace("labels", "predictions")
        return ("What the labels are of is another source:", "- kind: predictions", f"  {other}")
    if summary.kind == "predictions" and not any(
        model.labels or model.late_labels for model in summary.models
    ):
        return ("Labels that come later are another source:", "- kind: labels", f"  {labels}")
    return ()
