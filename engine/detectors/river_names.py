"""River's models by name: made of the configuration's parameters, mistakes said in a sentence.

A model is written as its class and the parameters of its constructor; what is itself an object of
River is written the same way, and a constructor's ``*steps`` is a list::

    use: river.compose.Pipeline
    params:
      steps:
        - use: river.preprocessing.MinMaxScaler
        - use: river.anomaly.HalfSpaceTrees
          params: {n_trees: 25, height: 8}

River is imported when a model is first asked for: that takes a second or so, mostly SciPy's.
"""

import difflib
import inspect
import pickle
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, Final, TypeVar

import msgspec

from engine.errors import UsageError

SEED: Final = 42
"""Of every constructor that takes a `seed` and is given none: all series begin alike."""

_OFFERED: Final = ("river.anomaly", "river.compose", "river.preprocessing")
"""Modules whose names are proposed for an unknown one."""

_DOTTED: Final = re.compile(r"river(\.[A-Za-z]\w*)+")
_DETAIL_CHARACTERS: Final = 200
_TRIAL: Final = (0.25, 0.5, 0.75)


class SeriesOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that are the adapter's own, for a model of a series.

    Attributes
    ----------
    warm_up : int
        Samples that a model learns before its scores count. A model that can't score until it has
        learned more (a forecaster with a long season) needs a longer one.
    lags : int
        Samples before the scored one that are features, too.
    """

    warm_up: Annotated[int, msgspec.Meta(ge=0)] = 128
    lags: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0


class EntityOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that are the adapter's own, for a model of an entity.

    Attributes
    ----------
    warm_up : int
        Instants that a model learns before its scores count.
    target : str or None
        The feature that a supervised model judges, given the others; such a model needs one.
    """

    warm_up: Annotated[int, msgspec.Meta(ge=0)] = 128
    target: str | None = None


Options = SeriesOptions | EntityOptions
_O = TypeVar("_O", SeriesOptions, EntityOptions)


def split_params(name: str, params: Mapping[str, Any], kind: type[_O]) -> tuple[_O, dict[str, Any]]:
    """Tell the adapter's options and the constructor's parameters apart.

    Raises
    ------
    UsageError
        If an option is not of its type.
    """
    own = set(kind.__struct_fields__)
    try:
        options = msgspec.convert({key: params[key] for key in own & params.keys()}, kind)
    except msgspec.ValidationError as error:
        raise UsageError(f"{name}: {error}") from None
    return options, {key: value for key, value in params.items() if key not in own}


def said(error: Exception) -> str:
    """An exception's class and message, cut where it is long."""
    return f"{type(error).__name__}: {error}"[:_DETAIL_CHARACTERS]


def make_model(name: str, params: Mapping[str, Any], *, beside: Sequence[str] = ()) -> Any:
    """Make an object of River.

    Parameters
    ----------
    name : str
        Dotted, of a class under ``river.``.
    params : mapping
        Of its constructor; see the module's text.
    beside : sequence of str
        What else could have been among the parameters, to be named where one is unknown.

    Raises
    ------
    UsageError
        If there is no such class or parameter, or the constructor refuses.
    """
    made = _class_of(name)
    signature = inspect.signature(made).parameters
    check_names(name, signature, params, beside)
    given = {key: _built(value) for key, value in params.items()}
    if "seed" in signature and given.get("seed") is None:
        given["seed"] = SEED
    spread: list[Any] = []
    for key, parameter in signature.items():
        if parameter.kind is parameter.VAR_POSITIONAL and key in given:
            spread = given.pop(key)
            if not isinstance(spread, list):
                raise UsageError(f"{name}: {key} is a list")
    try:
        return made(*spread, **given)
    except Exception as error:
        raise UsageError(f"{name} can't be made: {said(error)}") from error


def takes_target(model: Any) -> bool:
    """Whether a model judges a target, given features, instead of the features."""
    return "y" in inspect.signature(_nested(model)[-1].score_one).parameters


def river_problem(name: str, params: Mapping[str, Any], *, is_entity: bool = False) -> str | None:
    """Say in one sentence what is wrong with a model of the configuration; None: nothing.

    Parameters
    ----------
    name : str
        What ``use`` says.
    params : mapping
        The constructor's parameters and, beside them, the adapter's own: `SeriesOptions` or
        `EntityOptions`.
    is_entity : bool
        Whether the model is to judge entities instead of series.
    """
    options: Options
    try:
        if is_entity:
            options, given = split_params(name, params, EntityOptions)
        else:
            options, given = split_params(name, params, SeriesOptions)
        model = make_model(name, given, beside=options.__struct_fields__)
        _check_scores(name, model)
        if isinstance(options, EntityOptions):
            _check_target(name, model, options.target)
        else:
            _try(name, model, options.lags)
        pickle.dumps(model)
    except UsageError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  (pickling raises what it likes)
        return f"{name} can't be saved at a checkpoint: {said(error)}"
    return None


