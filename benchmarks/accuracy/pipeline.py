"""Plays rows through the whole pipeline, as `streamgauge replay` does, and reads the scores back.

One configuration for all data: a detector on every series and all scores written, no rules. It
knows nothing of the data but keys, timestamps and values.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.config.connections import RecordingSource
from engine.config.schema import Config, DetectorConfig, RulesConfig, ScoresConfig
from engine.replay.player import replay

FALSE_ALARMS_PER_DAY = DetectorConfig().false_alarms_per_day
"""Of whatever is replayed at once: what the configuration's default is."""


ENTITY = {"of": "one"}
"""A label of all series of a recording, which makes them one entity."""


def configuration(detector: str, false_alarms_per_day: float, *, joint: bool = False) -> Config:
    """One detector on all series, judged together, too, if `joint`; nothing else."""
    entry = DetectorConfig(
        use=detector,
        false_alarms_per_day=false_alarms_per_day,
        entity=tuple(ENTITY) if joint else (),
    )
    return Config(
        detectors=(entry,),
        rules=RulesConfig(bundled=False),
        scores=ScoresConfig(emit="all"),
    )


@dataclass(frozen=True, slots=True)
class Played:
    """What came of a recording.

    Attributes
    ----------
    scores : DataFrame
        `scores.parquet` of the replay.
    late : int64[k]
        Row numbers of the recording's rows that came too late and were left out.
    """

    scores: pl.DataFrame
    late: NDArray[np.int64]


def play(recording: pl.DataFrame, config: Config, folder: Path) -> Played:
    """Replay a recording, long or wide, into a folder.

    Raises
    ------
    SystemExit
        If the replay was interrupted, or rows were left out that were not late.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recording.parquet"
    recording.write_parquet(path)
    summary = replay(config, RecordingSource(path=str(path), labels=ENTITY), folder)
    if not summary.complete:
        raise SystemExit("interrupted")
    if summary.dead_letters.keys() - {"late"}:
        raise SystemExit(f"rows were left out: {summary.dead_letters}")
    letters = (folder / "dead_letters.jsonl").read_text(encoding="utf-8").splitlines()
    late = np.array([json.loads(letter)["offset"] for letter in letters], np.int64)
    if len(late) != summary.dead_letters.get("late", 0):
        raise SystemExit("not every row that was left out has a dead letter")
    return Played(pl.read_parquet(folder / "scores.parquet"), late)
