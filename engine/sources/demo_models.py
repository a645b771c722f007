"""The demo's models: their predictions, labels and calls as recordings, and the labelled drifts.

``python -m engine.sources.demo_models OUT`` writes them; ``streamgauge demo`` does so on its way.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from engine.sources import demo_credit, demo_llm
from engine.sources.demo_arrivals import Row, moment
from engine.sources.demo_plan import DAYS

SEED = 7
DRIFTS_FILE = "drifts.json"
PREDICTIONS, LABELS, CALLS = "predictions", "labels", "llm"
"""What there is; each is a recording, and a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledDrift:
    """What changes for a model, when, and what is meant to tell of it.

    Attributes
    ----------
    kind : str
    model : str
    start, end : datetime
    groups : tuple of str
        Groups of episodes that it shows in.
    features : tuple of str
        Of which one at least is among the causes of the episode, unless that is of quality.
    alerts : tuple of str
        Rules of ``demo/model_rules.yaml`` that see it.
    description : str
    """

    kind: str
    model: str
    start: datetime
    end: datetime
    groups: tuple[str, ...]
    features: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    description: str


DRIFTS = (
    LabelledDrift(
        kind="missing",
        model=demo_credit.MODEL,
        start=moment(demo_credit.MISSING_BEGIN_DAY),
        end=moment(demo_credit.MISSING_END_DAY),
        groups=("data_quality",),
        features=("years_employed",),
        description="The web form loses years_employed of 40 % of its customers.",
    ),
    LabelledDrift(
        kind="feature_shift",
        model=demo_credit.MODEL,
        start=moment(demo_credit.SHIFT_BEGIN_DAY),
        end=moment(demo_credit.SHIFT_END_DAY),
        groups=("drift",),
        features=("income",),
        description="The south sends net instead of gross income: a quarter less.",
    ),
    LabelledDrift(
        kind="upgrade",
        model=demo_llm.SERVICE,
        start=moment(demo_llm.UPGRADE_DAY),
        end=moment(demo_llm.LONG_BEGIN_DAY),
        groups=("data_quality",),  # the old version falls silent
        alerts=("LlmSilentUpgrade",),
        description="The provider answers with another model, unasked.",
    ),
    LabelledDrift(
        kind="concept_drift",
        model=demo_credit.MODEL,
        start=moment(demo_credit.CONCEPT_BEGIN_DAY),
        end=moment(DAYS),
        groups=("quality",),
        description="Layoffs: more loans default than the model knows, above all with debts.",
    ),
    LabelledDrift(
        kind="prompt_drift",
        model=demo_llm.SERVICE,
        start=moment(demo_llm.LONG_BEGIN_DAY),
        end=moment(DAYS),
        groups=("drift", "quality"),
        features=("input_tokens", "refusal", "finish_reason"),
        description="Birch pastes documents: longer prompts, more refusals, less faithful answers.",
    ),
)


def generate_models(*, seed: int = SEED, days: int = DAYS) -> dict[str, list[Row]]:
    """Make all rows, by what they are: `PREDICTIONS`, `LABELS` and `CALLS`; in order of time."""
    credit = demo_credit.generate_credit(seed, days)
    return {
        PREDICTIONS: credit.predictions,
        LABELS: credit.labels,
        CALLS: demo_llm.generate_llm(seed, days),
    }


def message(row: Row, shift_ms: int = 0) -> bytes:
    """Write a row as a native message, moved in time."""
    ts_ms, said = row
    return msgspec.json.encode({"ts": ts_ms + shift_ms, **said})


def write_models(models: Mapping[str, list[Row]], folder: Path) -> dict[str, Path]:
    """Write each as a recording of its own, ``<what>.jsonl``, beside ``drifts.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {what: folder / f"{what}.jsonl" for what in models}
    for what, rows in models.items():
        with paths[what].open("wb") as file:
            file.writelines(message(row) + b"\n" for row in rows)
    labelled: list[dict[str, Any]] = [asdict(drift) for drift in DRIFTS]
    (folder / DRIFTS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labelled)) + b"\n")
    return paths


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m engine.sources.demo_models OUT")
    write_models(generate_models(), Path(sys.argv[1]))
