"""The models section of the configuration: what is watched of each model, against what."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, field
from msgspec.structs import force_setattr

from engine.config.durations import DAY_NS, HOUR_NS, MINUTE_NS
from engine.config.scalars import Duration, ReferencePlace, ReferenceText, WindowSize, WindowText
from engine.config.section import Section

OTHER_MODELS = "*"
"""Stands for all models without an entry of their own."""

SLIDES_MAX = 200

ERROR = "error"
"""Names the model's error where a sequential detector says what it watches."""

FeatureKind = Literal["numeric", "boolean", "categorical", "text", "embedding"]
_AS_WINDOW = WindowSize(0, 0)  # stands for "not given" until the struct is made


class PriceConfig(Section, frozen=True, kw_only=True):
    """What a language model's tokens cost."""

    input: Annotated[float, Meta(ge=0, description="US dollars per million input tokens.")]
    output: Annotated[float, Meta(ge=0, description="US dollars per million output tokens.")]
    cached: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(
            description="US dollars per million input tokens that were read from a cache.",
            extra={"default_text": "`input`"},
        ),
    ] = None


class LlmConfig(Section, frozen=True, kw_only=True):
    """What is particular about calls of language models (`kind: llm` sources)."""

    prices: Annotated[
        dict[str, PriceConfig],
        Meta(description="Prices by response or request model; names may hold `*` and `?`."),
    ] = field(default_factory=dict)
    aliases: Annotated[
        dict[str, str],
        Meta(description="Further names of attributes, with the name that each stands for."),
    ] = field(default_factory=dict)
    tags: Annotated[
        dict[str, str],
        Meta(description="Tags of calls, such as `tenant`, with the attribute that each is of."),
    ] = field(default_factory=dict)
    embeddings: Annotated[
        dict[str, str],
        Meta(description="Features that are vectors, with the attribute that each is of."),
    ] = field(default_factory=dict)
    evaluators: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="Names of evaluations that are joined with their calls."),
    ] = ()
    refusals: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="Finish reasons that are refusals."),
    ] = (
        *("content_filter", "content_filtered", "refusal", "safety", "prohibited_content"),
        *("blocklist", "spii", "guardrail_intervened"),
    )


class QualityConfig(Section, frozen=True, kw_only=True):
    """Quality of predictions by their labels."""

    kind: Annotated[
        Literal["auto", "binary", "classes", "regression", "ranking", "none"],
        Meta(
            description="What predictions are; `auto` tells by the first ones: 0 and 1 are "
            "`binary`, text is `classes`, other numbers `regression`."
        ),
    ] = "auto"
    window_ns: Annotated[
        Duration, Meta(gt=0, description="Prediction time of which quality is told.")
    ] = DAY_NS
    slide_ns: Annotated[
        Duration, Meta(gt=0, description="Step of that window; it must be a multiple of it.")
    ] = 3 * HOUR_NS
    correct_every_ns: Annotated[
        Duration,
        Meta(description="How often windows that were told are corrected; 0: at every tick."),
    ] = 6 * HOUR_NS
    classes: Annotated[
        int, Meta(ge=2, le=256, description="Classes told apart; further ones count as one.")
    ] = 16
    quantile: Annotated[float, Meta(gt=0, le=1, description="Of the quantile loss.")] = 0.5
    k: Annotated[int, Meta(ge=1, description="Where rankings are cut.")] = 10

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """A window is a run of slides."""
        if self.window_ns % self.slide_ns:
            yield "window", "must be a multiple of `slide`"


class SequentialConfig(Section, frozen=True, kw_only=True):
    """A detector that watches every value as it comes."""

    on: Annotated[
        str,
        Meta(
            min_length=1,
            description="A numeric or boolean feature, `(score)`, `(prediction)`, or `error`: of "
            "predictions as their labels come.",
        ),
    ] = ERROR
    use: Annotated[
        str,
        Meta(
            min_length=1,
            description="`rate`, `level`, `spread`, `ks_window`, `page_hinkley`, `hddm_a`, "
            "`hddm_w`, or a drift detector of River such as `river.drift.ADWIN`.",
        ),
    ] = "rate"
    params: Annotated[
        dict[str, Any],
        Meta(
            description="Parameters of the detector; `rate`, `level` and `spread` follow the "
            "budget unless `false_alarm_events` is given."
        ),
    ] = field(default_factory=dict)


