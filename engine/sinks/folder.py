"""Results as files of a folder: JSON lines for records, Parquet for scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from engine.config.connections import FolderSink
from engine.events import Alert, DeadLetter, Drift
from engine.sinks.json_lines import JsonLinesLane
from engine.sinks.lane import Lane, Usable
from engine.sinks.score_file import ScoreFileLane


def _alert_line(alert: Alert) -> bytes | None:
    # A tombstone is for a topic's compaction only.
    return None if alert.event is None else msgspec.json.encode(alert.event)


def _drift_line(drift: Drift) -> bytes:
    return msgspec.json.encode(drift.event)


def _dead_letter_line(letter: DeadLetter) -> bytes:
    return msgspec.json.encode(letter.event())


class FolderLanes:
    """Makes the lanes that write ``<lane>.jsonl`` and ``scores.parquet`` into a folder.

    A lane that begins anew replaces what an earlier run left under its names.

    Parameters
    ----------
    settings : FolderSink
    """

    lanes: ClassVar[tuple[str, ...]] = ("alerts", "scores", "drift", "dead_letters")

    _LINES: ClassVar[dict[str, Callable[[Any], bytes | None]]] = {
        "alerts": _alert_line,
        "drift": _drift_line,
        "dead_letters": _dead_letter_line,
    }

    def __init__(self, settings: FolderSink) -> None:
        self._folder = Path(settings.path)

    def make_lane(self, name: str, resume: Any | None, usable: Usable) -> Lane:
        """Begin an output anew, or go on with it where `resume`, a snapshot, is given.

        Raises
        ------
        SinkError
            If its files can't be written, or are not what the snapshot speaks of.
        """
        if name == "scores":
            return ScoreFileLane(self._folder, resume, usable)
        return JsonLinesLane(self._folder / f"{name}.jsonl", self._LINES[name], resume, usable)
