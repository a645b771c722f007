"""Parameters of our sequential drift detectors in the configuration, with what they may be."""

from typing import Annotated, Literal

import msgspec

from engine.drift.run_length import FALSE_ALARM_EVENTS, FALSE_ALARM_EVENTS_MIN

WINDOW_MAX = 2_000
"""Longest window of `ks_window`: all of it is kept for each series."""

_Direction = Literal["rise", "fall", "both"]
_Events = Annotated[float, msgspec.Meta(ge=FALSE_ALARM_EVENTS_MIN)]
_Probability = Annotated[float, msgspec.Meta(gt=0, lt=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class RunLengthParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `level` and `spread` (see `engine.drift.run_length`).

    Attributes
    ----------
    false_alarm_events : float
        Expected samples of a series between its false alarms while nothing changes.
    direction : {"rise", "fall", "both"}
        Which changes count.
    settle : int or None
        Samples that are passed over at the start and after an alarm; None: the detector's own.
    """

    false_alarm_events: _Events = FALSE_ALARM_EVENTS
    direction: _Direction = "both"
    settle: Annotated[int, msgspec.Meta(ge=0)] | None = None

    def __post_init__(self) -> None:
        """Leave some of a run to detect in."""
        if self.settle is not None and self.settle >= self.false_alarm_events:
            raise ValueError("settle has to be smaller than false_alarm_events")


class RateParams(RunLengthParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `rate`, as of `RunLengthParams`."""

    direction: _Direction = "rise"


class KsWindowParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `ks_window`, as of `engine.drift.kswin.KsWindow`."""

    alpha: _Probability = 0.005
    window_size: Annotated[int, msgspec.Meta(ge=2, le=WINDOW_MAX)] = 100
    stat_size: _Count = 30

    def __post_init__(self) -> None:
        """Leave the window room for the newest part and as much again."""
        if 2 * self.stat_size > self.window_size:
            raise ValueError("window_size has to be at least twice stat_size")


class PageHinkleyParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `page_hinkley`, as of `engine.drift.cusum.PageHinkley`."""

    min_instances: _Count = 30
    delta: Annotated[float, msgspec.Meta(ge=0)] = 0.005
    threshold: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    alpha: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1 - 0.0001
    mode: Literal["up", "down", "both"] = "both"


class HddmAParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `hddm_a`, as of `engine.drift.hddm.HddmA`."""

    drift_confidence: _Probability = 0.001
    warning_confidence: _Probability = 0.005
    two_sided_test: bool = False


class HddmWParams(HddmAParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `hddm_w`, as of `engine.drift.hddm.HddmW`."""

    lambda_val: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05


SEQUENTIAL_PARAMS: dict[str, type[msgspec.Struct]] = {
    "rate": RateParams,
    "level": RunLengthParams,
    "spread": RunLengthParams,
    "ks_window": KsWindowParams,
    "page_hinkley": PageHinkleyParams,
    "hddm_a": HddmAParams,
    "hddm_w": HddmWParams,
}
"""By the detectors' names."""
