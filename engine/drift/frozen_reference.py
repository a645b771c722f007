"""A reference that was frozen elsewhere: taken from a model's state, and given to another one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from engine.codecs.predictions import Column, Kind
from engine.config.models import ModelConfig
from engine.drift.exact_window import ExactWindow
from engine.drift.findings import PREDICTION, SCORE
from engine.drift.grid import Grid
from engine.drift.model_segments import Segments
from engine.drift.multivariate import METHODS, Multivariate
from engine.drift.multivariate_panes import MultivariateTotals, below
from engine.drift.panes import part
from engine.drift.reference_file import StoredReference, read_reference
from engine.drift.row_sample import RowSample
from engine.drift.summary import ROWS_MAX, Summary
from engine.drift.together import SAMPLE_ROWS
from engine.drift.version_windows import VersionWindows
from engine.drift.vocabulary import Vocabulary
from engine.drift.window_comparison import MULTIVARIATE
from engine.errors import StateError, UsageError


class FrozenReference:
    """A reference of counts; it is that of all versions.

    Parameters
    ----------
    stored : StoredReference
        What a file holds.
    methods : sequence of str
        Of those on all features together, the ones that are wanted; it has them.

    Attributes
    ----------
    estimator : Cbpe or None
        Estimates quality without labels.
    labelled_rows : int
        Rows that the estimator was learned from.
    """

    def __init__(self, stored: StoredReference, methods: Sequence[str]) -> None:
        self._stored = stored
        self._multivariate = _with_methods(stored.multivariate, methods)
        self.estimator, self.labelled_rows = stored.estimator, stored.labelled_rows

    @classmethod
    def read(cls, path: Path, config: ModelConfig) -> "FrozenReference":
        """Read a file of `streamgauge reference`.

        Raises
        ------
        UsageError
            It is missing, empty or of another form, or is not enough for what is wanted.
        """
        if config.mode == "exact":
            raise UsageError(
                f"reference {path} has counts and no rows, which `mode: exact` compares with; use "
                "a file of rows, or `mode: sketch`"
            )
        stored = read_reference(path)
        _check_features(path, stored.kinds, config)
        held = stored.multivariate.methods if stored.multivariate is not None else ()
        lacking = [method for method in config.multivariate if method not in held]
        if lacking:
            raise UsageError(
                f"reference {path} was not made for {', '.join(lacking)}; make it again, or set "
                f"`multivariate: [{', '.join(held)}]`"
            )
        return cls(stored, config.multivariate)

    def teach(self, vocabulary: Vocabulary) -> None:
        """Let the file's kinds and categories be the model's first ones, under the same codes."""
        widths = {}
        if self._multivariate is not None:
            widths = {name: one.width for name, one in self._multivariate.embeddings.items()}
        vocabulary.restore(
            {
                name: (kind.value, self._stored.names.get(name, ()), widths.get(name, 0))
                for name, kind in self._stored.kinds.items()
                if name != SCORE  # which is no word of it: always a number
            }
        )

    def check_words(self, vocabulary: Vocabulary) -> None:
        """Check that the model's kinds and codes are the file's, after it was restored.

        Raises
        ------
        StateError
            The model has met these features without the file, in another order.
        """
        differing = [
            name
            for name, kind in self._stored.kinds.items()
            if name != SCORE
            and (
                vocabulary.kind(name) is not kind
                or not _begins_with(vocabulary.names(name), self._stored.names.get(name, ()))
            )
        ]
        if differing:
            raise StateError(
                f"the state knows other kinds or categories of {', '.join(sorted(differing))} than "
                "the reference file that is new to it; begin with another state.dir"
            )

    def begin(self, windows: VersionWindows, segments: Segments, vocabulary: Vocabulary) -> None:
        """Let a version's windows be compared with it."""
        del vocabulary  # it was taught
        stored = self._stored
        numbered: dict[int, Summary] = {}
        for name, summary in stored.segments.items():
            number = segments.number_of(windows.version, name)
            if number in numbered:  # of more segments than there may be, the rest are one
                joined = Summary(stored.grid)
                joined.merge(numbered[number])
                joined.merge(summary)
                summary = joined  # noqa: PLW2901 - the file's own stays as it is
            numbered[number] = summary
        windows.take_frozen(stored.grid, self._multivariate, numbered, stored.sample)


