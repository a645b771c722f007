"""Episodes of drift with rows, made for tests of their reports."""

import msgspec
import numpy as np

from engine.codecs.predictions import Column, Kind
from engine.drift.version_monitor import Evidence
from engine.events import DriftEvent
from engine.events.drift import (
    DriftBudget,
    DriftCause,
    DriftSegment,
    DriftWindow,
    MovedValue,
    SmallPicture,
)
from engine.pipeline.evidence import EvidenceFolder

EPISODE = "ab" * 16
ATTACK = "</script><script>alert('\"&')</script>"

PICTURE = SmallPicture(bins=("..10", "10..20", "20.."), reference=(0.5, 0.3, 0.2),
                       window=(0.1, 0.1, 0.8))  # fmt: skip


def hour(number):
    return f"2026-01-02T{number:02}:00:00Z"


def cause(feature="income", segment="region=eu", **changes):
    fields = {
        "kind": "data",
        "method": "psi",
        "score": 0.21,
        "effect": 4.2,
        "pValue": 3e-21,
        "importance": 2.1,
        "share": 0.9,
        "direction": "mean up from 4100 to 4630",
        "moved": (MovedValue("20..", 0.2, 0.8),),
        "picture": PICTURE,
    }
    return DriftCause(feature=feature, segment=segment, **fields | changes)


def event(seq=0, **changes):
    fields = {
        "id": f"{seq:032x}",
        "episode": EPISODE,
        "status": "update" if seq else "open",
        "seq": seq,
        "model": "credit",
        "version": "3",
        "group": "drift",
        "severity": "warning",
        "openedAt": hour(2),
        "onsetAt": hour(0),
        "evaluatedAt": hour(2 + seq),
        "window": DriftWindow(hour(1 + seq), hour(2 + seq), 900, 5000),
        "budget": DriftBudget(1.0, 1e-4),
        "causes": (cause(), cause("age", "", picture=None, moved=(), direction="")),
        "segments": (DriftSegment("region=eu", 1.0, ("income", "age")),),
        "reason": "Drift of credit 3: income in region=eu & more.",
    }
    return DriftEvent(**fields | changes)


def numeric(values):
    return Column(Kind.NUMERIC, np.asarray(values, np.float64))


def text(values):
    names = sorted({value for value in values if value is not None})
    codes = [-1 if value is None else names.index(value) for value in values]
    return Column(Kind.CATEGORICAL, np.array(codes, np.int32), names)


def columns(shift, rows=40):
    random = np.random.default_rng(1)
    income = random.normal(4100.0 + shift, 100.0, rows)
    income[:4] = np.nan
    return {
        "income": numeric(income),
        "region": text([None, "eu", "eu", "us"] * (rows // 4)),
        "active": Column(Kind.BOOLEAN, np.array([1, 0, 0, 0] * (rows // 4), np.int8)),
    }


def keep(folder, said, reference=None, window=None):
    """Keep rows of an episode as a run does, columns of either side by name."""
    EvidenceFolder(folder / "evidence").keep(
        Evidence(said, reference or columns(0.0), window or columns(500.0))
    )


def say(folder, *events, tail=b""):
    """Write records as a folder sink does."""
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in events)
    (folder / "drift.jsonl").write_bytes(lines + tail)
