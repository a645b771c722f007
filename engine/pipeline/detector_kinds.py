"""The detectors that a configuration can name: their parameters, and how they are made."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from engine.config.schema import DetectorConfig
from engine.detectors.calibrated import CalibratedDetector
from engine.detectors.default import DefaultScorer
from engine.detectors.ewma import EwmaDetector, EwmaParams
from engine.detectors.protocol import Detector

RIVER_PREFIX = "river."
"""What a detector's name begins with that is a model of River, by dotted name."""


class NoParams(msgspec.Struct, forbid_unknown_fields=True):
    """Of a detector that takes none."""


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
    """

    params: type[msgspec.Struct]
    make: Callable[[DetectorConfig, Any], Detector]
    joins: bool = True


def _calibrated(make_scorer: Callable[[Any], Any]) -> Callable[[DetectorConfig, Any], Detector]:
    def make(entry: DetectorConfig, params: Any) -> Detector:
        return CalibratedDetector(
            make_scorer(params), false_alarms_per_day=entry.false_alarms_per_day
        )

    return make


DETECTORS: Mapping[str, DetectorKind] = {
    "default": DetectorKind(NoParams, _calibrated(lambda _: DefaultScorer())),
    "ewma": DetectorKind(EwmaParams, lambda _, params: EwmaDetector(params), joins=False),
}
"""Detectors by the name that the configuration calls them."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with an entry, and at which of its keys."""

    key: str
    message: str


def mistake_in(entry: DetectorConfig) -> Mistake | None:
    """Say what is wrong with the name or the parameters of an entry."""
    if entry.use.startswith(RIVER_PREFIX):
        # River takes a second to import, so only those wait who use it.
        from engine.detectors.river_names import river_problem  # noqa: PLC0415

        problem = river_problem(entry.use, entry.params, is_entity=bool(entry.entity))
        return None if problem is None else Mistake("params", problem)
    kind = DETECTORS.get(entry.use)
    if kind is None:
        return Mistake("use", f"there is no detector {entry.use}; {_nearest(entry.use, DETECTORS)}")
    known = kind.params.__struct_fields__
    for name in entry.params:
        if name not in known:
            meant = _nearest(name, known) if known else "it takes none; leave `params` out"
            return Mistake("params", f"the detector {entry.use} has no parameter {name}; {meant}")
    try:
        msgspec.convert(entry.params, kind.params)
    except msgspec.ValidationError as error:
        return Mistake("params", f"the detector {entry.use}: {error}")
    if entry.entity and not kind.joins:
        return Mistake("entity", f"the detector {entry.use} makes no joint scores; leave it out")
    return None


def _nearest(name: str, known: Any) -> str:
    """Name what may have been meant."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"write {' or '.join(sorted(known))}"


def maker_of(entry: DetectorConfig) -> Callable[[], Detector]:
    """Give what makes the detector of an entry that has no mistake."""
    if entry.use.startswith(RIVER_PREFIX):
        from engine.detectors.river_model import RiverScorer  # noqa: PLC0415

        return lambda: CalibratedDetector(
            RiverScorer(entry.use, entry.params),
            false_alarms_per_day=entry.false_alarms_per_day,
        )
    kind = DETECTORS[entry.use]
    params = msgspec.convert(entry.params, kind.params)
    return lambda: kind.make(entry, params)
