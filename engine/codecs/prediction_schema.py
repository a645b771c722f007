"""What a model's features are: learned from their first values, versioned, kept with the state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from engine.codecs.predictions import OTHER, Kind, PredictionLimits

NULL_TEXTS = frozenset({"NaN", "nan"})
"""Texts that stand for null in any feature: JSON has no number for it."""

_NULL = -1


class CategoryCodes(dict[Any, int]):
    """Codes of categories, in the order of their first values; those beyond a bound share one.

    Parameters
    ----------
    categories : iterable of str
        Those known already.
    limit : int
        How many have a code of their own.
    """

    def __init__(self, categories: Iterable[str], limit: int) -> None:
        super().__init__((name, code) for code, name in enumerate(categories))
        self.limit = limit
        self.overflowed = False
        self._names: tuple[str, ...] | None = None
        # Looked up like a category, so that encoding is one look-up a value.
        self[None] = _NULL
        for text in NULL_TEXTS:
            self[text] = _NULL

    def __missing__(self, category: str) -> int:
        return self.limit

    @property
    def size(self) -> int:
        """How many categories have a code of their own."""
        return len(self) - 1 - len(NULL_TEXTS)

    @property
    def names(self) -> tuple[str, ...]:
        """The category of each code."""
        if self._names is None:
            known = (name for name, code in self.items() if code != _NULL)
            self._names = (*known, OTHER) if self.overflowed else tuple(known)
        return self._names

    def learn(self, category: str) -> None:
        """Give a code to a category that has none."""
        if self.size < self.limit:
            self[category] = self.size
            self._names = None
        elif not self.overflowed:
            self.overflowed = True
            self._names = None


@dataclass(slots=True)
class Feature:
    """One feature of a schema.

    Attributes
    ----------
    kind : Kind
    codes : CategoryCodes
        Of a categorical one.
    dimensions : int
        Of an embedding.
    long_categories : int
        Categories that are long enough to be text.
    declared : bool
        The kind is given, not learned: numbers and truth values may be categories too.
    """

    kind: Kind
    codes: CategoryCodes
    dimensions: int = 0
    long_categories: int = 0
    declared: bool = False

    def becomes_text(self, category: str, limits: PredictionLimits) -> bool:
        """Count a new category; tell whether it shows that the feature is text."""
        if self.declared:
            return False
        if self.codes.size < self.codes.limit:  # beyond, the same one would count many times
            self.long_categories += len(category) > limits.text_characters
        return (
            len(category) > limits.category_characters
            or self.long_categories > limits.text_distinct
        )

    def become_text(self) -> None:
        """Forget the categories."""
        self.kind = Kind.TEXT
        self.codes = CategoryCodes((), self.codes.limit)


def kind_of(value: Any) -> Kind | None:
    """Tell what a feature is by its first value; None if the value can't be one."""
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int | float):
        return Kind.NUMERIC
    if isinstance(value, str):
        return Kind.CATEGORICAL
    return Kind.EMBEDDING if isinstance(value, list) and is_vector(value) else None


def is_vector(value: Sequence[Any]) -> bool:
    """Tell whether an array holds numbers and nothing else."""
    return bool(value) and set(map(type, value)) <= {int, float}


@dataclass(slots=True)
class PredictionSchema:
    """The features of one model, of all its versions.

    Attributes
    ----------
    limits : PredictionLimits
    version : int
        Counts the rows that changed the schema: 1 after the first row with features.
    features, tags : dict of str to Feature
        By name, in the order of their first values.
    target : Feature or None
        What predictions and labels are, once there was one; both have the same codes.
    """

    limits: PredictionLimits
    version: int = 0
    features: dict[str, Feature] = field(default_factory=dict)
    tags: dict[str, Feature] = field(default_factory=dict)
    target: Feature | None = None

    @classmethod
    def declared(cls, kinds: Mapping[str, Kind], limits: PredictionLimits) -> Self:
        """Make a schema of features that are known beforehand; it has version 1 if there are any.

        An embedding's dimensions are those of its first vector.
        """
        schema = cls(limits, version=1 if kinds else 0)
        for name, kind in kinds.items():
            schema.features[name] = schema.feature(kind)
            schema.features[name].declared = True
        return schema

    def feature(self, kind: Kind) -> Feature:
        """Make a feature that is not part of the schema yet."""
        return Feature(kind, CategoryCodes((), self.limits.categories))

    def state(self) -> dict[str, Any]:
        """Give what a checkpoint keeps, as JSON values."""
        return {
            "version": self.version,
            "features": {name: _state(feature) for name, feature in self.features.items()},
            "tags": {name: _state(feature) for name, feature in self.tags.items()},
            "target": self.target and _state(self.target),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any], limits: PredictionLimits) -> Self:
        """Make the schema that a checkpoint has kept."""
        return cls(
            limits,
            state["version"],
            {name: _feature(kept, limits) for name, kept in state["features"].items()},
            {name: _feature(kept, limits) for name, kept in state["tags"].items()},
            _feature(state["target"], limits) if state["target"] else None,
        )


def _state(feature: Feature) -> dict[str, Any]:
    codes = feature.codes
    return {
        "kind": feature.kind.value,
        "categories": list(codes.names[: codes.size]),
        "overflowed": codes.overflowed,
        "dimensions": feature.dimensions,
        "long_categories": feature.long_categories,
        "declared": feature.declared,
    }


def _feature(state: Mapping[str, Any], limits: PredictionLimits) -> Feature:
    # Codes that were given stay, also where the limit is lower now.
    codes = CategoryCodes(state["categories"], max(limits.categories, len(state["categories"])))
    codes.overflowed = state["overflowed"]
    if codes.overflowed:  # the code of all others has been given too
        codes.limit = len(state["categories"])
    return Feature(
        Kind(state["kind"]),
        codes,
        state["dimensions"],
        state["long_categories"],
        state["declared"],
    )
