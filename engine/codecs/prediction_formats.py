"""Makes the codec of a format of predictions that the configuration names."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from engine.codecs.compression import Compression
from engine.codecs.document_codec import DocumentCodec
from engine.codecs.inference_bodies import BodyOptions
from engine.codecs.prediction_bentoml import BentoMLCodec
from engine.codecs.prediction_cloudevents import CloudEventsCodec
from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_flat import FlatRoles, read_flat
from engine.codecs.prediction_json import read_native
from engine.codecs.predictions import Kind, PredictionLimits
from engine.codecs.samples import Limits, RejectedError
from engine.config.connections import KafkaSource
from engine.config.prediction_fields import LIKE_LATENESS, PredictionFields
from engine.errors import UsageError

WAITING_BYTES = 1 << 23
"""Of requests and responses that wait for each other: they stand in every checkpoint."""

SCHEMAS = "schemas"
"""Name of what the tables have learned, in a codec's state."""

Wrap = Callable[..., DocumentCodec]
"""`DocumentCodec` with what does not depend on the format."""


def _native(
    _fields: PredictionFields, tables: PredictionTables, wrap: Wrap, _wait_ns: int
) -> DocumentCodec:
    codec = PredictionCodec(partial(read_native, limits=tables.limits.message), tables)
    return wrap(codec.decode, {SCHEMAS: tables})


def _flat(
    fields: PredictionFields, tables: PredictionTables, wrap: Wrap, _wait_ns: int
) -> DocumentCodec:
    read = partial(read_flat, limits=tables.limits.message, roles=flat_roles(fields))
    return wrap(PredictionCodec(read, tables).decode, {SCHEMAS: tables})


def _cloud_events(
    fields: PredictionFields, tables: PredictionTables, wrap: Wrap, wait_ns: int
) -> DocumentCodec:
    options = BodyOptions(
        feature_names=fields.features,
        columns_max=fields.columns_max,
        output=fields.output or None,
        score_output=fields.score or None,
        probabilities=fields.probabilities,
    )
    codec = CloudEventsCodec(tables, options, model=fields.model_name, ttl_ns=wait_ns)
    return wrap(codec.decode, {SCHEMAS: tables, "waiting": codec}, wants_headers=True)


def _bentoml(
    fields: PredictionFields, tables: PredictionTables, wrap: Wrap, _wait_ns: int
) -> DocumentCodec:
    try:
        codec = BentoMLCodec(
            tables,
            model=fields.model_name,
            score=fields.score or None,
            schema=fields.schema_line or None,
        )
    except RejectedError as error:
        raise UsageError(f"sources[].kafka.predictions.schema_line: {error}") from None
    return wrap(codec.decode, {SCHEMAS: tables, "monitor": codec})


PREDICTION_FORMATS: Mapping[
    str, Callable[[PredictionFields, PredictionTables, Wrap, int], DocumentCodec]
] = MappingProxyType(
    {"json": _native, "flat": _flat, "cloudevents": _cloud_events, "bentoml": _bentoml}
)
"""How to make the codec of each format of predictions and labels."""


def make_prediction_codec(
    settings: KafkaSource, tables: PredictionTables, *, limits: Limits, lateness_ns: int
) -> DocumentCodec:
    """Make the codec of one partition of a topic of predictions or labels.

    Parameters
    ----------
    settings : KafkaSource
    tables : PredictionTables
        Of this partition alone: what is learned belongs to a place in the partition's log.
    limits : Limits
        Of messages as they come.
    lateness_ns : int
        How late rows may be: what waited for longer would be late.

    Raises
    ------
    UsageError
        The monitor's schema line that the configuration gives can't be used.
    """
    wrap = partial(DocumentCodec, limits=limits, compression=settings.compression)
    fields = settings.predictions
    wait_ns = lateness_ns // 2 if fields.wait_ns == LIKE_LATENESS else fields.wait_ns
    return PREDICTION_FORMATS[settings.format](fields, tables, wrap, wait_ns)


def make_tables(
    limits: Limits,
    compression: Compression = "none",
    declared: Mapping[str, Mapping[str, Kind]] | None = None,
) -> PredictionTables:
    """Make the tables of one partition.

    Parameters
    ----------
    limits : Limits
        Of messages as they come.
    compression : str
        Of the messages' content.
    declared : mapping of str to (mapping of str to Kind), optional
        Kinds of features by model, where they are known beforehand.
    """
    return PredictionTables(prediction_limits(limits, compression), declared)


def prediction_limits(limits: Limits, compression: Compression = "none") -> PredictionLimits:
    """Give the limits of predictions for messages whose content is compressed so."""
    if compression != "none":
        limits = replace(limits, max_message_bytes=limits.max_decompressed_bytes)
    return PredictionLimits(message=limits, waiting_bytes=WAITING_BYTES)


def flat_roles(fields: PredictionFields) -> FlatRoles:
    """Say what the keys of flat rows are."""
    return FlatRoles(
        prediction_id=fields.prediction_id,
        timestamp=fields.timestamp,
        timestamp_unit=fields.timestamp_unit,
        model=fields.model,
        model_name=fields.model_name,
        version=fields.version,
        version_name=fields.version_name,
        prediction=fields.prediction,
        score=fields.score or "score",
        actual=fields.actual,
        actual_timestamp=fields.actual_timestamp,
        tags=fields.tags,
        ignored=fields.ignored,
        features=fields.features or None,
    )