def _module(name: str) -> ModuleType | None:
    """A module of River, None if there is none; others' are never imported."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            return None
        raise UsageError(f"{name} can't be imported: {error}") from error
    except ImportError as error:
        raise UsageError(f"{name} can't be imported: {error}") from error


def _class(module: str, name: str) -> Any:
    return getattr(import_module(f"river.{module}"), name)


def _class_of(name: str) -> Any:
    """The class of a dotted name; what River itself has imported from elsewhere is refused."""
    if _DOTTED.fullmatch(name):
        path, _, attribute = name.rpartition(".")
        found = getattr(_module(path), attribute, None)
        if inspect.isclass(found) and found.__module__.startswith("river."):
            if inspect.isabstract(found):
                raise UsageError(f"{name} is abstract: name a class that is made of it")
            return found
        what = f"River has no class {name}"
    else:
        what = f"{name} is no dotted name under river"
    # By the last part, for the others are much alike.
    offered = _offered()
    nearest = difflib.get_close_matches(name.rpartition(".")[2], offered, 1)
    raise UsageError(f"{what}; did you mean {offered[nearest[0]]}?" if nearest else what)


def _offered() -> dict[str, str]:
    """Dotted names by their last part."""
    return {name: f"{path}.{name}" for path in _OFFERED for name in import_module(path).__all__}


def check_names(
    name: str,
    signature: Mapping[str, inspect.Parameter],
    params: Mapping[str, Any],
    beside: Sequence[str],
) -> None:
    """Refuse parameters that a constructor has not, and miss those it needs."""
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values()):
        return
    known = [*signature, *beside]
    takes = f"takes {', '.join(known)}" if known else "takes none"
    for key in params:
        if key not in signature:
            nearest = difflib.get_close_matches(key, known, 1)
            then = f"; did you mean {nearest[0]}? It" if nearest else "; it"
            raise UsageError(f"{name} has no parameter {key}{then} {takes}")
    for key, parameter in signature.items():
        optional = parameter.default is not parameter.empty
        if not optional and parameter.kind is not parameter.VAR_POSITIONAL and key not in params:
            raise UsageError(f"{name} needs the parameter {key}; it {takes}")


def _built(value: Any) -> Any:
    """A parameter's value, new for each model: an object of River, a list, a mapping or plain."""
    if isinstance(value, Mapping):
        if "use" not in value:
            return {key: _built(item) for key, item in value.items()}
        if others := value.keys() - {"use", "params"}:
            raise UsageError(f"beside use there can be params, not {', '.join(sorted(others))}")
        params = value.get("params") or {}
        if not isinstance(params, Mapping):
            raise UsageError(f"params of {value['use']} are a mapping of names to values")
        return make_model(str(value["use"]), params)
    if isinstance(value, list | tuple):
        return [_built(item) for item in value]
    return value


def _nested(model: Any) -> list[Any]:
    """A model, what its last step or its filter holds, and so on to the detector itself."""
    pipeline, anomaly_filter = _class("compose", "Pipeline"), _class("base", "AnomalyFilter")
    nested = [model]
    while True:
        outer = nested[-1]
        # Pipelines first: River takes one for an instance of what its last step is one of.
        if isinstance(outer, pipeline):
            if not outer.steps:
                return nested
            nested.append(next(reversed(outer.steps.values())))
        elif isinstance(outer, anomaly_filter):
            nested.append(outer.anomaly_detector)
        else:
            return nested


def _check_scores(name: str, model: Any) -> None:
    """Refuse what can't score."""
    pipeline = _class("compose", "Pipeline")
    *outer, detector = _nested(model)
    kind = type(detector).__name__
    if isinstance(detector, pipeline):
        raise UsageError(f"{name}: a pipeline has no steps")
    if not hasattr(detector, "score_one") or not hasattr(detector, "learn_one"):
        raise UsageError(f"{name} is no anomaly detector: {kind} has no score_one")
    if outer and isinstance(outer[-1], pipeline) and takes_target(model):
        raise UsageError(f"{name}: a pipeline gives no target to {kind}, which needs one")


def _check_target(name: str, model: Any, target: str | None) -> None:
    """A supervised model needs a target, another has no use for one."""
    if takes_target(model) and target is None:
        raise UsageError(f"{name} judges one metric, given the others: name it with target")
    if not takes_target(model) and target is not None:
        raise UsageError(f"{name} judges all metrics alike: leave target out")


def _try(name: str, model: Any, lags: int) -> None:
    """Let a model learn a few samples: constructors check little."""
    features = {f"lag_{lag}": _TRIAL[0] for lag in range(1, lags + 1)}
    supervised = takes_target(model)
    for value in _TRIAL:
        try:
            if supervised:
                model.learn_one(features, value)
            else:
                model.learn_one({"value": value, **features})
        except Exception as error:
            raise UsageError(f"{name} can't learn a sample: {said(error)}") from error