class ModelConfig(Section, frozen=True, kw_only=True):
    """What is watched of a model."""

    model: Annotated[
        str,
        Meta(min_length=1, description="The model's name; `*` for all without an entry."),
    ]
    reference: Annotated[
        ReferenceText,
        Meta(
            description="What predictions are compared with: a Parquet, CSV or JSON Lines file "
            "beside the configuration, a file of `streamgauge reference`, `first 5000 rows` of "
            "each version, or `trailing 7d`."
        ),
    ] = ReferencePlace("rows", rows=5000)
    segments: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(description="Tags, or categorical features, whose values make segments."),
    ] = ()
    segments_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Segments of a version; the rest is `(other)`.")
    ] = 20
    features: Annotated[
        dict[str, FeatureKind],
        Meta(description="Kinds of features; those left out are learned from their values."),
    ] = field(default_factory=dict)
    mode: Annotated[
        Literal["sketch", "exact"],
        Meta(
            description="`sketch`: windows are counts in bins. `exact`: rows are kept, and scores "
            "are Evidently's."
        ),
    ] = "sketch"
    window: Annotated[
        WindowText, Meta(description="What is compared: a time such as `1h`, or `1000 rows`.")
    ] = WindowSize(HOUR_NS, 0)
    slide: Annotated[
        WindowText,
        Meta(description="Step of the window.", extra={"default_text": "`window`"}),
    ] = _AS_WINDOW
    rows_max: Annotated[
        int, Meta(ge=100, description="Rows of a window that `exact` keeps for each segment.")
    ] = 200_000
    rows_min: Annotated[
        int, Meta(ge=10, description="With fewer values a window has no verdict.")
    ] = 50
    methods: Annotated[
        dict[str, tuple[str, ...]],
        Meta(
            description="Methods by kind of feature, such as `{numeric: [wasserstein]}`.",
            extra={"default_text": "ks and psi, chi_square, z; missing and unseen values"},
        ),
    ] = field(default_factory=dict)
    multivariate: Annotated[
        tuple[Literal["mmd", "pca", "domain_classifier"], ...],
        Meta(description="Methods on all features together; `[]` for none."),
    ] = ("mmd", "pca")
    effect_min: Annotated[
        float,
        Meta(
            ge=0,
            description="A change of distribution below this score is reported, but opens no "
            "episode, however sure it is.",
        ),
    ] = 0.05
    importance: Annotated[
        dict[str, float],
        Meta(
            description="Importance of features, to rank causes by.",
            extra={"default_text": "learned"},
        ),
    ] = field(default_factory=dict)
    sequential: Annotated[
        tuple[SequentialConfig, ...],
        Meta(description="Detectors of single values.", extra={"default_text": "one on `error`"}),
    ] = (SequentialConfig(),)
    quality: Annotated[QualityConfig, Meta(description="Quality by labels.")] = QualityConfig()
    label_delay_ns: Annotated[
        Duration, Meta(gt=0, description="How far a prediction and its label are apart at most.")
    ] = 7 * DAY_NS
    open_predictions: Annotated[
        int,
        Meta(ge=1000, description="Predictions without label in memory; the others are on disk."),
    ] = 200_000
    false_alarms_per_week: Annotated[
        float, Meta(gt=0, description="False episodes accepted per week, of all kinds together.")
    ] = 1.0
    on_episode: Annotated[
        Literal["none", "review", "retrain", "roll_back"],
        Meta(description="The trigger event that an episode sends when it opens."),
    ] = "none"
    interval_ns: Annotated[
        Duration, Meta(gt=0, description="Time between ticks at which the model's series are told.")
    ] = MINUTE_NS
    llm: Annotated[LlmConfig | None, Meta(description="Settings of `kind: llm` sources.")] = None

    def __post_init__(self) -> None:
        if self.slide == _AS_WINDOW:
            force_setattr(self, "slide", self.window)

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """A window is a run of slides, counted alike; a reference file is of one model."""
        if bool(self.window.rows) != bool(self.slide.rows):
            yield "slide", "count it as `window`: both in time, or both in rows"
        elif self.window.length % self.slide.length:
            yield "window", "must be a multiple of `slide`"
        elif self.window.length > SLIDES_MAX * self.slide.length:
            yield "slide", f"a window has at most {SLIDES_MAX} slides, each with counts of its own"
        if self.model == OTHER_MODELS and self.reference.kind == "file":
            yield "reference", "name the model that the file is of"
