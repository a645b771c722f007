"""The series that the `load` statements of a promqltest file have stored so far."""

import re

import numpy as np
from promqltest_reader import HISTOGRAMS

from engine.promql.matrix import labels_of
from engine.promql.stored import Stored
from engine.rules.series_notation import MISSING, STALE
from engine.series.identity import NAME_LABEL

_CLASSIC_SUFFIX = re.compile("_(bucket|count|sum)$")


class Storage:
    """Series by labels; `unread` says of some of them why their samples are not all here."""

    def __init__(self):
        self.unread = {}
        self._samples = {}
        self._stored = None

    def load(self, statement):
        """Store series from time 0 on; those of earlier loads go on, as in a database."""
        self._stored = None
        self.unread |= statement.unread
        for series in statement.series:
            here = np.flatnonzero(series.kind != MISSING)
            stale = (series.kind[here] == STALE).tolist()
            samples = zip(series.value[here].tolist(), stale, strict=True)
            times = (here * statement.step_ns).tolist()
            held = self._samples.setdefault(series.labels, {})
            held.update(zip(times, samples, strict=True))
            if statement.nhcb:
                self.unread[_of_native(series.labels)] = HISTOGRAMS

    def stored(self):
        """Give all samples as a source."""
        if self._stored is None:
            self._stored = Stored(map(_columns, self._samples.items()))
        return self._stored


def _of_native(labels):
    """Give the labels of the native histogram that a classic one's series belongs to."""
    kept = {name: value for name, value in labels if name != "le"}
    return labels_of({**kept, NAME_LABEL: _CLASSIC_SUFFIX.sub("", kept[NAME_LABEL])}.items())


def _columns(item):
    labels, samples = item
    times = sorted(samples)
    return (
        labels,
        np.array(times, np.int64),
        np.array([samples[ts][0] for ts in times], np.float64),
        np.array([samples[ts][1] for ts in times], np.bool_),
    )
