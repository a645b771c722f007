"""Feedback said slowly and obviously: one series at a time, events one after the other."""

import math

STEP_MIN, STEP_MAX = -4, 8
REACH_NS = 3600 * 10**9
FALSE_ALARM, MISS, RETRACT = range(3)
NOT_MET, NOTHING_SAID, NO_ALARM, REPEATED, APPLIED = range(1, 6)


class NaiveSeries:
    """One series: its remembered alarms, its verdicts, and a boundary for each signal."""

    def __init__(self, signals):
        self.step = [0] * max(1, signals)
        self.alarms = []  # (ts, height, signals), the newest first
        self.verdicts = []  # (judged, verdict, change), the newest first
        self.episode, self.age = frozenset(), 0
        self.met = False

    @property
    def is_judged(self):
        return bool(self.verdicts) or any(self.step)

    def factor(self, signals):
        """The least factor of some signals, of all where there are none."""
        return 2.0 ** (min(self.step[k] for k in signals or range(len(self.step))) / 4)

    def move(self, signals, by):
        before = list(self.step)
        for k in signals or range(len(self.step)):
            self.step[k] = min(max(self.step[k] + by, STEP_MIN), STEP_MAX)
        return [after - old for after, old in zip(self.step, before, strict=True)]

    def say(self, judged, verdict):
        """Apply a verdict; gives what became of it."""
        if not self.met:
            return NOT_MET
        if not self.is_judged:
            self.episode, self.age = self.alarms[0][2] if self.alarms else frozenset(), 0
        if any(item[:2] == (judged, verdict) for item in self.verdicts):
            return REPEATED
        signals, by = frozenset(), -1
        if verdict == FALSE_ALARM:
            before = [alarm for alarm in self.alarms if alarm[0] <= judged]
            if not before or before[0][0] < judged - REACH_NS:
                return NO_ALARM
            by = 2 + math.floor(min(4 * math.log2(max(before[0][1], 1.0)), 12))
            signals = before[0][2]
        for item in self.verdicts:
            if item[0] == judged:
                self.verdicts.remove(item)
                self.step = [
                    min(max(step - change, STEP_MIN), STEP_MAX)
                    for step, change in zip(self.step, item[2], strict=True)
                ]
                if verdict == RETRACT:
                    return APPLIED
                break
        if verdict == RETRACT:
            return NOTHING_SAID
        self.verdicts = [(judged, verdict, self.move(signals, by)), *self.verdicts][:8]
        return APPLIED

    def see(self, ts, onset, state, parts):
        """Take a sample's scores; gives onset, state and factor by the moved boundaries."""
        self.met = True
        most = max(parts, default=0.0)
        loud = frozenset(k for k, part in enumerate(parts) if part > 0 and part >= most / 4)
        factor = 1.0
        if self.is_judged:
            if onset > 1:
                self.episode, self.age = loud, 0
            elif self.age < 30:
                self.age += 1
            elif state < 0.5:
                self.episode = frozenset()
            if onset > 0:
                whole = sum(part for part in parts if part > 0)
                scaled = sum(
                    part / 2.0 ** (step / 4)
                    for part, step in zip(parts, self.step, strict=False)
                    if part > 0
                )
                factor = whole / scaled if whole else self.factor(frozenset())
            onset = onset / factor if onset > 0 else onset
            state = state / self.factor(self.episode) if state > 0 else state
        if onset > 1:
            self.alarms = [(ts, float(onset), loud), *self.alarms][:4]
        return onset, state, factor
