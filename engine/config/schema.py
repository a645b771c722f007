"""The configuration's structs: what each key is called, takes, means and defaults to.

The description in each `Meta` is what the JSON Schema and the reference table show. A struct's
`conflicts` says what no single value can: which keys contradict each other.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr, replace

from engine.config.connections import DOCUMENT_KINDS, Sink, Source
from engine.config.durations import DAY_NS, MILLISECOND_NS, MINUTE_NS, SECOND_NS
from engine.config.models import OTHER_MODELS, LlmConfig, ModelConfig
from engine.config.scalars import Address, AddressText, Duration, Expression, Selector, Size
from engine.config.section import Section

_LIKE_LATENESS = -1  # stands for "not given" until the struct is made


class TimeConfig(Section, frozen=True, kw_only=True):
    """Event time: what is late, and when silence counts."""

    lateness_ns: Annotated[
        Duration,
        # With 0, of rows with the same timestamp in a partition all but the first would be late.
        Meta(gt=0, description="How far a sample may lie behind the newest one of its partition."),
    ] = 5 * SECOND_NS
    idle_timeout_ns: Annotated[
        Duration,
        Meta(
            description="After this long at its end a partition stops holding the watermark back.",
            extra={"default_text": "`lateness`"},
        ),
    ] = _LIKE_LATENESS
    max_ahead_ns: Annotated[
        Duration,
        Meta(description="How far a timestamp may lie ahead of the record's Kafka timestamp."),
    ] = MINUTE_NS
    max_skew_ns: Annotated[
        Duration,
        Meta(gt=0, description="How far a partition may run ahead of the slowest one."),
    ] = 5 * MINUTE_NS

    def __post_init__(self) -> None:
        if self.idle_timeout_ns == _LIKE_LATENESS:
            force_setattr(self, "idle_timeout_ns", self.lateness_ns)


class DetectorConfig(Section, frozen=True, kw_only=True):
    """Anomaly detection on all series that a selector matches."""

    match: Annotated[Selector, Meta(description="PromQL selector of the series to watch.")] = (
        '{__name__=~".+"}'
    )
    use: Annotated[str, Meta(min_length=1, description="The detector's name.")] = "default"
    entity: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Labels whose values name the entity that a series belongs to, such as "
            "`[host]`: its series are judged together, too."
        ),
    ] = ()
    false_alarms_per_day: Annotated[
        float, Meta(gt=0, description="False alarms accepted per day, for the whole match.")
    ] = 1.0
    params: Annotated[dict[str, Any], Meta(description="Parameters of the detector.")] = field(
        default_factory=dict
    )
    lookback_ns: Annotated[
        Annotated[Duration, Meta(gt=0)] | None,
        Meta(
            description="How long a sample counts, for series rarer than the rules' `lookback`.",
            extra={"default_text": "`rules.lookback`"},
        ),
    ] = None


class RulesConfig(Section, frozen=True, kw_only=True):
    """Prometheus rule files and how they are evaluated."""

    files: Annotated[
        tuple[str, ...],
        Meta(description="Rule files, as globs relative to the configuration's folder."),
    ] = ()
    interval_ns: Annotated[
        Duration, Meta(gt=0, description="Time between ticks of a group that names none.")
    ] = MINUTE_NS
    max_window_ns: Annotated[
        Duration, Meta(gt=0, description="Longest range a rule may look back over.")
    ] = DAY_NS
    lookback_ns: Annotated[
        Duration, Meta(gt=0, description="How long a sample counts as a series' current value.")
    ] = 5 * MINUTE_NS
    bundled: Annotated[bool, Meta(description="Whether the bundled anomaly rules are on.")] = True
    external_labels: Annotated[
        dict[str, str], Meta(description="What templates see as `$externalLabels`.")
    ] = field(default_factory=dict)
    external_url: Annotated[str, Meta(description="What templates see as `$externalURL`.")] = ""

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """The longest range holds a tick at least."""
        if self.max_window_ns < self.interval_ns:
            yield "max_window", "must be at least as long as `interval`"


class RuleOptions(Section, frozen=True, kw_only=True):
    """What Prometheus' rule format can't say about an alert."""

    alert: Annotated[str, Meta(min_length=1, description="The alert's name in the rule file.")]
    gap_tolerance: Annotated[
        int, Meta(ge=0, description="Ticks without data that do not break off `for`.")
    ] = 0
    resolve_below: Annotated[
        float | None, Meta(description="A firing alert resolves only below this value.")
    ] = None
    resolve_above: Annotated[
        float | None, Meta(description="A firing alert resolves only above this value.")
    ] = None
    on_absent: Annotated[
        Literal["resolve", "hold", "fire"],
        Meta(description="What happens when the series of a firing alert has no data."),
    ] = "resolve"
    hold_while: Annotated[
        Expression | None, Meta(description="PromQL: a firing alert stays while this has a result.")
    ] = None

    @property
    def needs_number(self) -> bool:
        """Whether the alert's expression must be a comparison with a number."""
        return self.resolve_below is not None or self.resolve_above is not None

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """An alert leaves on one side."""
        if self.resolve_below is not None and self.resolve_above is not None:
            yield "resolve_above", "give one of `resolve_below` and `resolve_above`"


class ScoresConfig(Section, frozen=True, kw_only=True):
    """Which scores go to the sinks."""

    emit: Annotated[
        Literal["anomalous", "all", "none"],
        Meta(description="Scores to write: those above 1, all, or none."),
    ] = "anomalous"


