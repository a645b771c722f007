"""Ask a real Prometheus 3 for the answers to random cases, and write them as golden files.

    PROMETHEUS=.../prometheus PROMTOOL=.../promtool python tests/oracles/make_golden.py

The server is run by the oracle tool beside the repository, `ORACLE` names another place of it.
Every data set is loaded three times, its series created in three orders. Cases whose answer
depends on that order (ties of topk, a last bit that decides) are dropped, for there Prometheus
leaves the answer open. So are those that an instant query answers differently than a range query.
"""

import argparse
import gzip
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from golden_series import STALE, DataSet, Series, make_data_set
from promql_cases import Case, make_cases
from read_golden import FOLDER, FORMAT, Output, same

ROOT = Path(__file__).resolve().parents[2]
ORACLE = ROOT.parent / "shared" / "tools" / "prometheus-oracle" / "oracle"
SERVER_FLAGS = ("--enable-feature=promql-experimental-functions",)
TIMEOUT_S = 300
VERSION_MIN = 3
DRAWN_PER_CASE = 1.8
EMPTY_SHARE = 0.2
ERROR_SHARE = 0.05
PRIMING_MS = 86_400_000

Answer = dict[str, Any]


@dataclass
class Asked:
    """A case, its answers in several loads, and what single ticks answer.

    Attributes
    ----------
    case : Case
        The case.
    answers : list of dict
        The oracle's answers to the range, one per load.
    instants : dict of int to dict
        The oracle's answers at single ticks, by the tick's index.
    """

    case: Case
    answers: list[Answer]
    instants: dict[int, Answer]


def main() -> None:
    """Write the golden files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=12, help="golden files, default 12")
    parser.add_argument("--data-sets", type=int, default=10, help="data sets a file, default 10")
    parser.add_argument("--cases", type=int, default=100, help="cases a data set, default 100")
    parser.add_argument("--first-file", type=int, default=0, help="number of the first file")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for index in range(options.first_file, options.files):
        began = time.monotonic()
        path = options.folder / f"cases_{index:02}.jsonl.gz"
        seeds = range(index * options.data_sets, (index + 1) * options.data_sets)
        write_file(path, seeds, options.cases)
        took_s = time.monotonic() - began
        print(f"{path.name}: {path.stat().st_size:,} bytes, {took_s:.0f} s", flush=True)


def write_file(path: Path, seeds: Sequence[int], cases: int) -> None:
    """Write one golden file: a header, then each data set followed by its cases."""
    lines: list[dict[str, Any]] = []
    version = ""
    for seed in seeds:
        data = make_data_set(seed)
        version, asked = ask_all(seed, data, make_cases(seed, data, int(cases * DRAWN_PER_CASE)))
        kept = chosen([entry_of(one) for one in asked if is_settled(one)], cases)
        lines.append({"series": [_input_entry(series) for series in data.series]})
        lines.extend(kept)
    header = {
        "format": FORMAT,
        "prometheus": version,
        "flags": SERVER_FLAGS,
        "seeds": [seeds[0], seeds[-1]],
    }
    text = "".join(
        json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n"
        for line in [header, *lines]
    )
    path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def ask_all(seed: int, data: DataSet, cases: list[Case]) -> tuple[str, list[Asked]]:
    """Ask about each case in three loads; the second and third also ask at single ticks."""
    rng = random.Random(f"orders {seed}")
    ranges = [_range_query(case) for case in cases]
    orders = [data.series, data.series[::-1], rng.sample(data.series, len(data.series))]
    version, first = ask(orders[0], data, ranges)
    asked = [Asked(case, [answer], {}) for case, answer in zip(cases, first, strict=True)]
    for order in orders[1:]:
        single = [(one, index) for one in asked for index in _ticks_to_ask(one, rng)]
        instants = [_instant_query(one.case, index) for one, index in single]
        _, answers = ask(order, data, ranges + instants)
        for one, answer in zip(asked, answers[: len(ranges)], strict=True):
            one.answers.append(answer)
        for (one, index), answer in zip(single, answers[len(ranges) :], strict=True):
            one.instants[index] = answer
    return version, asked


def _ticks_to_ask(one: Asked, rng: random.Random) -> list[int]:
    """All ticks where the range fails or time stands still for a part of it, else one.

    A range query evaluates what an @ modifier holds still once, even where a parameter moves.
    """
    count = _tick_count(one.case)
    if "error" in one.answers[0] or " @ " in one.case.expression:
        return list(range(count))
    return [rng.randrange(count)]


def ask(order: list[Series], data: DataSet, queries: list[Answer]) -> tuple[str, list[Answer]]:
    """Load the series, created in this order, and ask the oracle.

    A stale marker a day before creates each series; no expression reaches back to it.
    """
    first_ms = data.start_ms - PRIMING_MS
    series = [_primed(one, first_ms + index) for index, one in enumerate(order)]
    case = {"series": series, "queries": queries}
    oracle = os.environ.get("ORACLE", str(ORACLE))
    flags = [f"--server-arg={flag}" for flag in SERVER_FLAGS]
    done = subprocess.run(
        [sys.executable, oracle, "query", "-", "--timeout", str(TIMEOUT_S), *flags],
        input=json.dumps(case), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the oracle failed: {done.stdout} {done.stderr}")
    answer = json.loads(done.stdout)
    version = answer["prometheus"]
    if int(version.split(".")[0]) < VERSION_MIN:
        raise RuntimeError(f"Prometheus {version} has other windows; PROMETHEUS must name a 3.x")
    return version, answer["results"]


def _primed(series: Series, first_ms: int) -> Answer:
    values = [_text(value) for value in series.value]
    samples = [(first_ms, STALE), *zip(series.ts_ms, values, strict=True)]
    return {"labels": series.labels, "samples": samples}


def _range_query(case: Case) -> Answer:
    return {
        "expr": case.expression,
        "start": case.start_ms,
        "end": case.end_ms,
        "step": case.step_ms,
    }


def _instant_query(case: Case, index: int) -> Answer:
    """Ask at one tick; the range's ends are written out, for a tick has none."""
    expression = case.expression
    for name, ms in (("start()", case.start_ms), ("end()", case.end_ms)):
        expression = expression.replace(f"@ {name}", f"@ {ms // 1000}.{ms % 1000:03}")
    return {"expr": expression, "time": case.start_ms + index * case.step_ms}


