"""Evidently's report of the rows kept of an episode, where the extra `reports` is installed."""

import os
import warnings
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from engine.replay.report_samples import Samples

COLUMNS_MAX = 40
"""Features in Evidently's report, which takes some 30 kB for each."""

_PACKAGES = ("evidently", "pandas")

# Evidently puts names and values into a script as they are: these characters could end it.
_LOOKALIKES = str.maketrans("<>", "\u2039\u203a")


def has_evidently() -> bool:
    """Whether the extra `reports` is installed."""
    return all(find_spec(package) is not None for package in _PACKAGES)


def evidently_page(samples: Samples, first: Iterable[str]) -> str | None:
    """Give Evidently's data drift report of the window's rows against the reference's, as HTML.

    Follows Evidently 0.7.23: preset ``DataDriftPreset`` with its own choice of tests. Numbers are
    numerical columns, all else categorical; features that only one side has are left out.

    Parameters
    ----------
    samples : Samples
    first : iterable of str
        Features to take first, where there are more than `COLUMNS_MAX`.

    Returns
    -------
    str or None
        None if there is no feature to compare.
    """
    pairs = _comparable(samples, first)
    if not pairs:
        return None
    # It would report its use otherwise, and asks at import.
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        evidently, pandas = import_module("evidently"), import_module("pandas")
        presets = import_module("evidently.presets")
        numerical = [name for name, (one, _) in pairs.items() if one.dtype.is_numeric()]
        definition = evidently.DataDefinition(
            numerical_columns=numerical,
            categorical_columns=[name for name in pairs if name not in numerical],
        )
        reference, window = (
            evidently.Dataset.from_pandas(
                pandas.DataFrame({name: _cells(pair[side]) for name, pair in pairs.items()}),
                data_definition=definition,
            )
            for side in (0, 1)
        )
        report = evidently.Report([presets.DataDriftPreset()], include_tests=True)
        html: str = report.run(window, reference).get_html_str(as_iframe=False)
        return html


def _comparable(samples: Samples, first: Iterable[str]) -> dict[str, tuple[pl.Series, pl.Series]]:
    """Pair the features that both sides have values of, by names that can't end a script."""
    found: dict[str, tuple[pl.Series, pl.Series]] = {}
    for name in samples.features(
        first, len(samples.reference.columns) + len(samples.window.columns)
    ):
        if name not in samples.reference.columns or name not in samples.window.columns:
            continue
        one, other = (_plain(side[name]) for side in (samples.reference, samples.window))
        if one.dtype != other.dtype or not one.count() or not other.count():
            continue
        found[_unique(name.translate(_LOOKALIKES), found)] = one, other
        if len(found) == COLUMNS_MAX:
            break
    return found


def _unique(name: str, taken: Iterable[str]) -> str:
    used, candidate, number = set(taken), name, 1
    while candidate in used:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _plain(values: pl.Series) -> pl.Series:
    """Give finite numbers, or texts."""
    if values.dtype.is_numeric():
        numbers = values.cast(pl.Float64)
        return numbers.set(numbers.is_infinite(), None)
    return values.cast(pl.String)


def _cells(values: pl.Series) -> Any:
    if values.dtype.is_numeric():
        return values.fill_null(np.nan).to_numpy()
    return [None if text is None else text.translate(_LOOKALIKES) for text in values]
