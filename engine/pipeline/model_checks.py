"""Checks the models of a configuration: names of methods and detectors, reference files."""

from collections.abc import Callable

from engine.config.models import ModelConfig
from engine.config.schema import Config
from engine.drift.compare import check_methods
from engine.drift.model_reference import AnyReference, reference_of
from engine.drift.sequential_names import sequential_detector
from engine.drift.window_comparison import methods_of
from engine.errors import Problem, UsageError

Places = Callable[[str, int | str, int | str], tuple[str, int, int]]
"""Finds a section's entry's value in the file."""


def mistakes_in_models(config: Config, places: Places) -> list[Problem]:
    """Find names in `models` that nothing has."""
    problems = []
    for number, entry in enumerate(config.models):
        for key, check in (("methods", _check_methods), ("sequential", _check_sequential)):
            try:
                check(entry)
            except (UsageError, ValueError) as error:
                problems.append(Problem(*places("models", number, key), str(error)))
        if entry.interval_ns > config.rules.lookback_ns:
            message = "rules would lose sight of the model's series; at most `rules.lookback`"
            problems.append(Problem(*places("models", number, "interval"), message))
    return problems


def read_references(
    config: Config, places: Places
) -> tuple[dict[str, AnyReference], list[Problem]]:
    """Read the reference files of all models; what can't be used is a problem."""
    references: dict[str, AnyReference] = {}
    problems = []
    for number, entry in enumerate(config.models):
        if entry.reference.kind != "file":
            continue
        try:
            references[entry.model] = reference_of(config.beside(entry.reference.path), entry)
        except UsageError as error:
            problems.append(Problem(*places("models", number, "reference"), str(error)))
    return references, problems


def _check_methods(entry: ModelConfig) -> None:
    check_methods(methods_of(entry))


def _check_sequential(entry: ModelConfig) -> None:
    for detector in entry.sequential:
        sequential_detector(detector.use, **detector.params)
