"""Drift of all features together, and of embeddings, behind one object.

The reference is cut in two: scales, kernel and components are learned from every other row, and a
window is compared with the rows between them. Rows that something was fitted to fit it better than
any others, which a window would be blamed for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.drift.domain_classifier import SAMPLE_ROWS, compare_samples
from engine.drift.embeddings import EmbeddingDrift
from engine.drift.findings import ALL_FEATURES, FeatureDrift, Statistic
from engine.drift.multivariate_inputs import MultivariateInputs, blocks, column_rows
from engine.drift.multivariate_panes import MultivariateTotals, below
from engine.drift.random_features import RandomFeatures
from engine.drift.reconstruction import Reconstruction
from engine.drift.row_sample import RowSample
from engine.errors import UsageError

METHODS = ("mmd", "pca", "domain_classifier")
"""Of all features together."""

ROWS_MIN = 50
"""Rows of a window, and of each half of the reference, below which nothing is said."""

_FRONT = ("inputs/", "mmd/", "pca/", "embedding/", "reference/")


@dataclass(slots=True)
class Multivariate:
    """Statistics frozen with a reference.

    Attributes
    ----------
    methods : tuple of str
        Of `METHODS`.
    rows : int
        Of the reference.
    inputs : MultivariateInputs
    kernel : RandomFeatures or None
        None if it is not wanted, or if there is too little reference.
    components : Reconstruction or None
        The same; also if they leave nothing of the inputs, as of one feature.
    embeddings : dict of str to EmbeddingDrift
        Those with enough vectors.
    reference : MultivariateTotals
    """

    methods: tuple[str, ...]
    rows: int
    inputs: MultivariateInputs
    kernel: RandomFeatures | None
    components: Reconstruction | None
    embeddings: dict[str, EmbeddingDrift]
    reference: MultivariateTotals

    @classmethod
    def fit(
        cls,
        columns: Mapping[str, Column],
        rows: int,
        methods: Sequence[str] = ("mmd", "pca"),
        keys: NDArray[np.uint64] | None = None,
    ) -> Self:
        """Freeze the statistics to a reference.

        Parameters
        ----------
        columns : mapping of str to Column
            Of the reference; embeddings are told by their kind.
        rows : int
            Of the columns.
        methods : sequence of str
            Of `METHODS`.
        keys : uint64[rows], optional
            See `RowSample.add`; for the domain classifier.

        Raises
        ------
        UsageError
            A method has no such name.
        """
        unknown = [method for method in methods if method not in METHODS]
        if unknown:
            raise UsageError(f"no multivariate method {unknown[0]!r}; there are {METHODS}")
        learned = np.arange(0, rows, 2)
        inputs = MultivariateInputs.fit(
            {
                name: column.take(learned)
                for name, column in columns.items()
                if column.kind is not Kind.EMBEDDING
            }
        )
        encoded = inputs.encode(columns, learned, len(learned))
        enough = rows >= 2 * ROWS_MIN and inputs.width > 0
        kernel = RandomFeatures.fit(encoded) if enough and "mmd" in methods else None
        components = Reconstruction.fit(encoded) if enough and "pca" in methods else None
        if components is not None and len(components.offset) == inputs.width:
            components = None
        embeddings = {
            name: EmbeddingDrift.fit(column.values)
            for name, column in sorted(columns.items())
            if column.kind is Kind.EMBEDDING and len(column.values) >= ROWS_MIN
        }
        totals = MultivariateTotals({})
        fitted = cls(tuple(methods), rows, inputs, kernel, components, embeddings, totals)
        fitted.reference = fitted._reference(columns, keys)
        return fitted

    def _reference(
        self,
        columns: Mapping[str, Column],
        keys: NDArray[np.uint64] | None,
    ) -> MultivariateTotals:
        """Sum up the rows that nothing was learned from, and all vectors."""
        reference = self.pane()
        self._add_rows(reference, columns, np.arange(1, self.rows, 2))
        self._add_vectors(reference, columns)
        if reference.sample is not None:
            reference.sample.add(columns, np.arange(self.rows), keys)
        reference.rows = self.rows
        return reference

    def pane(self) -> MultivariateTotals:
        """Give a pane without rows."""
        totals: dict[str, NDArray[np.int64]] = {}
        if self.kernel is not None:
            totals["mmd"] = self.kernel.empty()
        if self.components is not None:
            totals["pca"] = self.components.empty()
        for name, embedding in self.embeddings.items():
            totals[f"embedding/{name}"] = embedding.empty()
        wanted = "domain_classifier" in self.methods
        return MultivariateTotals(totals, RowSample(SAMPLE_ROWS) if wanted else None)

    def add(
        self,
        pane: MultivariateTotals,
        columns: Mapping[str, Column],
        index: NDArray[np.int64] | None = None,
        keys: NDArray[np.uint64] | None = None,
    ) -> None:
        """Add rows to a pane.

        Parameters
        ----------
        pane : MultivariateTotals
        columns : mapping of str to Column
            Of n rows.
        index : int64[k], optional
            The rows to add, ascending; all of them by default.
        keys : uint64[n], optional
            See `RowSample.add`; for the domain classifier.
        """
        pane.rows += column_rows(columns) if index is None else len(index)
        self._add_rows(pane, columns, index)
        self._add_vectors(pane, columns, index)
        if pane.sample is not None:
            pane.sample.add(columns, index, keys)

    def _add_rows(
        self,
        pane: MultivariateTotals,
        columns: Mapping[str, Column],
        index: NDArray[np.int64] | None,
    ) -> None:
        if self.kernel is None and self.components is None:
            return
        for block, count in blocks(column_rows(columns), index):
            encoded = self.inputs.encode(columns, block, count)
            if self.kernel is not None:
                self.kernel.add(pane.totals["mmd"], encoded)
            if self.components is not None:
                self.components.add(pane.totals["pca"], encoded)

    def _add_vectors(
        self,
        pane: MultivariateTotals,
        columns: Mapping[str, Column],
        index: NDArray[np.int64] | None = None,
    ) -> None:
        for name, embedding in self.embeddings.items():
            column = columns.get(name)
            if column is None or column.kind is not Kind.EMBEDDING:
                continue
            taken = column if index is None else column.take(index)
            if taken.values.shape[1] == embedding.width:
                embedding.add(pane.totals[f"embedding/{name}"], taken.values)

    def compare(
        self, pane: MultivariateTotals, reference: MultivariateTotals | None = None
    ) -> tuple[FeatureDrift, ...]:
        """Compare a window with the reference.

        Parameters
        ----------
        pane : MultivariateTotals
        reference : MultivariateTotals, optional
            Other rows than those that it was fitted to, where a reference moves on.

        Returns
        -------
        tuple of FeatureDrift
            `ALL_FEATURES` if there is a method for it, then the embeddings by name. Without
            statistics if there are too few rows on either side.
        """
        found = []
        reference = reference or self.reference
        if self.methods and self.inputs.width:
            enough = min(pane.rows, reference.rows) >= ROWS_MIN
            statistics = self._together(reference, pane) if enough else ()
            rows = pane.rows, reference.rows
            found.append(FeatureDrift(ALL_FEATURES, None, *rows, statistics, {}))
        for name, embedding in self.embeddings.items():
            sides = [side.totals[f"embedding/{name}"] for side in (reference, pane)]
            before, after = (int(totals[0]) for totals in sides)
            enough = min(before, after) >= ROWS_MIN
            compared = embedding.compare(sides[0], sides[1]) if enough else ()
            found.append(FeatureDrift(name, Kind.EMBEDDING, after, before, compared, {}))
        return tuple(found)

    def _together(
        self, before: MultivariateTotals, after: MultivariateTotals
    ) -> tuple[Statistic, ...]:
        """Compare by the methods that there is enough reference for."""
        statistics = []
        if self.kernel is not None:
            statistics.append(self.kernel.compare(before.totals["mmd"], after.totals["mmd"]))
        if self.components is not None:
            statistics.append(self.components.compare(before.totals["pca"], after.totals["pca"]))
        if before.sample is not None and after.sample is not None:
            statistics.append(compare_samples(self.inputs, before.sample, after.sample))
        return tuple(statistics)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that was fitted and the reference, to be kept with the state."""
        parts: dict[str, Mapping[str, NDArray[Any]]] = {"inputs/": self.inputs.arrays()}
        if self.kernel is not None:
            parts["mmd/"] = self.kernel.arrays()
        if self.components is not None:
            parts["pca/"] = self.components.arrays()
        for name, embedding in self.embeddings.items():
            parts[f"embedding/{name}\n"] = embedding.arrays()
        parts["reference/"] = self.reference.arrays()
        wanted = np.array([method in self.methods for method in METHODS])
        held: dict[str, NDArray[Any]] = {"methods": wanted}
        for start, arrays in parts.items():
            held.update({start + key: array for key, array in arrays.items()})
        return held

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make the statistics again that gave these arrays."""
        inputs, mmd, pca, vectors, reference = (below(arrays, start) for start in _FRONT)
        names = sorted({key.rpartition("\n")[0] for key in vectors})
        fitted = cls(
            tuple(m for m, wanted in zip(METHODS, arrays["methods"], strict=True) if wanted),
            int(reference["rows"][0]),
            MultivariateInputs.of_arrays(inputs),
            RandomFeatures.of_arrays(mmd) if mmd else None,
            Reconstruction.of_arrays(pca) if pca else None,
            {name: EmbeddingDrift.of_arrays(below(vectors, f"{name}\n")) for name in names},
            MultivariateTotals({}),
        )
        fitted.reference = fitted.pane()
        fitted.reference.restore(reference)
        return fitted
