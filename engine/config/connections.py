"""The ends of the flow in the configuration: Kafka topics, recordings and folders."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from msgspec import Meta, field
from msgspec.structs import force_setattr

from engine.config.durations import DAY_NS
from engine.config.prediction_fields import FIELDS_OF_FORMAT, PredictionFields
from engine.config.relabel import RelabelConfig
from engine.config.scalars import Duration, Start, StartText, Topic
from engine.config.section import Section

Format = Literal[
    "json",
    "otlp_proto",
    "otlp_json",
    "influx",
    "telegraf_json",
    "prometheus_adapter",
    "remote_write",
    "metricbeat",
    "vector",
    "fluent_bit",
]
"""Formats of metrics."""

KafkaFormat = Literal[Format, "flat", "cloudevents", "bentoml"]
"""Formats of all kinds of sources."""

Kind = Literal["metrics", "feedback", "predictions", "labels", "llm"]

FORMATS_OF_KIND: Mapping[Kind, tuple[str, ...]] = MappingProxyType(
    {
        "metrics": get_args(Format),
        "feedback": ("json",),
        "predictions": tuple(FIELDS_OF_FORMAT),
        "labels": tuple(FIELDS_OF_FORMAT),
        "llm": ("json", "otlp_proto", "otlp_json"),
    }
)
"""How messages of each kind may be encoded."""

DOCUMENT_KINDS: frozenset[Kind] = frozenset({"predictions", "labels", "llm"})
"""Kinds of sources that feed models, not series."""


class Settings(dict[str, str]):
    """Settings of librdkafka; its text shows no values, since passwords are among them."""

    def __repr__(self) -> str:
        return f"Settings({', '.join(self)})"


class KafkaClient(Section, frozen=True, kw_only=True):
    """How to reach Kafka."""

    brokers: Annotated[
        str, Meta(min_length=1, description="Kafka's bootstrap servers, `host:port,...`.")
    ]
    properties: Annotated[
        dict[str, str], Meta(description="Settings passed to librdkafka, for TLS and SASL.")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        force_setattr(self, "properties", Settings(self.properties))


class KafkaSource(KafkaClient, frozen=True, kw_only=True):
    """A Kafka topic to read."""

    topic: Annotated[Topic, Meta(description="The topic to read.")]
    format: Annotated[
        KafkaFormat,
        Meta(
            description="How the messages are encoded: predictions and labels are `json`, `flat`, "
            "`cloudevents` or `bentoml`, LLM calls `json`, `otlp_proto` or `otlp_json`, feedback "
            "is `json`."
        ),
    ] = "json"
    names: Annotated[
        Literal["prometheus", "underscore", "as_is"],
        Meta(
            description="Names of OTLP metrics and attributes: as Prometheus has them (with unit "
            "and `_total`), with `_` for what Prometheus does not allow, or as they are."
        ),
    ] = "prometheus"
    timestamp_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        Meta(
            description="Unit of timestamps in `influx` (`auto`: ns) and `telegraf_json` (`auto`: "
            "s, unless their size says otherwise)."
        ),
    ] = "auto"
    fields: Annotated[
        tuple[str, ...],
        Meta(
            description="Dotted paths of the numbers to take from `metricbeat`, `*` for any part; "
            "by default all of the metric set."
        ),
    ] = ()
    signal: Annotated[
        Literal["traces", "logs"],
        Meta(description="What `otlp_proto` messages of LLM calls hold; `otlp_json` says so."),
    ] = "traces"
    predictions: Annotated[
        PredictionFields, Meta(description="What the fields of predictions and labels are.")
    ] = PredictionFields()
    compression: Annotated[
        Literal["none", "gzip", "zstd", "snappy"],
        Meta(
            description="Compression inside the messages, beside Kafka's own; `remote_write` knows "
            "its own."
        ),
    ] = "none"
    start: Annotated[
        StartText,
        Meta(
            description="Where to begin without a stored offset: `latest`, `earliest`, "
            "a time ago (`-1h`) or an RFC 3339 time."
        ),
    ] = Start("latest")
    group: Annotated[
        str,
        Meta(min_length=1, description="Consumer group under which Kafka's tools show the lag."),
    ] = "streamgauge"
    on_stale_offset: Annotated[
        Literal["error", "earliest", "latest"],
        Meta(description="What to do when the stored offset is gone from the topic."),
    ] = "error"


class RecordingSource(Section, frozen=True, kw_only=True):
    """A recording to read: a file or folder of Parquet, CSV or JSON Lines."""

    path: Annotated[
        str,
        Meta(min_length=1, description="File or folder, relative to the configuration's folder."),
    ]
    name: Annotated[
        str | None, Meta(description="The metric's name where the only column is `value`.")
    ] = None
    labels: Annotated[dict[str, str], Meta(description="Labels added to every series.")] = field(
        default_factory=dict
    )
    exclude: Annotated[
        tuple[str, ...], Meta(description="Columns of a wide recording to leave out.")
    ] = ()
    timestamp_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns"],
        Meta(description="Unit of numeric timestamps; `auto` takes it from their size."),
    ] = "auto"
    model: Annotated[
        str, Meta(description="The model of predictions and labels whose rows don't name it.")
    ] = ""
    version: Annotated[
        str, Meta(description="The model's version in predictions whose rows don't name it.")
    ] = ""

    @property
    def says_of_samples(self) -> bool:
        """Whether something is given that is about samples."""
        return bool(self.name or self.labels or self.exclude)

    @property
    def says_of_predictions(self) -> bool:
        """Whether something is given that is about predictions."""
        return bool(self.model or self.version)


class Source(Section, frozen=True, kw_only=True):
    """Where samples come from: exactly one of `kafka` and `recording`."""

    kafka: Annotated[KafkaSource | None, Meta(description="A Kafka topic to read.")] = None
    recording: Annotated[RecordingSource | None, Meta(description="A recording to read.")] = None
    kind: Annotated[
        Kind,
        Meta(
            description="What the messages say: samples; which alarms were false and which were "
            "missed; what models predicted, and the labels that came later (either kind may hold "
            "both); or calls of language models."
        ),
    ] = "metrics"
    model: Annotated[
        str,
        Meta(description="`llm`: the entry of `models` that the calls belong to; required."),
    ] = ""
    relabel: Annotated[
        tuple[RelabelConfig, ...],
        Meta(description="Prometheus' relabelling rules, in order, for every series."),
    ] = ()
    nan: Annotated[
        Literal["keep", "drop", "stale"],
        Meta(description="What a NaN is: a value, nothing, or the end of its series."),
    ] = "keep"
    infinity: Annotated[
        Literal["keep", "drop"], Meta(description="What an infinite value is: a value or nothing.")
    ] = "keep"

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """One source reads one thing; what is about samples has no meaning for other kinds."""
        if (self.kafka is None) == (self.recording is None):
            yield "", "give exactly one of `kafka` and `recording`; use a list item for each"
        if self.kind == "llm" and not self.model:
            yield "model", "name the entry of `models` that the calls belong to"
        if self.kind != "llm" and self.model:
            yield "model", "only `kind: llm` has a model; messages of other kinds say it themselves"
        if self.kafka is not None:
            yield from self._kafka_conflicts(self.kafka)
        if self.recording is not None:
            yield from self._recording_conflicts(self.recording)
        if self.kind == "metrics":
            return
        for key, is_given in (
            ("relabel", bool(self.relabel)),
            ("nan", self.nan != "keep"),
            ("infinity", self.infinity != "keep"),
        ):
            if is_given:
                yield key, f"{_SUBJECT[self.kind]} no samples; leave `{key}` out"

    def _kafka_conflicts(self, kafka: KafkaSource) -> Iterator[tuple[str, str]]:
        formats = FORMATS_OF_KIND[self.kind]
        if kafka.format not in formats:
            if self.kind == "metrics":
                yield "kafka", f"`format: {kafka.format}` is of `kind: predictions` or `labels`"
            else:
                verb = "is" if self.kind == "feedback" else "may be"
                yield "kafka", f"{self.kind} {verb} `format: {'`, `'.join(formats)}`"
            return
        if kafka.signal != "traces" and not (self.kind == "llm" and kafka.format == "otlp_proto"):
            yield "kafka", "`signal` is for `kind: llm` with `format: otlp_proto`"
        given = kafka.predictions.given()
        if self.kind not in ("predictions", "labels"):
            if given:
                yield "kafka", f"{_SUBJECT[self.kind]} no predictions; leave `predictions` out"
            return
        unknown = sorted(given - FIELDS_OF_FORMAT[kafka.format])
        if unknown:
            yield (
                "kafka",
                f"`format: {kafka.format}` has no `predictions.{'`, `predictions.'.join(unknown)}`",
            )

    def _recording_conflicts(self, recording: RecordingSource) -> Iterator[tuple[str, str]]:
        if self.kind != "metrics" and recording.says_of_samples:
            yield (
                "recording",
                f"{_SUBJECT[self.kind]} no samples; leave `name`, `labels` and `exclude` out",
            )
        if self.kind not in ("predictions", "labels") and recording.says_of_predictions:
            yield (
                "recording",
                f"{_SUBJECT[self.kind]} no predictions; leave `model` and `version` out",
            )


_SUBJECT: Mapping[Kind, str] = MappingProxyType(
    {
        "metrics": "a source of metrics has",
        "feedback": "feedback has",
        "predictions": "predictions are",
        "labels": "labels are",
        "llm": "LLM calls are",
    }
)
"""What conflicts begin with."""


class KafkaSink(KafkaClient, frozen=True, kw_only=True):
    """Kafka topics to write."""

    prefix: Annotated[Topic, Meta(description="First part of the topics' names.")] = "streamgauge"
    replication_factor: Annotated[
        int, Meta(ge=1, le=32_767, description="Replicas of topics that are created.")
    ] = 1
    partitions: Annotated[
        int, Meta(ge=1, le=10_000, description="Partitions of topics that are created.")
    ] = 1
    retention_ns: Annotated[
        Duration, Meta(gt=0, description="How long created topics keep records.")
    ] = 7 * DAY_NS


class FolderSink(Section, frozen=True, kw_only=True):
    """A folder to write files into."""

    path: Annotated[
        str, Meta(min_length=1, description="The folder, relative to the working directory.")
    ]


class Sink(Section, frozen=True, kw_only=True):
    """Where results go: exactly one of `kafka` and `folder`."""

    kafka: Annotated[KafkaSink | None, Meta(description="Kafka topics to write.")] = None
    folder: Annotated[FolderSink | None, Meta(description="A folder to write files into.")] = None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """One sink writes to one place."""
        if (self.kafka is None) == (self.folder is None):
            yield "", "give exactly one of `kafka` and `folder`; use a list item for each"
