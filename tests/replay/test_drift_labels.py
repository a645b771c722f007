"""Which labelled drifts episodes and alerts are about."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from engine.errors import UsageError
from engine.events import DriftBudget, DriftCause, DriftEvent, DriftWindow, rfc3339
from engine.replay.drift_labels import (
    GRACE,
    MIRROR,
    LabelledDrift,
    compare_drifts,
    load_drifts,
    opened_episodes,
)
from engine.replay.episodes import Episode

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=1)
HOUR = timedelta(hours=1)
SHIFT = LabelledDrift(
    kind="shift",
    model="m",
    start=START,
    end=END,
    groups=("drift", "quality"),
    features=("age", "income"),
    alerts=("Slump",),
    description="",
)


def text(moment):
    return rfc3339(round(moment.timestamp()) * 10**9)


def episode(at, feature="age", *, group="drift", model="m", status="open"):
    cause = DriftCause(
        feature=feature, segment="", kind="data", method="ks", score=0.3, effect=6.0,
        pValue=1e-9, importance=1.0, share=1.0,
    )  # fmt: skip
    return DriftEvent(
        id="0" * 32, episode="1" * 32, status=status, seq=0, model=model, version="1",
        group=group, severity="warning", openedAt=text(at), onsetAt=text(at - HOUR),
        evaluatedAt=text(at), window=DriftWindow(text(at - HOUR), text(at), 100, 1000),
        budget=DriftBudget(1.0, 1e-5), causes=(cause,), segments=(), reason=f"{feature} moved",
    )  # fmt: skip


def alert(at, name="Slump", model="m"):
    return Episode(
        fingerprint="f", alert=name, labels={"model": model}, active_at=text(at),
        fired_at=text(at), value=1.0, reason="because",
    )  # fmt: skip


def test_a_drift_is_found_by_the_first_sign_about_it():
    opened = [episode(START + 3 * HOUR), episode(START + 2 * HOUR, "income")]
    (finding,), others = compare_drifts([SHIFT], opened, [alert(START + 4 * HOUR)])
    assert [sign.name for sign in finding.signs] == ["drift: income", "drift: age", "Slump"]
    assert finding.delay == 2 * HOUR
    assert finding.signs[0].onset == START + HOUR
    assert others == []


@pytest.mark.parametrize(
    ("sign", "is_about"),
    [
        (episode(START), True),
        (episode(END + GRACE), True),
        (episode(END + GRACE + timedelta(seconds=1)), False),
        (episode(START - timedelta(seconds=1)), False),
        (episode(START, "height"), False),
        (episode(START, "error", group="quality"), True),
        (episode(START, group="data_quality"), False),
        (episode(START, model="other"), False),
    ],
)
def test_an_episode_is_about_a_drift_of_its_model_time_group_and_feature(sign, is_about):
    (finding,), others = compare_drifts([SHIFT], [sign], [])
    assert bool(finding.signs) == is_about
    assert bool(others) != is_about
    assert (finding.delay is None) != is_about


def test_alerts_count_if_the_label_names_them_and_mirrors_do_not():
    alerts = [alert(START, MIRROR), alert(START, "Else"), alert(START, model="other")]
    (finding,), others = compare_drifts([SHIFT], [], alerts)
    assert not finding.signs
    assert [(sign.name, sign.model) for sign in others] == [("Else", "m"), ("Slump", "other")]


def test_only_records_that_open_are_read(tmp_path):
    path = tmp_path / "drift.jsonl"
    assert list(opened_episodes(path)) == []
    opened = episode(START)
    records = [opened, episode(START, status="update"), episode(START, status="closed")]
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
    assert list(opened_episodes(path)) == [opened]


def test_labels_are_read_or_refused(tmp_path):
    path = tmp_path / "drifts.json"
    with pytest.raises(UsageError, match="holds no labelled drifts"):
        load_drifts(path)
    path.write_bytes(msgspec.json.encode([SHIFT]))
    assert load_drifts(path) == [SHIFT]
    path.write_bytes(b"[1]")
    with pytest.raises(UsageError, match="holds no labelled drifts"):
        load_drifts(path)
