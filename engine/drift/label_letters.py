"""Labels that can't be used, as dead letters."""

from typing import Literal

import msgspec
import numpy as np

from engine.drift.label_rows import Labels
from engine.events import DeadLetter, Reason, rfc3339

SOURCE = "models"
"""What dead letters of labels name as their source."""

_WHY = {
    "orphan": (Reason.ORPHAN_LABEL, "no prediction has this id within label_delay"),
    "late": (Reason.LATE, "the watermark had passed it before its partition was read"),
    "limit": (Reason.LIMIT, "too many different labels of this id"),
    "early": (Reason.LIMIT, "more labels before the first prediction than open_predictions"),
}


def label_letters(
    model: str, evaluator: str, why: Literal["orphan", "late", "limit", "early"], labels: Labels
) -> list[DeadLetter]:
    """Make a dead letter of each label; of ids, only their hashes are known."""
    reason, detail = _WHY[why]
    by = {"evaluator": evaluator} if evaluator else {}
    return [
        DeadLetter(
            source=SOURCE,
            partition=-1,
            offset=-1,
            reason=reason,
            detail=detail,
            key=None,
            value=msgspec.json.encode(
                {
                    "ts": rfc3339(ts),
                    "model": model,
                    "prediction_key": f"{key:016x}",
                    "label": None if np.isnan(label) else label,
                    **by,
                }
            ),
            ts=ts,
        )
        for key, ts, label in zip(*(column.tolist() for column in labels), strict=True)
    ]
