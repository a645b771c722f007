"""Sources of predictions, labels and LLM calls: their codecs and files, by the configuration."""

from functools import partial
from pathlib import Path
from typing import Any

from engine.codecs.document_codec import DocumentCodec
from engine.codecs.formats import limits_of
from engine.codecs.llm_formats import make_llm_codec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_formats import make_prediction_codec, make_tables
from engine.codecs.predictions import Kind
from engine.config.connections import KafkaSource, RecordingSource, Source
from engine.config.models import LlmConfig
from engine.config.schema import Config
from engine.errors import UsageError
from engine.sources.prediction_files import (
    DocumentFile,
    RecordingKind,
    keys_by_kind,
    open_calls,
    open_predictions,
)


def document_files(
    config: Config, source: Source, recording: RecordingSource
) -> list[DocumentFile]:
    """Open the files of a recording of predictions, labels or LLM calls.

    Raises
    ------
    UsageError
        There is nothing to read, or a file can't be read as what it should be.
    """
    path, limits = config.beside(recording.path), limits_of(config.limits)
    if source.kind == "llm":
        keys = keys_of_kind(path, "llm")
        return open_calls(path, limits, partial(llm_codec, config, source), keys)
    keys = keys_of_kind(path, "predictions")
    return open_predictions(path, recording, limits, declared_kinds(config), keys)


def keys_of_kind(path: Path, kind: RecordingKind) -> list[str] | None:
    """Give the partitions of a kind where a recording holds several; None: all that there are."""
    kinds = keys_by_kind(path) if path.is_dir() else {}
    return kinds.get(kind, []) if len(kinds) > 1 else None


def declared_kinds(config: Config) -> dict[str, dict[str, Kind]]:
    """Give the kinds of features that the configuration says, by model."""
    return {
        entry.model: {name: Kind(kind) for name, kind in entry.features.items()}
        for entry in config.models
        if entry.features
    }


def llm_codec(
    config: Config, source: Source, tables: PredictionTables, **options: Any
) -> DocumentCodec:
    """Make the codec of a source of LLM calls; without options it reads native messages."""
    llm = config.model(source.model).llm or LlmConfig()  # a recording's source is not among them
    limits = limits_of(config.limits)
    return make_llm_codec(source.model, llm, tables, limits=limits, **options)


def document_codec(config: Config, source: Source, kafka: KafkaSource) -> DocumentCodec:
    """Make the codec of one partition of predictions, labels or LLM calls."""
    limits = limits_of(config.limits)
    if source.kind == "llm":
        return llm_codec(
            config,
            source,
            make_tables(limits, kafka.compression),
            message_format=kafka.format,
            signal=kafka.signal,
            compression=kafka.compression,
        )
    tables = make_tables(limits, kafka.compression, declared_kinds(config))
    lateness_ns = config.time.lateness_ns
    return make_prediction_codec(kafka, tables, limits=limits, lateness_ns=lateness_ns)


def llm_model(config: Config) -> str:
    """Give the model of the configuration's sources of LLM calls, which must have one."""
    models = {source.model for source in config.sources if source.kind == "llm"}
    models = models or {entry.model for entry in config.models if entry.llm is not None}
    if len(models) != 1:
        raise UsageError(
            f"{config.file}: the recording holds LLM calls; the configuration must have exactly "
            "one model with `kind: llm` sources or with `llm` settings"
        )
    return models.pop()
