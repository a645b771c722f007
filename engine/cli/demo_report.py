"""What the demo has found, beside what is labelled."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from engine.cli.console import Console, count_text
from engine.events import DriftEvent
from engine.replay.drift_labels import (
    DriftFinding,
    Sign,
    compare_drifts,
    load_drifts,
    opened_episodes,
)
from engine.replay.episodes import Episode
from engine.replay.labels import Finding, compare, load_incidents
from engine.replay.player import Summary
from engine.sources.demo_fleet import DEMO_FOLDER, LABELS_FILE
from engine.sources.demo_models import CALLS, LABELS, PREDICTIONS


@dataclass(frozen=True, slots=True)
class FleetSize:
    """How much the recording of the fleet holds; models' series come on top in a summary."""

    samples: int
    series: int


def fleet_size() -> FleetSize:
    """Count what the recording of the fleet holds."""
    rows = pl.scan_parquet(DEMO_FOLDER / "*.parquet")
    counted = rows.select(pl.len(), series=pl.struct("name", "labels").n_unique()).collect()
    return FleetSize(*counted.row(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """What was found.

    Attributes
    ----------
    findings : list of Finding
        Of the fleet's incidents.
    others : list of Episode
        Alerts on the fleet that no incident explains.
    opened : list of DriftEvent
        Episodes of models as they opened.
    drifts : list of DriftFinding
        Of the labelled drifts.
    other_signs : list of Sign
        What was said of models and no labelled drift explains.
    """

    findings: list[Finding]
    others: list[Episode]
    opened: list[DriftEvent]
    drifts: list[DriftFinding]
    other_signs: list[Sign]

    @classmethod
    def of(cls, summary: Summary, records: Path, labelled: Path) -> "DemoReport":
        """Compare a replay, and the drift records that it wrote, with what is labelled.

        Parameters
        ----------
        summary : Summary
        records : Path
            ``drift.jsonl``.
        labelled : Path
            ``drifts.json``.
        """
        of_fleet = [episode for episode in summary.episodes if "model" not in episode.labels]
        of_models = [episode for episode in summary.episodes if "model" in episode.labels]
        findings, others = compare(load_incidents(DEMO_FOLDER / LABELS_FILE), of_fleet)
        opened = sorted(opened_episodes(records), key=lambda event: event.openedAt)
        drifts, other_signs = compare_drifts(load_drifts(labelled), opened, of_models)
        return cls(
            findings=findings,
            others=others,
            opened=opened,
            drifts=drifts,
            other_signs=other_signs,
        )

    def as_json(self) -> dict[str, Any]:
        """Give what `streamgauge demo --json` prints beside the summary."""
        return {
            "findings": self.findings,
            "others": self.others,
            "drifts": self.drifts,
            "other_signs": self.other_signs,
        }

    def show_drifts(self, console: Console, rows: Mapping[str, int]) -> None:
        """Print the episodes of models, and which labelled drifts they are about.

        Parameters
        ----------
        console : Console
        rows : mapping of str to int
            How many there are of `PREDICTIONS`, `LABELS` and `CALLS`.
        """
        for event in self.opened:
            console.line(f"{event.openedAt}  {event.group:17} {event.reason}")
        console.line("")
        console.table(("drift", "began", "found by", "after", "onset"), map(_drift, self.drifts))
        console.line("")
        found = sum(bool(finding.signs) for finding in self.drifts)
        console.line(
            f"{found} of {len(self.drifts)} drifts found; "
            f"{count_text(len(self.other_signs), 'other episode')} in "
            f"{count_text(rows[PREDICTIONS], 'prediction')} with "
            f"{count_text(rows[LABELS], 'label')} and "
            f"{rows[CALLS]:,} calls and evaluations"
        )
        for sign in self.other_signs:
            console.line(f"  {sign.at:%Y-%m-%dT%H:%M:%SZ}  {sign.name}: {sign.reason}")

    def show_incidents(self, console: Console, fleet: FleetSize) -> None:
        """Print which incidents of the fleet were found, and what else fired."""
        console.line("")
        console.table(("incident", "began", "found by", "after"), map(_incident, self.findings))
        console.line("")
        found = sum(bool(finding.episodes) for finding in self.findings)
        console.line(
            f"{found} of {len(self.findings)} incidents found; "
            f"{count_text(len(self.others), 'other alert')} in "
            f"{count_text(fleet.samples, 'sample')} of {count_text(fleet.series, 'series')}"
        )
        for episode in self.others:
            console.line(f"  {episode.fired_at}  {episode.alert}: {episode.reason}")


def _incident(finding: Finding) -> tuple[str, str, str, str]:
    incident = finding.incident
    alerts = ", ".join(dict.fromkeys(episode.alert for episode in finding.episodes))
    return (
        incident.description,
        _when(incident.start),
        alerts or "-",
        "" if finding.delay is None else str(finding.delay),
    )


def _drift(finding: DriftFinding) -> tuple[str, str, str, str, str]:
    drift = finding.drift
    names = ", ".join(dict.fromkeys(sign.name for sign in finding.signs))
    onset = next((sign.onset for sign in finding.signs if sign.onset is not None), None)
    return (
        f"{drift.model}: {drift.description}",
        _when(drift.start),
        names or "-",
        "" if finding.delay is None else str(finding.delay),
        "" if onset is None else _when(onset),
    )


def _when(moment: datetime) -> str:
    return f"{moment:%a %d %b %H:%M}"
