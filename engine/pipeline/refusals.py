"""Rows that a shard does not take, and samples that a model could not score: dead letters."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from engine.events import DeadLetter, Reason, native_row
from engine.pipeline.plan import FlowPlan
from engine.pipeline.score_streams import Watched
from engine.pipeline.shard_output import ShardOutput
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import Piece
from engine.sources.intake import DeadLetterRate


class Refusals:
    """Writes a shard's dead letters, as many as its part of the rate allows; counts all.

    Parameters
    ----------
    plan : FlowPlan
    """

    def __init__(self, plan: FlowPlan) -> None:
        self._plan = plan
        # The limit is the whole flow's; a shard has its part of it.
        self._rate = DeadLetterRate(ceil(plan.limits.dead_letters_per_second / plan.shards))

    def series(self, piece: Piece, refused: Columns, output: ShardOutput) -> None:
        """Reject rows of series beyond the limit."""
        output.count("limit_rows", len(refused))
        allowed = self._allowed(len(refused), output)
        if not allowed:
            return
        detail = f"more than limits.series = {self._plan.limits.series} series"
        # The text of a refused series is at hand only where it is first seen.
        described = {item.series.fingerprint: item.series for item in piece.definitions}
        for row, fingerprint in enumerate(refused.fingerprint[:allowed].tolist()):
            series = described.get(fingerprint)
            if series is not None:
                self._reject(piece, series, refused, row, Reason.LIMIT, detail, output)

    def late(
        self,
        piece: Piece,
        slot: NDArray[np.int32],
        refused: Columns,
        known: Sequence[Series],
        output: ShardOutput,
    ) -> None:
        """Reject rows at or below the time that has been handled; `known` are series by slot."""
        output.count("late_rows", len(refused))
        if self._plan.is_of_models(piece.progress.partition):
            return  # nobody has sent them
        for row, number in enumerate(slot[: self._allowed(len(refused), output)].tolist()):
            detail = "the watermark had passed it before its partition was read"
            self._reject(piece, known[number], refused, row, Reason.LATE, detail, output)

    def failures(
        self, detector: str, watched: Watched, known: Sequence[Series], output: ShardOutput
    ) -> None:
        """Say which samples a model could not score; `known` are series by slot."""
        failures = watched.scores.failures
        if not failures:
            return
        output.count("model_error_rows", len(failures))
        output.count("suspended_models", sum(failure.suspends for failure in failures))
        for failure in failures[: self._allowed(len(failures), output)]:
            row = watched.chosen[failure.row]
            ts, series = int(watched.rows.ts[row]), known[watched.rows.slot[row]]
            letter = DeadLetter(
                source=f"detector {detector}",
                partition=-1,
                offset=-1,
                reason=Reason.MODEL_ERROR,
                detail=failure.detail,
                key=None,
                value=native_row(series, ts, float(watched.rows.value[row])),
                ts=ts,
            )
            output.dead_letters.append(letter)

    def verdicts(self, letters: Sequence[DeadLetter], output: ShardOutput) -> None:
        """Reject verdicts of users that come too late or are about nothing."""
        for letter in letters:
            output.count(f"{letter.reason.value}_rows", 1)
        output.dead_letters += letters[: self._allowed(len(letters), output)]

    def _allowed(self, wanted: int, output: ShardOutput) -> int:
        """How many dead letters may be written now; the others are only counted."""
        allowed = self._rate.allow(wanted)
        output.count("suppressed_letters", wanted - allowed)
        return allowed

    def _reject(
        self,
        piece: Piece,
        series: Series,
        refused: Columns,
        row: int,
        reason: Reason,
        detail: str,
        output: ShardOutput,
    ) -> None:
        ts = int(refused.ts[row])
        letter = DeadLetter(
            source=self._plan.partitions[piece.progress.partition],
            partition=piece.progress.partition,
            offset=-1,
            reason=reason,
            detail=detail,
            key=None,
            value=native_row(series, ts, float(refused.value[row])),
            ts=ts,
        )
        output.dead_letters.append(letter)
