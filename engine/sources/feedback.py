"""Event time of verdicts: each takes effect when it was given, and never in the past."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from engine.codecs.verdicts import UNIT_NS, packed, unpacked, whole_units
from engine.config.durations import MILLISECOND_NS
from engine.events import Reason
from engine.series.columns import Columns
from engine.series.identity import Series
from engine.series.pieces import Definition
from engine.sources.intake import Intake, Taken
from engine.sources.partition_clock import NOT_YET

_NO_RECORD_NS = np.iinfo(np.int64).max // 2 // MILLISECOND_NS * MILLISECOND_NS
"""Record timestamps from here on stand for none."""


class FeedbackIntake(Intake):
    """Event-time checks of a partition of feedback.

    A verdict without a time of its own takes effect at its record's timestamp. None takes effect at
    or before what its partition has promised, nor before the one that stands before it in the log:
    none is late, and a partition that falls silent holds nothing back. Verdicts make no series.

    Its clock knows no lateness.
    """

    def take(
        self,
        columns: Columns,
        new_series: list[Series],
        record_ts: NDArray[np.int64] | None = None,
    ) -> Taken:
        """Date verdicts in log order (see `Intake.take`); `new_series` are all of these rows'."""
        self._learn_places(new_series)
        wild = np.zeros(len(columns), np.bool_)
        if record_ts is not None:
            wild = columns.ts - UNIT_NS >= record_ts + self._max_ahead_ns
        taken = super().take(self._dated(columns, record_ts, ~wild), [])
        self._refuse(
            taken, np.flatnonzero(wild), Reason.BAD_TIMESTAMP,
            "a timestamp is further ahead of the record's than time.max_ahead",
        )  # fmt: skip
        # Only beside rows: where there is none, a shard would take it for the begin of a series.
        here = set(taken.columns.fingerprint.tolist())
        taken.definitions = [
            Definition(series, 0, 0, self._place_if_known(series.fingerprint))
            for series in new_series
            if series.fingerprint in here
        ]
        return taken

    def _dated(
        self, columns: Columns, record_ts: NDArray[np.int64] | None, good: NDArray[np.bool_]
    ) -> Columns:
        """The good rows with the timestamps at which they take effect."""
        verdict, detector, judged = unpacked(columns.value, columns.ts)
        ts = columns.ts.copy()
        after = self.clock.newest
        for row in np.flatnonzero(good).tolist():
            is_given = ts[row] > judged[row]
            if record_ts is not None and not is_given and record_ts[row] < _NO_RECORD_NS:
                ts[row] = max(ts[row], whole_units(int(record_ts[row])))
            if after != NOT_YET:
                ts[row] = max(ts[row], (after // UNIT_NS + 1) * UNIT_NS)
            after = int(ts[row])
        dated = replace(columns, ts=ts, value=packed(verdict, detector, judged, ts))
        return dated.take(good)
