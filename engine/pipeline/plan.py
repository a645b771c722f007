"""The plan of a flow: what its configuration means, resolved and checked, shared by all parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil, sqrt

from engine.config.schema import Config, LimitsConfig
from engine.detectors.protocol import Detector
from engine.drift.model_gauges import MODEL_SERIES
from engine.drift.model_reference import AnyReference
from engine.pipeline.entity_judges import EntityJudge
from engine.promql.selector import Selector
from engine.rules.lane import RuleLane
from engine.rules.plan import RulesPlan
from engine.series.identity import Series, fingerprint_of

ANOMALY_RATE = "anomaly_rate"
ENTITY_DEVIATION = "entity_deviation"
ENGINE_MADE = frozenset({ANOMALY_RATE, ENTITY_DEVIATION}) | MODEL_SERIES
"""Names of series that the engine makes and rules read as others; no detector watches them."""

MODEL_SHARDS = 4
"""Parts that models are spread over."""

Labels = tuple[tuple[str, str], ...]


def series_max(limit: int, shards: int) -> int:
    """A shard's part of the limit, with room for the chance of hashing (four deviations)."""
    mean = limit / shards
    return limit if shards == 1 else ceil(mean + 4 * sqrt(mean))


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One entry of the configuration's `detectors`.

    `identity` names it with all its parameters: another one restarts the detector's warm-up.
    `entity` are the labels whose values name the entity that a series belongs to, if any;
    `make_judge` makes what judges its series together; where `is_joint_only`, they are not judged
    one by one.
    """

    number: int
    name: str
    identity: str
    match: str
    selector: Selector
    make: Callable[[], Detector]
    lookback_ns: int | None
    false_alarms_per_day: float
    entity: tuple[str, ...] = ()
    make_judge: Callable[[], EntityJudge] | None = None
    is_joint_only: bool = False


@dataclass(frozen=True, kw_only=True)
class FlowPlan:
    """Everything that the parts of a flow need to know.

    Attributes
    ----------
    partitions : tuple of str
        Keys of all source partitions, and behind them those of the models' series if any source
        gives documents; a partition's number is its place here.
    documents : frozenset of int
        Numbers of the partitions that give predictions and labels: series shards do not hear of
        these, but of the models that they feed.
    references : mapping of str to AnyReference
        Reference files by model.
    emit : str
        Which scores to write: anomalous, all or none.
    """

    config: Config
    partitions: tuple[str, ...]
    shards: int
    detectors: tuple[DetectorSpec, ...]
    rules: RulesPlan
    lookback_ns: int
    limits: LimitsConfig
    emit: str
    documents: frozenset[int] = frozenset()
    references: Mapping[str, AnyReference] = field(default_factory=dict)

    def partition_of_models(self, shard: int) -> int:
        """Number of the partition that a model shard's series come from."""
        return len(self.partitions) - MODEL_SHARDS + shard

    def is_of_models(self, partition: int) -> bool:
        """Whether a partition is one of those that models' series come from."""
        return bool(self.documents) and partition >= self.partition_of_models(0)

    def make_lane(self, number: int) -> RuleLane:
        """Make a rule lane."""
        return RuleLane(
            number,
            self.rules,
            shards=self.shards,
            alerts_max=self.limits.alerts,
            series_max=self.limits.series,
            samples_max=self.limits.window_samples,
            lookback_ns=self.lookback_ns,
        )

    @property
    def detector_names(self) -> tuple[str, ...]:
        """The detectors' names, each once, in the order of the configuration."""
        return tuple(dict.fromkeys(spec.name for spec in self.detectors))

    def number_of(self, detector: str) -> int:
        """What verdicts call a detector, see `engine.codecs.verdicts`."""
        return 1 + self.detector_names.index(detector)

    @property
    def placement(self) -> str:
        """What decides which series live together, as text; empty where none do."""
        return "; ".join(
            f"[{', '.join(spec.entity)}] of {spec.match}" for spec in self.detectors if spec.entity
        )

    @property
    def has_entities(self) -> bool:
        """Whether series live together with the others of their entity."""
        return any(spec.entity for spec in self.detectors)

    def entity_of(self, series: Series) -> Labels | None:
        """Labels of the entity that a series lives with.

        It is that of the first matching detector with an entity whose labels the series has.
        """
        labels = dict(series.labels)
        for spec in self.detectors:
            has_all = all(name in labels for name in spec.entity)
            if spec.entity and has_all and spec.selector.matches(series.name, labels):
                return tuple((name, labels[name]) for name in spec.entity)
        return None

    def place_of(self, series: Series) -> int | None:
        """Fingerprint of a series' entity, which decides its shard."""
        if series.name in ENGINE_MADE or not self.has_entities:
            return None
        entity = self.entity_of(series)
        return None if entity is None else fingerprint_of(entity)

    def detectors_of(self, series: Series) -> int:
        """Which detectors watch a series: bit i for the i-th; one of each name at the most."""
        if series.name in ENGINE_MADE:
            return 0
        labels = dict(series.labels)
        names: set[str] = set()
        bits = 0
        for spec in self.detectors:
            if spec.name not in names and spec.selector.matches(series.name, labels):
                names.add(spec.name)
                bits |= 1 << spec.number
        return bits
