"""Sequential detectors by name: our own, and River's under their full names."""

from collections.abc import Callable
from typing import Any

from engine.drift.cusum import PageHinkley
from engine.drift.hddm import HddmA, HddmW
from engine.drift.kswin import KsWindow
from engine.drift.run_length import LevelDetector, RateDetector, SpreadDetector
from engine.drift.sequential import SequentialDetector
from engine.drift.sequential_river import RiverDetector

OWN: dict[str, Callable[..., SequentialDetector]] = {
    "rate": RateDetector,
    "level": LevelDetector,
    "spread": SpreadDetector,
    "ks_window": KsWindow,
    "page_hinkley": PageHinkley,
    "hddm_a": HddmA,
    "hddm_w": HddmW,
}


def sequential_detector(name: str, **parameters: Any) -> SequentialDetector:
    """Make a detector.

    Parameters
    ----------
    name : str
        A key of `OWN`, or a full name of River's, such as `river.drift.ADWIN`.
    **parameters
        Of its constructor.

    Raises
    ------
    ValueError
        If there is none of that name, or it does not take the parameters.
    """
    if name.startswith("river."):
        return RiverDetector(name, **parameters)
    if name not in OWN:
        raise ValueError(f"no sequential detector {name!r}; there are {', '.join(OWN)}, river.*")
    try:
        return OWN[name](**parameters)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from error
