"""Accuracy on services with many metrics each, through the whole pipeline.

Each service is a replay of its own: a wide recording of its metrics, under opaque keys, at 5
minutes a row from a fixed Monday. One configuration serves all. The train part warms up, the test
part counts. A service has one score at each row:

mean of metrics
    AUC-PR and VUS-PR on the mean of the metrics' `state`, alarms on the largest `onset`.
joint
    The same on the scores of the service as an entity, where the detector makes them.

Beside it stand plain baselines, whose one score is taken for both. The alarm threshold is one for
all services of a set, the lowest that keeps to one false alarm per service and day.

    python -m benchmarks.accuracy.services [--data DIR] [--out DIR] [--detector NAME] [--json]
"""

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.config.schema import Config
from engine.pipeline.detector_kinds import DETECTORS
from engine.pipeline.plan import ENTITY_DEVIATION

from .alarms import Recall, budget_threshold, recall_at
from .pipeline import FALSE_ALARMS_PER_DAY, configuration, play
from .range_metrics import WIDENING_MAX_ROWS, average_precision, vus_pr
from .service_baselines import BASELINES

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "services"
SETS = ("asd", "jumpstarter")
BEGIN_NS = 1_767_571_200_000_000_000
"""Monday 2026-01-05 00:00 UTC."""
STEP_NS = 300_000_000_000
BUDGET_PER_DAY = 1.0
BOUNDARY = 1.0
"""The engine's alarm boundary of `onset`."""
JOINT = "joint"


@dataclass(frozen=True, slots=True)
class Service:
    """ts int64[n] ns, metrics float64[n, m]; label bool[k] of the last k rows, the test part."""

    name: str
    ts: NDArray[np.int64]
    metrics: NDArray[np.float64]
    label: NDArray[np.bool_]

    def test(self, score: NDArray[np.float64]) -> NDArray[np.float64]:
        """What of a score lies in the test part."""
        return score[-len(self.label) :]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One service's scores on all rows, float64[n]: `state` covers, `onset` alarms."""

    state: NDArray[np.float64]
    onset: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Result:
    """One scorer on one set: means over services, and alarms of all of them together."""

    auc_pr: float
    vus_pr: float
    budget: Recall
    frozen: Recall | None


def load_services(folder: Path) -> list[Service]:
    return [_load(path) for path in sorted(folder.glob("*.parquet"))]


def _load(path: Path) -> Service:
    rows = pl.read_parquet(path).sort("step")
    metrics = rows.select(pl.exclude("step", "split", "label").cast(pl.Float64)).to_numpy()
    label = rows.filter(pl.col("split") == "test")["label"].to_numpy() == 1
    ts = BEGIN_NS + rows["step"].cast(pl.Int64).to_numpy() * STEP_NS
    return Service(path.stem, ts, metrics, label)


def verdicts(service: Service, config: Config, folder: Path) -> dict[str, Verdicts]:
    """Play a service and bring its series' scores together."""
    columns = {f"series_{key}": column for key, column in enumerate(service.metrics.T)}
    timestamp = pl.Series(service.ts).cast(pl.Datetime("ns", "UTC"))
    scores = play(pl.DataFrame({"timestamp": timestamp, **columns}), config, folder).scores
    found = {}
    single = scores.filter(pl.col("name") != ENTITY_DEVIATION)
    if len(single) != service.metrics.size:
        raise SystemExit(f"{service.name}: {service.metrics.size} values, {len(single)} scores")
    by_row = single.group_by("ts").agg(pl.mean("state"), pl.max("onset")).sort("ts")
    found["mean of metrics"] = _verdicts(by_row)
    joint = scores.filter(pl.col("name") == ENTITY_DEVIATION).sort("ts")
    if len(joint):
        # While it has too few metrics of a time, an entity may have no score; that is no alarm.
        by_row = pl.DataFrame({"ts": timestamp}).join(joint, on="ts", how="left").sort("ts")
        found[JOINT] = _verdicts(by_row.with_columns(pl.col("state", "onset").fill_null(0.0)))
    return found


def _verdicts(rows: pl.DataFrame) -> Verdicts:
    return Verdicts(rows["state"].to_numpy(), rows["onset"].to_numpy())