def reference_of_state(
    plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], version: str
) -> StoredReference:
    """Take the reference of a version from what `ModelMonitor.state` gave.

    Raises
    ------
    UsageError
        There is no such version, or it has no reference that stays as it is.
    """
    versions = list(plain["versions"])
    if version not in versions:
        raise UsageError(f"no version {version!r}; there are {', '.join(map(repr, versions))}")
    windows = plain["versions"][version]["windows"]
    prefix = f"v{versions.index(version)}|windows"
    places = [segment for _, segment in plain["segments"]]
    return reference_of_windows(windows, part(arrays, prefix), places, plain["vocabulary"])


def reference_of_windows(
    plain: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    segments: Sequence[str],
    vocabulary: Mapping[str, Any],
) -> StoredReference:
    """Take the reference from what `VersionWindows.state` gave, with the prefix taken off.

    Parameters
    ----------
    plain : mapping
    arrays : mapping of str to array
    segments : sequence of str
        Names by number.
    vocabulary : mapping
        What `Vocabulary.state` gave.

    Raises
    ------
    UsageError
        There is none yet, or it moves on with time.
    """
    if plain.get("reference_kind") == "trailing" or plain["history"]:
        raise UsageError(
            "its reference is a trailing one, which moves on with each window; only one that stays "
            "as it is can be taken elsewhere"
        )
    if plain["reference"] is None:
        rows = len(arrays["collected|keys"]) if "collected" in plain else 0
        raise UsageError(f"its reference is still being collected: {rows:,} rows so far")
    learned, counted = part(arrays, "learned"), part(arrays, "reference")
    grid = Grid.of_arrays(part(learned, "grid"))
    names = {
        name: tuple(vocabulary[name][1][: one.known])
        for name, one in grid.features.items()
        if one.kind is Kind.CATEGORICAL
    }
    multivariate = part(learned, MULTIVARIATE)
    sample = RowSample(SAMPLE_ROWS)
    sample.restore(below(part(counted, "t"), "sample|"))
    return StoredReference(
        grid,
        {
            segments[number]: _summary_of(grid, part(counted, f"s{number}"))
            for number in sorted(plain["reference"]["segments"])
        },
        names,
        multivariate=Multivariate.of_arrays(multivariate) if multivariate else None,
        sample=sample,
    )


def _summary_of(grid: Grid, arrays: Mapping[str, NDArray[Any]]) -> Summary:
    """Give a segment's counts; of rows that were kept, count them."""
    summary = Summary(grid)
    if "counts" in arrays:
        summary.restore(arrays)
        return summary
    window = ExactWindow(grid, rows_max=ROWS_MAX)
    window.restore(arrays)
    if not window.is_exact:
        raise UsageError(
            f"its reference has {window.rows:,} rows and keeps {window.kept:,}, which is not all "
            "of it; raise `rows_max`"
        )
    columns = {name: Column(one.kind, window.column(name)) for name, one in grid.features.items()}
    summary.add(columns, rows=window.kept)
    return summary


def _begins_with(names: Sequence[str], first: Sequence[str]) -> bool:
    return tuple(names[: len(first)]) == tuple(first)


def _check_features(path: Path, found: Mapping[str, Kind], config: ModelConfig) -> None:
    declared = {name: Kind(kind) for name, kind in config.features.items()}
    missing = sorted(declared.keys() - found.keys())
    others = sorted(found.keys() - declared.keys() - {PREDICTION, SCORE})
    changed = [
        f"{name} ({found[name]}, not {declared[name]})"
        for name in sorted(declared.keys() & found.keys())
        if found[name] is not declared[name]
    ]
    differences = [("lacks features", missing), ("has of another kind", changed)]
    said = [f"{what}: {', '.join(names)}" for what, names in differences if names]
    if said:
        besides = f"; it has others: {', '.join(others)}" if others and missing else ""
        raise UsageError(f"reference {path} {'; '.join(said)}{besides}")


def _with_methods(fitted: Multivariate | None, wanted: Sequence[str]) -> Multivariate | None:
    """Leave out the methods on all features together that are not wanted."""
    if fitted is None or set(fitted.methods) <= set(wanted):
        return fitted
    if not wanted and not fitted.embeddings:
        return None
    reference = fitted.reference
    totals = {n: held for n, held in reference.totals.items() if n not in METHODS or n in wanted}
    sample = reference.sample if "domain_classifier" in wanted else None
    return replace(
        fitted,
        methods=tuple(method for method in fitted.methods if method in wanted),
        kernel=fitted.kernel if "mmd" in wanted else None,
        components=fitted.components if "pca" in wanted else None,
        reference=MultivariateTotals(totals, sample, reference.rows),
    )
