"""Segments of a model's predictions: combinations of the values of some tags, by version."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import OTHER, Column, Kind
from engine.drift.version_rows import VersionRows

ALL = ""
"""Name of the segment that holds all rows of a version."""

NONE = "(none)"
"""Name of the segment of rows that have none of the configured tags."""

Place = tuple[str, str]
"""A version and the name of a segment."""


class Segments:
    """Numbers of segments, in the order in which event time met them.

    A segment's name is ``region=EU,env=prod``: the configured tags in their order, those that a row
    lacks left out; that of a row without any is `NONE`. Rows of a model without configured tags are
    all in the segment `ALL`.

    Parameters
    ----------
    tags : tuple of str
        Tags, or categorical features, whose values make segments.
    segments_max : int
        Of a version; rows of further ones are in segment ``(other)``.
    """

    def __init__(self, tags: tuple[str, ...], segments_max: int) -> None:
        self._tags = tags
        self._max = segments_max
        self._numbers: dict[Place, int] = {}
        self._places: list[Place] = []
        self._counts: dict[str, int] = {}
        # The first number of each version.
        self._first: dict[str, int] = {}

    @property
    def places(self) -> list[Place]:
        """Version and segment by number."""
        return self._places

    def numbers_of(self, rows: VersionRows) -> NDArray[np.int32]:
        """Give the segment of each row, int32[n]."""
        combined = np.zeros(len(rows), np.int64)
        columns = []
        for name in self._tags:
            for column in (rows.tags.get(name), rows.features.get(name)):
                if column is None or column.kind not in (Kind.CATEGORICAL, Kind.BOOLEAN):
                    continue
                columns.append((name, column))
                _, codes = np.unique(column.values, return_inverse=True)
                _, combined = np.unique(
                    combined * (int(codes.max(initial=0)) + 1) + codes, return_inverse=True
                )
        _, first, which = np.unique(combined, return_index=True, return_inverse=True)
        number = np.empty(len(first), np.int32)
        for place in np.argsort(first).tolist():
            number[place] = self.number_of(rows.version, self._name(columns, int(first[place])))
        return number[which]

    def number_of(self, version: str, segment: str) -> int:
        """Give the number of a segment by its name, or of the rest's if there are too many."""
        place = version, segment
        if place not in self._numbers and self._counts.get(version, 0) >= self._max:
            place = version, OTHER
        return self._numbers[place] if place in self._numbers else self._add(place)

    def group_of(self, segment: int) -> int:
        """Give the number under which all segments of a version are told together, below -1."""
        return -2 - self._first[self._places[segment][0]]

    def members(self, group: int) -> list[int]:
        """Give the segments that are told together."""
        version = self.version_of(group)
        return [number for number, place in enumerate(self._places) if place[0] == version]

    def version_of(self, group: int) -> str:
        """Give the version that a group is."""
        return self._places[-2 - group][0]

    def state(self) -> list[Place]:
        """Give all of it as plain values."""
        return list(self._places)

    def used(self) -> dict[str, int]:
        """Segments by version that count against the most there may be, as plain values."""
        return dict(self._counts)

    def restore(
        self,
        state: list[tuple[str, str]],
        tags: Sequence[str] | None = None,
        used: Mapping[str, int] | None = None,
    ) -> None:
        """Take over what `state` and `used` gave, of some tags; with other ones numbers stay."""
        for version, segment in state:
            self._add((version, segment))
        if tags is not None and tuple(tags) != self._tags:
            self._counts.clear()  # there is room for the segments that these tags make
        elif used is not None:
            self._counts = dict(used)

    def _name(self, columns: list[tuple[str, Column]], row: int) -> str:
        values: dict[str, str] = {}
        for name, column in columns:
            value = _value(column, int(column.values[row]))
            if value is not None:  # a row's tag comes before its feature
                values.setdefault(name, value)
        parts = [f"{name}={value}" for name, value in values.items()]
        return ",".join(parts) or (NONE if self._tags else ALL)

    def _add(self, place: Place) -> int:
        number = self._numbers[place] = len(self._places)
        self._places.append(place)
        self._first.setdefault(place[0], number)
        self._counts[place[0]] = self._counts.get(place[0], 0) + 1
        return number


def _value(column: Column, code: int) -> str | None:
    if code < 0:
        return None
    return column.names[code] if column.kind is Kind.CATEGORICAL else str(bool(code)).lower()
