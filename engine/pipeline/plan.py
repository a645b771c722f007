"""The plan of a flow: what its configuration means, resolved and checked, shared by all parts."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.config.schema import Config, LimitsConfig
from engine.detectors.protocol import Detector
from engine.promql.selector import Selector
from engine.rules.lane import RuleLane
from engine.rules.plan import RulesPlan
from engine.series.identity import Series


@dataclass(frozen=True, kw_only=True)
class DetectorSpec:
    """One entry of the configuration's `detectors`.

    `identity` names it with all its parameters: another one restarts the detector's warm-up.
    """

    number: int
    name: str
    identity: str
    selector: Selector
    make: Callable[[], Detector]
    lookback_ns: int | None


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

    def detectors_of(self, series: Series) -> int:
        """Which detectors watch a series: bit i for the i-th; one of each name at the most."""
        labels = dict(series.labels)
        names: set[str] = set()
        bits = 0
        for spec in self.detectors:
            if spec.name not in names and spec.selector.matches(series.name, labels):
                names.add(spec.name)
                bits |= 1 << spec.number
        return bits
