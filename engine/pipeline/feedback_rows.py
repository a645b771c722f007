"""Verdicts of users in a shard: they wait for their time, beside the samples and never as some.

They are split off before rows are ordered, since a verdict may have the timestamp of a sample. The
series that one is about is looked up only when its time has come, so that it does not matter
whether it or the series' first sample arrived first.
"""

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.codecs.verdicts import VERDICTS, unpacked
from engine.detectors.feedback import NO_VERDICTS, UserVerdicts
from engine.detectors.feedback_kernels import (
    APPLIED,
    NO_ALARM,
    NOT_MET,
    NOTHING_SAID,
    REPEATED,
    UNWATCHED,
)
from engine.events import DeadLetter, Reason, rfc3339
from engine.pipeline.refusals import Refusals
from engine.pipeline.shard_output import ShardOutput
from engine.series.columns import FLAG_FEEDBACK, Columns
from engine.series.identity import Series
from engine.series.pending import Pending
from engine.series.pieces import Piece
from engine.series.slots import SlotTable

SOURCE = "feedback"
"""What dead letters of verdicts name as their source."""

WHY_REFUSED = {
    UNWATCHED: "no detector that it could be about watches this series",
    NOT_MET: "this series has no sample before the verdict",
    NO_ALARM: "no alarm of this series is remembered within an hour before",
    NOTHING_SAID: "there is no verdict on this sample to take back, or it is forgotten",
}
_LATE = "the watermark had passed it before its partition was read"
_OUTCOMES = {APPLIED: "applied", REPEATED: "repeated"}


class FeedbackRows:
    """The verdicts of a shard that take effect above the watermark."""

    def __init__(self) -> None:
        self._waiting = Pending()
        # Of every waiting verdict, for what is said of it.
        self._series: dict[int, Series] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def split_off(
        self, piece: Piece, handled: int, refusals: Refusals, output: ShardOutput
    ) -> Piece:
        """Keep a piece's verdicts; give the piece without them.

        A source gives either samples or verdicts. What takes effect at or below `handled` is late.
        """
        columns = piece.columns
        if not len(columns) or not columns.flags[0] & FLAG_FEEDBACK:
            return piece
        named = {item.series.fingerprint: item.series for item in piece.definitions}
        late = columns.ts <= handled
        if late.any():
            refused = columns.take(late)
            letters = [
                _letter(named[fingerprint], value, ts, Reason.LATE, _LATE)
                for fingerprint, value, ts in zip(
                    refused.fingerprint.tolist(), refused.value, refused.ts, strict=True
                )
            ]
            refusals.verdicts(letters, output)
        self._series |= named
        columns = columns.take(~late)
        self._waiting.add(np.zeros(len(columns), np.int32), columns)
        return replace(piece, columns=Columns.empty(), definitions=[])

    def due(self, watermark: int, slots: SlotTable) -> UserVerdicts:
        """Take out what has its time at or below the watermark, by slot and then time.

        Those of unknown series come first, with slot -1.
        """
        if not len(self._waiting):
            return NO_VERDICTS
        _, columns = self._waiting.take_through(watermark)
        slot = slots.find(columns.fingerprint)
        # What takes effect at the same moment does so in an order of its own, however it came.
        order = np.lexsort((columns.value.view(np.int64), columns.ts, columns.fingerprint, slot))
        columns, slot = columns.take(order), slot[order]
        verdict, detector, judged = unpacked(columns.value, columns.ts)
        outcome = np.full(len(columns), UNWATCHED, np.uint8)
        return UserVerdicts(
            slot, columns.ts, judged, verdict, outcome, detector, columns.fingerprint, columns.value
        )

    def settle(self, said: UserVerdicts, refusals: Refusals, output: ShardOutput) -> None:
        """Say what became of verdicts whose time has come; those of no effect are dead letters."""
        if not len(said):
            return
        letters = []
        for row, outcome in enumerate(said.outcome.tolist()):
            output.count(f"verdicts_{_OUTCOMES.get(outcome, 'refused')}", 1)
            if outcome in WHY_REFUSED:
                series = self._series[int(said.fingerprint[row])]
                why = WHY_REFUSED[outcome if said.place[row] >= 0 else NOT_MET]
                ts, value = said.ts[row], said.value[row]
                letters.append(_letter(series, value, ts, Reason.ORPHAN_LABEL, why))
        refusals.verdicts(letters, output)
        if not len(self._waiting):
            self._series.clear()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that waits, for a checkpoint."""
        _, columns = self._waiting.joined()
        named = [(item.name, item.labels) for item in self._series.values()]
        return {
            "fingerprint": columns.fingerprint,
            "ts": columns.ts,
            "value": columns.value,
            "series": np.frombuffer(msgspec.msgpack.encode(named), np.uint8),
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Go on from a checkpoint; one of an older version has no verdicts."""
        if not arrays:
            return
        labels = list[tuple[str, tuple[tuple[str, str], ...]]]
        for name, own in msgspec.msgpack.decode(arrays["series"].tobytes(), type=labels):
            series = Series(name, own)
            self._series[series.fingerprint] = series
        flags = np.full(len(arrays["ts"]), FLAG_FEEDBACK, np.uint8)
        columns = Columns(arrays["fingerprint"], arrays["ts"], arrays["value"], flags)
        self._waiting.add(np.zeros(len(columns), np.int32), columns)


def _letter(
    series: Series, value: np.float64, ts: np.int64, reason: Reason, detail: str
) -> DeadLetter:
    """The dead letter of a verdict, as the record that says it."""
    verdict, _, judged = unpacked(np.array([value]), np.array([ts]))
    record = {
        "ts": rfc3339(int(judged[0])),
        "series": str(series),
        "verdict": VERDICTS[verdict[0]],
        "at": rfc3339(int(ts)),
    }
    return DeadLetter(
        source=SOURCE,
        partition=-1,
        offset=-1,
        reason=reason,
        detail=detail,
        key=None,
        value=msgspec.json.encode(record),
        ts=int(judged[0]),
    )
