"""The detectors that a configuration can name: their parameters, and how they are made."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import msgspec.structs

from engine.config.durations import SECOND_NS
from engine.config.schema import DetectorConfig
from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.change_point import ChangePointParams, ChangePointScorer
from engine.detectors.default import DefaultParams, DefaultScorer
from engine.detectors.ewma import EwmaDetector, EwmaParams
from engine.detectors.half_space_trees import HalfSpaceTreesParams, HalfSpaceTreesScorer
from engine.detectors.protocol import Detector
from engine.detectors.river_drift import DRIFT_PREFIX, FULL_NAMES, drift_problem
from engine.detectors.robust_z import RobustZParams, RobustZScorer
from engine.detectors.sequential_params import SEQUENTIAL_PARAMS
from engine.detectors.sequential_series import SequentialSeries
from engine.detectors.siblings import SiblingScorer
from engine.pipeline.entity_judges import EntityJudge, JointJudge, RiverJudgeOfEntities
from engine.pipeline.plan import series_max

RIVER_PREFIX = "river."
"""What a detector's name begins with that is a model of River, by dotted name."""


class PeersParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `peers`.

    Attributes
    ----------
    recent_s : float
        How long a sibling's latest value takes part.
    """

    recent_s: Annotated[float, msgspec.Meta(gt=0)] = 300.0

    @property
    def recent_ns(self) -> int:
        """The same in nanoseconds."""
        return int(self.recent_s * SECOND_NS)


@dataclass(frozen=True, slots=True)
class DetectorKind:
    """A detector of ours.

    Attributes
    ----------
    params : type
        What parameters it takes.
    make : callable
        Makes it of an entry and its parameters.
    joins : bool
        Whether it says how far samples deviate, which joint scores of entities are made of.
    needs_entity : bool
        Whether it compares the series of an entity.
    of_shard : callable
        The parameters in one of so many shards.
    """

    params: type[msgspec.Struct]
    make: Callable[[DetectorConfig, Any], Detector]
    joins: bool = True
    needs_entity: bool = False
    of_shard: Callable[[Any, int], Any] = lambda params, _: params


def _calibrated(make_scorer: Callable[[Any], Any]) -> Callable[[DetectorConfig, Any], Detector]:
    def make(entry: DetectorConfig, params: Any) -> Detector:
        return CalibratedDetector(
            make_scorer(params), false_alarms_per_day=entry.false_alarms_per_day
        )

    return make


def _sequential(name: str, params: type[msgspec.Struct]) -> DetectorKind:
    return DetectorKind(
        params,
        lambda _, given: SequentialSeries(name, msgspec.structs.asdict(given)),
        joins=False,
    )


DETECTORS: Mapping[str, DetectorKind] = {
    "default": DetectorKind(
        DefaultParams,
        _calibrated(DefaultScorer),
        of_shard=lambda params, shards: msgspec.structs.replace(
            params, weekly_series=series_max(params.weekly_series, shards)
        ),
    ),
    "robust_z": DetectorKind(RobustZParams, _calibrated(RobustZScorer)),
    "change_point": DetectorKind(ChangePointParams, _calibrated(ChangePointScorer)),
    "half_space_trees": DetectorKind(
        HalfSpaceTreesParams, _calibrated(HalfSpaceTreesScorer), joins=False
    ),
    "peers": DetectorKind(
        PeersParams,
        _calibrated(lambda params: SiblingScorer(params.recent_ns)),
        joins=False,
        needs_entity=True,
    ),
    "ewma": DetectorKind(EwmaParams, lambda _, params: EwmaDetector(params), joins=False),
    **{name: _sequential(name, params) for name, params in SEQUENTIAL_PARAMS.items()},
}
"""Detectors by the name that the configuration calls them."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with an entry, and at which of its keys."""

    key: str
    message: str


def mistake_in(entry: DetectorConfig) -> Mistake | None:
    """Say what is wrong with the name or the parameters of an entry."""
    if entry.use.startswith(DRIFT_PREFIX):
        return _drift_mistake(entry)
    if entry.use.startswith(RIVER_PREFIX):
        # River takes a second to import, so only those wait who use it.
        from engine.detectors.river_names import river_problem  # noqa: PLC0415

        problem = river_problem(entry.use, entry.params, is_entity=bool(entry.entity))
        key = "params" if entry.params else "use"
        return None if problem is None else Mistake(key, problem)
    kind = DETECTORS.get(entry.use)
    if kind is None:
        meant = _nearest(entry.use, DETECTORS)
        upper = {name.upper(): full for name, full in FULL_NAMES.items()}
        if entry.use.upper() in upper:
            meant = f"did you mean {upper[entry.use.upper()]}?"
        return Mistake("use", f"there is no detector {entry.use}; {meant}")
    known = kind.params.__struct_fields__
    for name in entry.params:
        if name not in known:
            meant = _nearest(name, known) if known else "it takes none; leave `params` out"
            return Mistake("params", f"the detector {entry.use} has no parameter {name}; {meant}")
    try:
        msgspec.convert(entry.params, kind.params)
    except msgspec.ValidationError as error:
        return Mistake("params", f"the detector {entry.use}: {error}")
    if kind.needs_entity and not entry.entity:
        what = "`entity` must name the labels that siblings share, such as [job]"
        return Mistake("use", f"the detector {entry.use}: {what}")
    if entry.entity and not kind.joins and not kind.needs_entity:
        return _no_joint_scores(entry)
    return None


def _drift_mistake(entry: DetectorConfig) -> Mistake | None:
    """Say what is wrong with an entry that names a drift detector of River's."""
    problem = drift_problem(entry.use, entry.params)
    if problem is not None:
        is_known = entry.use in FULL_NAMES.values()
        return Mistake("params" if is_known and entry.params else "use", problem)
    return _no_joint_scores(entry) if entry.entity else None


def _no_joint_scores(entry: DetectorConfig) -> Mistake:
    return Mistake("entity", f"the detector {entry.use} makes no joint scores; leave it out")


def judge_of(entry: DetectorConfig) -> Callable[[], EntityJudge] | None:
    """Give what makes the judge of an entry's entities, if it has any."""
    if not entry.entity:
        return None
    if entry.use.startswith(RIVER_PREFIX):
        return lambda: RiverJudgeOfEntities(entry.use, entry.params)
    return JointJudge if DETECTORS[entry.use].joins else None


def is_joint_only(entry: DetectorConfig) -> bool:
    """Whether the series of an entry's entities are not judged one by one."""
    return bool(entry.entity) and entry.use.startswith(RIVER_PREFIX)


def _nearest(name: str, known: Any) -> str:
    """Name what may have been meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"write {' or '.join(sorted(known))}"


def maker_of(entry: DetectorConfig, shards: int) -> Callable[[], Detector]:
    """Give what makes the detector of an entry that has no mistake, for one of the shards."""
    if is_joint_only(entry):
        return lambda: EwmaDetector(EwmaParams())  # never asked
    if entry.use.startswith(DRIFT_PREFIX):
        return lambda: SequentialSeries(entry.use, entry.params)
    if entry.use.startswith(RIVER_PREFIX):
        from engine.detectors.river_model import RiverScorer  # noqa: PLC0415

        return lambda: CalibratedDetector(
            RiverScorer(entry.use, entry.params),
            false_alarms_per_day=entry.false_alarms_per_day,
        )
    kind = DETECTORS[entry.use]
    params = kind.of_shard(msgspec.convert(entry.params, kind.params), shards)
    return lambda: kind.make(entry, params)
