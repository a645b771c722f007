"""How a version's rows are counted and compared: in bins or exactly, and all features together."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.config.models import ModelConfig
from engine.drift.compare import DEFAULT_METHODS, Methods, compare
from engine.drift.exact import ExactReference
from engine.drift.exact_window import ExactWindow
from engine.drift.findings import FeatureDrift
from engine.drift.grid import Grid
from engine.drift.multivariate import Multivariate
from engine.drift.panes import Arrays, Counted, part
from engine.drift.summary import Summary
from engine.drift.together import Together
from engine.drift.vocabulary import has_values

DETAIL_P = 0.01
"""Below this p-value a feature's values that moved are told, too."""

MULTIVARIATE = "multivariate"


def methods_of(config: ModelConfig) -> Methods:
    """Give the methods by kind of feature."""
    given = {Kind(kind): tuple(names) for kind, names in config.methods.items()}
    return {**DEFAULT_METHODS, **given}


class Comparison:
    """The bins and parameters that were learned from one version's reference.

    Parameters
    ----------
    config : ModelConfig
    names : callable
        From a feature to its categories, by code.
    """

    def __init__(self, config: ModelConfig, names: Callable[[str], Sequence[str]]) -> None:
        self._config = config
        self._methods = methods_of(config)
        self._names = names
        self._grid = Grid(iter(()))
        self._multivariate: Multivariate | None = None
        self._categorical: list[str] = []
        # Prepared references by segment; a trailing one is another one each time.
        is_frozen = config.reference.kind != "trailing"
        self._exact: deque[tuple[ExactWindow, ExactReference]] = deque(
            maxlen=config.segments_max + 2 if is_frozen else 0
        )

    def learn(self, columns: Mapping[str, Column], keys: NDArray[np.uint64]) -> dict[str, Column]:
        """Learn from a reference; `keys` (uint64[n]) tell rows of the same values apart.

        Returns
        -------
        dict of str to Column
            Those that have values, with the categories that the rows may have, and none that came
            later.
        """
        known = {
            name: self._with_names(name, column)
            for name, column in columns.items()
            if has_values(column)
        }
        self._take_grid(Grid.learn(known))
        vectors = any(column.kind is Kind.EMBEDDING for column in known.values())
        if self._config.multivariate or vectors:
            methods = self._config.multivariate
            self._multivariate = Multivariate.fit(known, len(keys), methods, keys)
        return known

    def make(self) -> Counted:
        """Make what counts the rows of a segment."""
        if self._config.mode == "exact":
            return ExactWindow(self._grid, rows_max=self._config.rows_max)
        return Summary(self._grid)

    def make_together(self) -> Together:
        """Make what counts the rows of all segments together."""
        return Together(self._multivariate)

    def compare(self, reference: Counted, window: Counted) -> tuple[FeatureDrift, ...]:
        """Compare two of what `make` makes; what may have changed comes with its details."""
        found = self._compared(reference, window, detail=False)
        if any(one.p_value < DETAIL_P for drift in found for one in drift.statistics):
            found = self._compared(reference, window, detail=True)
        return found

    def _compared(
        self, reference: Counted, window: Counted, *, detail: bool
    ) -> tuple[FeatureDrift, ...]:
        # As they are now: more may come, and what is prepared knows none of them.
        names = {name: tuple(self._names(name)) for name in self._categorical}
        rows_min = self._config.rows_min
        if isinstance(reference, Summary) and isinstance(window, Summary):
            return compare(
                reference,
                window,
                methods=self._methods,
                rows_min=rows_min,
                names=names,
                detail=detail,
            )
        if isinstance(reference, ExactWindow) and isinstance(window, ExactWindow):
            prepared = self._prepared(reference, names)
            return prepared.compare(window, rows_min=rows_min, names=names, detail=detail)
        raise TypeError("rows that were counted in different ways can't be compared")

    def _prepared(
        self, reference: ExactWindow, names: Mapping[str, Sequence[str]]
    ) -> ExactReference:
        """The reference, prepared once as long as it is the same."""
        for known, prepared in self._exact:
            if known is reference:
                return prepared
        prepared = ExactReference(reference, names)
        self._exact.append((reference, prepared))
        return prepared

    def compare_together(
        self, window: Together, reference: Together | None = None
    ) -> tuple[FeatureDrift, ...]:
        """Compare all features of a window with those of a reference, by default the learned."""
        if self._multivariate is None or window.totals is None:
            return ()
        before = reference.totals if reference is not None else None
        return self._multivariate.compare(window.totals, before)

    def arrays(self) -> Arrays:
        """Give what was learned."""
        found = {f"grid|{name}": array for name, array in self._grid.arrays().items()}
        if self._multivariate is not None:
            own = self._multivariate.arrays()
            found |= {f"{MULTIVARIATE}|{name}": array for name, array in own.items()}
        return found

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `arrays` gave."""
        own = part(arrays, MULTIVARIATE)
        self.take(
            Grid.of_arrays(part(arrays, "grid")), Multivariate.of_arrays(own) if own else None
        )

    def take(self, grid: Grid, multivariate: Multivariate | None) -> None:
        """Take what another one has learned."""
        self._take_grid(grid)
        self._multivariate = multivariate

    def _take_grid(self, grid: Grid) -> None:
        self._grid = grid
        self._categorical = [
            name for name, one in grid.features.items() if one.kind is Kind.CATEGORICAL
        ]

    def _with_names(self, name: str, column: Column) -> Column:
        """A categorical column with its names up to the largest code."""
        if column.kind is not Kind.CATEGORICAL:
            return column
        known = int(np.max(column.values, initial=-1)) + 1
        return Column(column.kind, column.values, tuple(self._names(name)[:known]))