def evaluate(
    services: Sequence[Service], found: Sequence[Verdicts], boundary: float | None
) -> Result:
    """Score the test parts of a set."""
    labels = [service.label for service in services]
    states = [one.test(own.state) for one, own in zip(services, found, strict=True)]
    onsets = [one.test(own.onset) for one, own in zip(services, found, strict=True)]
    pairs = list(zip(labels, states, strict=True))
    threshold = budget_threshold(labels, onsets, BUDGET_PER_DAY)
    return Result(
        auc_pr=float(np.mean([average_precision(*pair) for pair in pairs])),
        vus_pr=float(np.mean([vus_pr(*pair) for pair in pairs])),
        budget=recall_at(labels, onsets, threshold),
        frozen=None if boundary is None else recall_at(labels, onsets, boundary),
    )


def compare(
    services: Sequence[Service], own: Sequence[Mapping[str, Verdicts]], detector: str
) -> dict[str, Result]:
    """Score the detector and the baselines on a set."""
    found = {
        f"{detector}, {kind}": evaluate(services, [one[kind] for one in own], BOUNDARY)
        for kind in own[0]
    }
    for name, scorer in BASELINES.items():
        scores = [scorer(one.metrics, len(one.ts) - len(one.label)) for one in services]
        found[name] = evaluate(services, [Verdicts(score, score) for score in scores], None)
    return found


def write_scores(
    service: Service, found: Mapping[str, Verdicts], detector: str, folder: Path
) -> None:
    """Write a service's scores of all rows, one Parquet file; labels are null in the train part."""
    folder.mkdir(parents=True, exist_ok=True)
    label = np.full(len(service.ts), None)
    label[-len(service.label) :] = service.label
    columns: dict[str, Any] = {
        "timestamp": pl.Series(service.ts).cast(pl.Datetime("ns", "UTC")),
        "label": pl.Series(label.tolist(), dtype=pl.Boolean),
    }
    for kind, one in found.items():
        columns |= {f"state, {kind}": one.state, f"onset, {kind}": one.onset}
    path = folder / f"{detector.replace('_', '-')}_{service.name}.parquet"
    pl.DataFrame(columns).write_parquet(path)


def print_table(title: str, found: Mapping[str, Result]) -> None:
    """Areas, and what one false alarm per service and day finds; * marks the frozen boundary."""
    heads = ("AUC-PR", "VUS-PR", "false alarms/day", "events found", "delay min")
    print(f"\n{title:40}{heads[0]:>8}{heads[1]:>8}{heads[2]:>18}{heads[3]:>18}{heads[4]:>11}")
    for name, result in found.items():
        print(f"{name:40}{result.auc_pr:8.3f}{result.vus_pr:8.3f}{_alarms(result.budget)}")
        if result.frozen:
            print(f"{'    at the frozen boundary':56}{_alarms(result.frozen)}")


def _alarms(recall: Recall) -> str:
    found = f"{recall.found}/{recall.events} = {recall.share:.3f}"
    return f"{recall.false_alarms_per_day:18.3f}{found:>18}{recall.delay_minutes:11.1f}"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder of {' and '.join(SETS)}")
    parser.add_argument("--out", type=Path, help="folder for a Parquet file for each service")
    parser.add_argument("--detector", default="default", help="its name in the configuration")
    parser.add_argument("--false-alarms-per-day", type=float, default=FALSE_ALARMS_PER_DAY)
    parser.add_argument("--json", action="store_true", help="print one JSON document, no tables")
    return parser.parse_args()


def main() -> None:
    given = options()
    joint = given.detector in DETECTORS and DETECTORS[given.detector].joins
    config = configuration(given.detector, given.false_alarms_per_day, joint=joint)
    report: dict[str, Any] = {
        "detector": given.detector,
        "false_alarms_per_day": given.false_alarms_per_day,
        "budget_per_service_and_day": BUDGET_PER_DAY,
        "boundary": BOUNDARY,
        "vus_widening_max_rows": WIDENING_MAX_ROWS,
        "sets": {},
    }
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in SETS:
            services = load_services(given.data / name)
            begin = time.perf_counter()
            own = [verdicts(one, config, work / name / one.name) for one in services]
            seconds = time.perf_counter() - begin
            if given.out:
                for service, found in zip(services, own, strict=True):
                    write_scores(service, found, given.detector, given.out / name)
            results = compare(services, own, given.detector)
            rate = float(np.mean([service.label.mean() for service in services]))
            report["sets"][name] = {
                "services": len(services),
                "anomaly_rate": rate,
                "replay_s": seconds,
                "results": results,
            }
            if not given.json:
                title = f"{name}: {len(services)} services, rate {rate:.3f}, {seconds:.1f} s"
                print_table(title, results)
    if given.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())


if __name__ == "__main__":
    main()
