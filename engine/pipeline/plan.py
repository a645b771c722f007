"""The plan of a flow: what its configuration means, resolved and checked, shared by all parts."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.config.schema import Config, LimitsConfig
from engine.detectors.protocol import Detector
from engine.promql.selector import Selector
from engine.rules.lane import RuleLane
from engine.rules.plan import RulesPlan
from engine.series.identity import Series, fingerprint_of

ANOMALY_RATE = "anomaly_rate"
ENTITY_DEVIATION = "entity_deviation"
ENGINE_MADE = frozenset({ANOMALY_RATE, ENTITY_DEVIATION})
"""Names of series that are made for each entity; detectors do not watch series called so."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One entry of the configuration's `detectors`.

    `identity` names it with all its parameters: another one restarts the detector's warm-up.
    `entity` are the labels whose values name the entity that a series belongs to, if any.
    """

    number: int
    name: str
    identity: str
    selector: Selector
    make: Callable[[], Detector]
    lookback_ns: int | None
    entity: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FlowPlan:
    """Everything that the parts of a flow need to know.

    Attributes
    ----------
    partitions : tuple of str
        Keys of all source partitions; a partition's number is its place here.
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
    def has_entities(self) -> bool:
        """Whether series live together with the others of their entity."""
        return any(spec.entity for spec in self.detectors)

    def entity_of(self, series: Series) -> Labels | None:
        """Labels of the entity that a series lives with: the first matching detector's that has
        one; None if there is none or a label of it is missing."""
        labels = dict(series.labels)
        for spec in self.detectors:
            if spec.entity and all(name in labels for name in spec.entity):
                if series.name not in ENGINE_MADE and spec.selector.matches(series.name, labels):
                    return tuple((name, labels[name]) for name in spec.entity)
        return None

    def place_of(self, series: Series) -> int | None:
        """Fingerprint of a series' entity, which decides its shard."""
        entity = self.entity_of(series) if self.has_entities else None
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