class StateConfig(Section, frozen=True, kw_only=True):
    """The state folder, checkpoints and shards."""

    dir: Annotated[
        str, Meta(min_length=1, description="State folder, relative to the working directory.")
    ] = "var/state"
    checkpoint_ns: Annotated[Duration, Meta(gt=0, description="Time between checkpoints.")] = (
        30 * SECOND_NS
    )
    shards: Annotated[
        int,
        Meta(ge=1, le=4096, description="Parts the series are spread over; fixed by the state."),
    ] = 64
    epoch_ns: Annotated[
        Duration, Meta(gt=0, description="Time between snapshots of offsets and manifests.")
    ] = 500 * MILLISECOND_NS


class HttpConfig(Section, frozen=True, kw_only=True):
    """The server for metrics and health."""

    listen: Annotated[
        AddressText,
        Meta(description='Where `/metrics` and `/-/ready` are served; "" or null for nowhere.'),
    ] = Address("127.0.0.1", 9464)


class LimitsConfig(Section, frozen=True, kw_only=True):
    """Upper bounds; what lies above is refused and counted."""

    series: Annotated[int, Meta(ge=1, description="Live series.")] = 2_000_000
    buffered_rows: Annotated[int, Meta(ge=1, description="Rows waiting for their tick.")] = (
        20_000_000
    )
    message_size_bytes: Annotated[
        Size, Meta(ge=1, description="One message, as Kafka gives it.")
    ] = 2**20
    decompressed_size_bytes: Annotated[
        Size, Meta(ge=1, description="One message whose content is compressed, decompressed.")
    ] = 2**24
    labels: Annotated[int, Meta(ge=1, description="Labels of a series.")] = 64
    label_size_bytes: Annotated[Size, Meta(ge=1, description="One label's name or value.")] = 2**10
    dead_letters_per_second: Annotated[
        int, Meta(ge=0, description="Dead letters written; the rest is only counted.")
    ] = 1_000
    window_samples: Annotated[
        int, Meta(ge=1, description="Samples of one series in a rule's range.")
    ] = 100_000
    models: Annotated[int, Meta(ge=1, description="Models whose predictions are watched.")] = 1_000
    episodes: Annotated[
        int, Meta(ge=0, description="Episodes whose rows are kept for reports, the newest ones.")
    ] = 100
    alerts: Annotated[int, Meta(ge=1, description="Pending and firing alerts.")] = 200_000


class BatchConfig(Section, frozen=True, kw_only=True):
    """How rows are gathered before they travel on."""

    rows: Annotated[int, Meta(ge=1, le=1_000_000, description="Rows that fill a batch.")] = 16_384
    age_ns: Annotated[
        Duration, Meta(gt=0, description="Age at which a batch goes on, full or not.")
    ] = 50 * MILLISECOND_NS


class Config(Section, frozen=True, kw_only=True):
    """The whole configuration; `Config()` holds the defaults.

    `file` is the file's name, for messages. `folder` is its folder: rule files and recordings are
    relative to it, since they are kept beside it. What is written (`state.dir`, a sink's `folder`)
    is relative to the working directory.
    """

    sources: Annotated[tuple[Source, ...], Meta(description="Where samples come from.")] = ()
    time: Annotated[TimeConfig, Meta(description="Event time.")] = TimeConfig()
    detectors: Annotated[
        tuple[DetectorConfig, ...],
        Meta(
            description="Anomaly detection; `[]` for none.",
            extra={"default_text": "one on every series"},
        ),
    ] = (DetectorConfig(),)
    models: Annotated[
        tuple[ModelConfig, ...],
        Meta(
            description="What is watched of models, where sources give predictions.",
            extra={"unique": "model", "default_text": "all models alike"},
        ),
    ] = ()
    rules: Annotated[RulesConfig, Meta(description="Prometheus rule files.")] = RulesConfig()
    rule_options: Annotated[
        tuple[RuleOptions, ...],
        Meta(description="Options of single alerts.", extra={"unique": "alert"}),
    ] = ()
    scores: Annotated[ScoresConfig, Meta(description="Scores to write.")] = ScoresConfig()
    sinks: Annotated[
        tuple[Sink, ...], Meta(description="Where results go; by default the command decides.")
    ] = ()
    state: Annotated[StateConfig, Meta(description="State and recovery.")] = StateConfig()
    http: Annotated[HttpConfig, Meta(description="Metrics and health.")] = HttpConfig()
    limits: Annotated[LimitsConfig, Meta(description="Upper bounds.")] = LimitsConfig()
    batch: Annotated[BatchConfig, Meta(description="Batches.")] = BatchConfig()
    folder: Annotated[Path, Meta(extra={"set_by_loader": True})] = Path()
    file: Annotated[str, Meta(extra={"set_by_loader": True})] = "configuration"

    @property
    def has_documents(self) -> bool:
        """Whether any source gives predictions, labels or LLM calls."""
        return any(source.kind in DOCUMENT_KINDS for source in self.sources)

    def model(self, name: str) -> ModelConfig:
        """Give what is watched of a model: its own entry, that of all others, or the defaults."""
        named = {entry.model: entry for entry in self.models}
        entry = named.get(name) or named.get(OTHER_MODELS) or ModelConfig(model=name)
        is_llm = any(source.kind == "llm" and source.model == name for source in self.sources)
        llm = LlmConfig() if is_llm and entry.llm is None else entry.llm
        return replace(entry, model=name, llm=llm)

    def beside(self, path: str) -> Path:
        """Give a path that is relative to the configuration's folder."""
        return self.folder / path