def is_settled(asked: Asked) -> bool:
    """Whether the answer depends neither on the order of series nor on the kind of query."""
    first, *others = asked.answers
    case = asked.case
    if "error" in first:
        # A range query also fails where series of different ticks collide: no tick fails then.
        fails = any("error" in answer for answer in asked.instants.values())
        return fails and all("error" in answer for answer in others)
    if any("error" in answer for answer in others):
        return False
    # Prometheus sums in the order of creation; a last bit may differ, but not more.
    expected = outputs(first, case)
    if not all(same(outputs(answer, case), expected, 0.0) for answer in others):
        return False
    for index, answer in asked.instants.items():
        tick = case.start_ms + index * case.step_ms
        at_tick = [
            (labels, ts_ms[ts_ms == tick], values[ts_ms == tick])
            for labels, ts_ms, values in expected
        ]
        if "error" in answer or not same(outputs(answer, case), at_tick, 0.0):
            return False
    return True


def outputs(answer: Answer, case: Case) -> list[Output]:
    """Read the oracle's answer: to a range, or at one tick."""
    result = answer["result"]
    if answer["type"] == "scalar":
        result = [{"metric": {}, "value": result}]
    read = []
    for series in result:
        samples = series["values"] if "values" in series else [series["value"]]
        index = [round((at * 1000 - case.start_ms) / case.step_ms) for at, _ in samples]
        ts_ms = case.start_ms + case.step_ms * np.array(index, dtype=np.int64)
        read.append((series["metric"], ts_ms, np.array([float(value) for _, value in samples])))
    return read


def entry_of(asked: Asked) -> dict[str, Any]:
    """Give the line of a case."""
    case, answer = asked.case, asked.answers[0]
    entry: dict[str, Any] = {
        "expr": case.expression,
        "ticks": [case.start_ms, case.end_ms, case.step_ms],
        "kind": "scalar" if case.scalar else "vector",
    }
    if "error" in answer:
        failing = [index for index, instant in asked.instants.items() if "error" in instant]
        return entry | {"error": answer["error"], "failing": sorted(failing)}
    entry["result"] = [
        {"labels": dict(sorted(labels.items())), "values": _by_tick(ts_ms, values, case)}
        for labels, ts_ms, values in outputs(answer, case)
    ]
    return entry


def _by_tick(ts_ms: Any, values: Any, case: Case) -> list[float | str | None]:
    row: list[float | str | None] = [None] * _tick_count(case)
    for ts, value in zip(ts_ms.tolist(), values.tolist(), strict=True):
        row[(ts - case.start_ms) // case.step_ms] = _text(value)
    return row


def chosen(entries: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Keep so many, in order; only a share of them may be empty or fail."""
    left = {"empty": int(count * EMPTY_SHARE), "error": int(count * ERROR_SHARE)}
    kept: list[dict[str, Any]] = []
    for entry in entries:
        what = "error" if "error" in entry else "there" if entry["result"] else "empty"
        if left.get(what, 1) > 0 and len(kept) < count:
            kept.append(entry)
            left[what] = left.get(what, 2) - (what != "there")
    return kept


def _tick_count(case: Case) -> int:
    return (case.end_ms - case.start_ms) // case.step_ms + 1


def _input_entry(series: Series) -> dict[str, Any]:
    steps = [ts - before for before, ts in zip([0, *series.ts_ms], series.ts_ms, strict=False)]
    return {
        "labels": series.labels,
        "ts": steps,
        "values": [_text(value) for value in series.value],
    }


def _text(value: float | str) -> float | str:
    """Give a value as JSON holds it exactly, in few characters."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    negative_zero = value == 0 and math.copysign(1, value) < 0
    is_short = value.is_integer() and abs(value) < 1e15 and not negative_zero
    return int(value) if is_short else value


if __name__ == "__main__":
    main()
