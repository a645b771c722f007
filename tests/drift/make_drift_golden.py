"""Ask Evidently 0.7.23 for the scores of random columns and tables, and write them down.

    python3.11 -m venv /tmp/evidently
    /tmp/evidently/bin/pip install evidently==0.7.23 'pandas<3.1'
    /tmp/evidently/bin/python tests/drift/make_drift_golden.py

Scores are those of the functions that `ValueDrift` calls, after dropping nulls as it does; for some
cases the metric itself is run and must say the same.
"""

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"
# A set's order is the order of a sum; names must hash alike in every run.
if os.environ.get("PYTHONHASHSEED") != "0":
    os.environ["PYTHONHASHSEED"] = "0"
    os.execv(sys.executable, [sys.executable, *sys.argv])

import evidently
import numpy as np
import pandas as pd
from drift_cases import checksum, make_case
from drift_tables import TABLES, make_table
from evidently import DataDefinition, Dataset, Report
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from evidently.metrics import ValueDrift
from evidently.presets import DataDriftPreset
from read_drift_golden import CASES, FOLDER, METHODS, NO_BINS, NO_DATA, STEADY

API_EVERY = 61


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    if evidently.__version__ != "0.7.23":
        raise SystemExit(f"Evidently {evidently.__version__}, wanted 0.7.23")
    warnings.simplefilter("ignore")
    options.folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    write_cases(options.folder / "columns.npz", options.cases)
    (options.folder / "tables.json").write_text(json.dumps(tables(), indent=1) + "\n")
    print(f"{time.monotonic() - began:.0f} s")


def write_cases(path, number):
    """Write scores, states and default tests of so many cases."""
    scores = np.full((number, len(METHODS)), np.nan)
    states = np.full((number, len(METHODS)), -1, np.int8)
    defaults = np.full(number, -1, np.int8)
    for seed in range(number):
        case = make_case(seed)
        if seed % 1000 == 0:
            print(seed, flush=True)
        defaults[seed] = ask(case, scores[seed], states[seed])
        if seed % API_EVERY == 0 and defaults[seed] >= 0:
            check(
                case,
                METHODS[defaults[seed]],
                scores[seed, defaults[seed]],
                states[seed, defaults[seed]],
            )
    np.savez_compressed(
        path,
        scores=scores, states=states, defaults=defaults,
        checksum=np.int64(checksum(range(number))), cases=np.int64(number),
    )  # fmt: skip
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def ask(case, scores, states):
    """Fill in what Evidently says of a case; give the place of its default test."""
    kind = ColumnType(case.kind)
    reference, window = cleaned(case.reference), cleaned(case.window)
    if reference.empty or window.empty:
        states[:] = NO_DATA
        return -1
    default = get_stattest(reference, window, kind, None)
    for place, method in enumerate(METHODS):
        test = default if method == default.name else None
        try:
            test = test or get_stattest(reference, window, kind, method)
        except ValueError:
            continue  # the method isn't for such columns
        try:
            result = test(reference.copy(), window.copy(), kind, None)
        except ValueError as error:
            if "Too many bins" not in str(error):
                raise
            states[place] = NO_BINS
            continue
        scores[place] = result.drift_score
        states[place] = STEADY + bool(result.drifted)
    return METHODS.index(default.name)


def cleaned(values):
    return pd.Series(values).replace([-np.inf, np.inf], np.nan).dropna()


def check(case, method, score, state):
    """Run the metric itself on the case."""
    role = "numerical_columns" if case.kind == "num" else "categorical_columns"
    definition = DataDefinition(**{role: ["x"]})
    current, reference = (
        Dataset.from_pandas(pd.DataFrame({"x": values}), data_definition=definition)
        for values in (case.window, case.reference)
    )
    try:
        snapshot = Report([ValueDrift(column="x")], include_tests=True).run(current, reference)
    except ValueError as error:
        print(f"only the function answers: {method}: {error}")  # plots, too, need bins
        return
    found = snapshot.dict()
    value = float(found["metrics"][0]["value"])
    failed = found["tests"][0]["status"] == "FAIL"
    if not (value == score or (np.isnan(value) and np.isnan(score))) or failed != (state > STEADY):
        raise SystemExit(f"{method}: the metric says {value}, the function {score}")


def tables():
    """Answers of the preset about whole tables, with options."""
    answers = []
    for seed in range(TABLES):
        table = make_table(seed)
        definition = DataDefinition(
            numerical_columns=table.named("num"), categorical_columns=table.named("cat")
        )
        current, reference = (
            Dataset.from_pandas(pd.DataFrame(columns), data_definition=definition)
            for columns in (table.window, table.reference)
        )
        preset = DataDriftPreset(**table.options)
        found = Report([preset], include_tests=True).run(current, reference).dict()
        count, *columns = found["metrics"]
        share_test, *tests = found["tests"]
        answers.append({
            "drifted_columns": int(count["value"]["count"]),
            "drifted_share": float(count["value"]["share"]),
            "drifted": share_test["status"] == "FAIL",
            "columns": {
                metric["config"]["column"]: {
                    "method": metric["config"]["method"],
                    "threshold": metric["config"]["threshold"],
                    "score": float(metric["value"]),
                    "drifted": test["status"] == "FAIL",
                }
                for metric, test in zip(columns, tests, strict=True)
            },
        })  # fmt: skip
    return answers


if __name__ == "__main__":
    main()
