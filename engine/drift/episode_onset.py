"""Estimates when a drift began that only windows see: since when its p-values were small."""

import math
from collections.abc import Iterable

import msgspec

from engine.drift.episode_findings import Finding

P_SMALL = 0.05
"""A p-value up to it, significant or not, belongs to the run of windows before an episode."""

Key = tuple[str, str, str, str]
"""Kind, segment, feature and method."""


class Run(msgspec.Struct, frozen=True):
    """Windows without a break whose p-values are small; begin of the first, end of the last."""

    kind: str
    segment: str
    feature: str
    method: str
    begin_ns: int
    end_ns: int


class Runs:
    """Since when each method's p-value of each feature and segment has been small.

    A window without enough data has no finding; it neither ends a run nor adds to it.

    Parameters
    ----------
    runs_max : int
        Beyond it, those that were seen longest ago are forgotten.
    """

    def __init__(self, runs_max: int) -> None:
        self._runs_max = runs_max
        self._runs: dict[Key, tuple[int, int]] = {}

    def follow(self, findings: Iterable[Finding]) -> None:
        """Learn what a window found, in `Finding.order`."""
        for finding in findings:
            key = _key(finding)
            known = self._runs.get(key)
            if known is not None and finding.window_end_ns < known[1]:
                continue  # a correction of an older window
            if not _is_small(finding):
                self._runs.pop(key, None)
                continue
            begin = finding.window_begin_ns if known is None else known[0]
            self._runs[key] = min(begin, finding.window_begin_ns), finding.window_end_ns
        if len(self._runs) > self._runs_max:
            order = sorted(self._runs, key=lambda key: (-self._runs[key][1], key))
            self._runs = {key: self._runs[key] for key in order[: self._runs_max]}

    def onset_ns(self, leading: Finding, significant: Iterable[Finding]) -> int:
        """Give the least onset that findings tell, else the begin of the leading one's run."""
        told = [finding.onset_ns for finding in significant if finding.onset_ns is not None]
        if told:
            return min(told)
        run = self._runs.get(_key(leading))
        return leading.window_begin_ns if run is None else min(run[0], leading.window_begin_ns)

    def snapshot(self) -> tuple[Run, ...]:
        """Give all runs, in order of their names."""
        return tuple(Run(*key, *self._runs[key]) for key in sorted(self._runs))

    def restore(self, runs: Iterable[Run]) -> None:
        """Go on from a snapshot."""
        self._runs = {
            (run.kind, run.segment, run.feature, run.method): (run.begin_ns, run.end_ns)
            for run in runs
        }


def _key(finding: Finding) -> Key:
    return finding.kind, finding.segment, finding.feature, finding.method


def _is_small(finding: Finding) -> bool:
    if math.isnan(finding.p_value):
        return finding.significant
    return finding.p_value <= P_SMALL
