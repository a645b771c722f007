"""River's drift detectors by name: their parameters checked, mistakes said in a sentence."""

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np

from engine.detectors.river_names import SEED, check_names, said
from engine.drift.sequential_names import sequential_detector
from engine.drift.sequential_river import NAMES
from engine.errors import UsageError

DRIFT_PREFIX: Final = "river.drift."
"""What a detector's name begins with that is one of these."""

FULL_NAMES: Final = {name: f"{module}.{name}" for name, (module, _) in NAMES.items()}
"""Dotted names by their last part."""

_TRIAL: Final = (np.arange(200) % 2).astype(float)
"""Values that all of them take, enough to fill a usual window: constructors check little."""


def drift_parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """Parameters of a detector's constructor.

    Raises
    ------
    UsageError
        If River has no such detector.
    """
    last = name.rpartition(".")[2]
    if FULL_NAMES.get(last) != name:
        nearest = difflib.get_close_matches(last, FULL_NAMES, 1)
        what = FULL_NAMES[nearest[0]] if nearest else " or ".join(FULL_NAMES.values())
        raise UsageError(f"there is no drift detector {name}; did you mean {what}?")
    module, made = NAMES[last]
    return inspect.signature(getattr(import_module(module), made)).parameters


def drift_problem(name: str, params: Mapping[str, Any]) -> str | None:
    """Say in one sentence what is wrong with a drift detector of River's; None: nothing."""
    try:
        check_names(name, drift_parameters(name), params, ())
        detector = sequential_detector(name, **params)
    except (UsageError, ValueError) as error:
        return str(error)
    try:
        detector.update(_TRIAL)
        detector.snapshot()
    except Exception as error:  # noqa: BLE001  (River may raise what it likes)
        return f"{name} can't take a sample: {said(error)}"
    return None


def seeded(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters with a fixed seed where one is taken and none given: all series begin alike."""
    takes_seed = "seed" in drift_parameters(name) and params.get("seed") is None
    return {**params, "seed": SEED} if takes_seed else dict(params)
