"""What the fields of prediction messages are, where a format leaves that to the configuration."""

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from engine.config.scalars import Duration
from engine.config.section import Section

LIKE_LATENESS = -1
"""Stands for a time to wait that is not given."""

FIELDS_OF_FORMAT: dict[str, frozenset[str]] = {
    "json": frozenset(),
    "flat": frozenset(
        {
            *("prediction_id", "timestamp", "timestamp_unit", "model", "model_name", "version"),
            *("version_name", "prediction", "score", "actual", "actual_timestamp", "tags"),
            *("ignored", "features"),
        }
    ),
    "cloudevents": frozenset(
        {"model_name", "features", "columns_max", "output", "score", "probabilities", "wait"}
    ),
    "bentoml": frozenset({"model_name", "score", "schema_line"}),
}
"""Which keys each format of predictions knows."""


class PredictionFields(Section, frozen=True, kw_only=True):
    """What the fields of messages of predictions are."""

    prediction_id: Annotated[
        str, Meta(min_length=1, description="`flat`: key of the prediction's id.")
    ] = "prediction_id"
    timestamp: Annotated[
        str, Meta(min_length=1, description="`flat`: key of the time of the prediction.")
    ] = "prediction_timestamp"
    timestamp_unit: Annotated[
        Literal["s", "ms", "us", "ns"],
        Meta(description="`flat`: unit of times that are numbers."),
    ] = "ms"
    model: Annotated[str, Meta(min_length=1, description="`flat`: key of the model's name.")] = (
        "model"
    )
    model_name: Annotated[
        str,
        Meta(
            description="Name of the model where the messages don't say it; `bentoml`: instead of "
            "the bento's."
        ),
    ] = ""
    version: Annotated[
        str, Meta(min_length=1, description="`flat`: key of the model's version.")
    ] = "model_version"
    version_name: Annotated[
        str, Meta(description="`flat`: version of the model where the messages don't say it.")
    ] = ""
    prediction: Annotated[
        str, Meta(min_length=1, description="`flat`: key of what was predicted.")
    ] = "prediction"
    score: Annotated[
        str,
        Meta(
            description="`flat`: key of the score, by default `score`; `bentoml`: its column; "
            "`cloudevents`: its output."
        ),
    ] = ""
    actual: Annotated[
        str, Meta(min_length=1, description="`flat`: key of the label, what turned out true.")
    ] = "actual"
    actual_timestamp: Annotated[
        str,
        Meta(
            min_length=1,
            description="`flat`: key of the time when the label was known, by default that of the "
            "prediction.",
        ),
    ] = "actual_timestamp"
    tags: Annotated[
        tuple[str, ...], Meta(description="`flat`: keys whose values divide the rows, no features.")
    ] = ()
    ignored: Annotated[tuple[str, ...], Meta(description="`flat`: keys to leave out.")] = ()
    features: Annotated[
        tuple[str, ...],
        Meta(
            description="`flat`: keys of the features, by default all without another meaning; "
            "`cloudevents`: names for the elements of an instance or row, in their order."
        ),
    ] = ()
    columns_max: Annotated[
        int,
        Meta(
            ge=1,
            description="`cloudevents`: a row of more elements is one embedding, not a feature "
            "each.",
        ),
    ] = 256
    output: Annotated[
        str,
        Meta(description="`cloudevents`: the output that is the prediction; else the first."),
    ] = ""
    probabilities: Annotated[
        bool,
        Meta(
            description="`cloudevents`: a prediction of several numbers holds the probabilities of "
            "classes."
        ),
    ] = False
    wait_ns: Annotated[
        Duration,
        Meta(
            description="`cloudevents`: how long a request and its response wait for each other, "
            "in event time; what is joined later than `time.lateness` is late.",
            extra={"default_text": "half of `time.lateness`"},
        ),
    ] = LIKE_LATENESS
    schema_line: Annotated[
        dict[str, Any],
        Meta(
            description="`bentoml`: the monitor's schema line, for topics that no longer hold it."
        ),
    ] = field(default_factory=dict)

    def given(self) -> frozenset[str]:
        """Name the keys that are not as they are by default."""
        default = PredictionFields()
        changed = (name for name in self.__struct_fields__ if self._differs(default, name))
        return frozenset(name.removesuffix("_ns") for name in changed)

    def _differs(self, other: "PredictionFields", name: str) -> bool:
        return bool(getattr(self, name) != getattr(other, name))
