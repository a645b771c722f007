"""Episodes: one record when drift begins, grows and is over, however many windows there are."""

import math
import random
from itertools import pairwise

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.drift.episode_ranking import CAUSES_MAX, ranked
from engine.drift.episode_state import NAMES_MAX
from engine.drift.episodes import EpisodeParams, Episodes, EpisodesState, Finding
from engine.drift.findings import Moved, Picture
from engine.events import DriftEvent, TriggerEvent, event_id, json_schemas, rfc3339

HOUR_NS = 3_600_000_000_000
START = 500_000 * HOUR_NS
LATE_NS = 60_000_000_000
PARAMS = EpisodeParams()


def finding(hour, score=0.0, **changes):
    """Give a finding of the window that begins with an hour; it is significant from 0.05."""
    values = {
        "kind": "data",
        "segment": "",
        "feature": "income",
        "method": "psi",
        "score": score,
        "p_value": 1e-9 if score >= 0.05 else 0.4,
        "alpha": 1e-4,
        "significant": score >= 0.05,
        "score_min": 0.05,
        "window_begin_ns": START + hour * HOUR_NS,
        "window_end_ns": START + (hour + 1) * HOUR_NS,
        "rows": 900,
        "reference_rows": 5000,
    }
    return Finding(**values | changes)


def tick(hour):
    return START + (hour + 1) * HOUR_NS + LATE_NS


def run(windows, episodes=None, begin=0):
    """Give the records of some windows, each a list of findings or the score of one."""
    episodes = episodes or Episodes("credit", "3", PARAMS)
    records = []
    for hour, window in enumerate(windows, begin):
        found = [finding(hour, window)] if isinstance(window, float) else window
        records += episodes.update(tick(hour), found)
    return records


def statuses(records):
    return [record.event.status for record in records]


def test_an_episode_opens_and_closes_once():
    opened, closed = run([0.0, 0.1, 0.1, 0.11, 0.1, 0.0, 0.0, 0.0])
    assert (opened.event.status, closed.event.status) == ("open", "closed")
    assert opened.event.episode == closed.event.episode
    assert (opened.event.seq, closed.event.seq) == (0, 1)
    assert (opened.tick, closed.tick) == (tick(1), tick(6))
    assert opened.event.openedAt == opened.event.evaluatedAt == rfc3339(tick(1))
    assert opened.event.onsetAt == rfc3339(START + HOUR_NS)
    assert opened.event.endsAt is None
    assert closed.event.openedAt == opened.event.openedAt
    assert closed.event.endsAt == rfc3339(START + 5 * HOUR_NS)
    assert closed.event.evaluatedAt == rfc3339(tick(6))
    # What closes says what it was at its strongest.
    assert closed.event.causes[0].score == 0.11
    assert closed.event.window.begin == rfc3339(START + 3 * HOUR_NS)
    assert opened.event.window.rows == 900
    assert opened.event.window.referenceRows == 5000
    assert opened.event.budget.falseAlarmsPerWeek == 1
    assert opened.event.budget.alpha == 1e-4


def test_one_quiet_window_does_not_close():
    assert statuses(run([0.1, 0.0, 0.1, 0.0, 0.1, 0.0, 0.0])) == ["open", "closed"]


def test_windows_without_enough_data_count_for_nothing():
    assert statuses(run([0.1, [], 0.0, [], [], []])) == ["open"]
    opened, closed = run([0.1, [], 0.0, [], 0.0])
    assert closed.tick == tick(4)
    assert opened.event.episode == closed.event.episode


def test_data_of_other_places_does_not_close_until_long_after():
    elsewhere = [[finding(hour, 0.0, segment="us")] for hour in range(1, 30)]
    records = run([[finding(0, 0.1, segment="eu")], *elsewhere])
    assert statuses(records) == ["open", "closed"]
    assert records[1].tick == tick(PARAMS.unseen_after)
    assert "with no data where it was" in records[1].event.reason


def test_an_alarm_of_a_detector_is_over_where_there_is_data_of_its_segment():
    alarm = finding(
        0, 4.0, kind="sequential", feature="error", method="rate", segment="eu", onset_ns=START - 5
    )
    quiet = [[finding(hour, 0.0, segment="eu")] for hour in (1, 2)]
    opened, closed = run([[alarm], *quiet])
    assert opened.event.onsetAt == rfc3339(START - 5)
    assert closed.tick == tick(2)


def test_growth_is_told_and_nothing_else():
    scores = [0.1, 0.12, 0.126, 0.13, 0.15, 0.16, 0.1, 0.19]
    records = run(scores)
    assert statuses(records) == ["open", "update", "update"]
    assert [record.tick for record in records] == [tick(0), tick(2), tick(5)]
    assert "effect from 2 to 2.52" in records[1].event.reason
    assert [record.event.causes[0].score for record in records] == [0.1, 0.126, 0.16]


def test_new_features_and_segments_are_told_once():
    def window(hour, *places):
        return [finding(hour, 0.1, segment=segment, feature=name) for segment, name in places]

    records = run(
        [
            window(0, ("", "income")),
            window(1, ("", "income"), ("", "age")),
            window(2, ("", "age")),
            window(3, ("", "age"), ("eu", "income"), ("us", "income")),
            window(4, ("us", "age"), ("eu", "age")),
        ]
    )
    assert [(record.event.status, record.event.seq) for record in records] == [
        *(("open", 0), ("update", 1), ("update", 2))
    ]
    assert "(new feature age)" in records[1].event.reason
    assert "(new segment eu and 1 more)" in records[2].event.reason
    assert {record.key for record in records} == {"credit/income"}  # the feature that opened it


def test_severity_rises_and_is_told_once():
    params = EpisodeParams(critical_rank=4, growth=100)
    records = run([0.1, 0.21, 0.1, 0.22, 0.0, 0.0], Episodes("credit", "3", params))
    found = [(record.event.status, record.event.severity) for record in records]
    assert found == [("open", "warning"), ("update", "critical"), ("closed", "critical")]


def test_severity_counts_importance():
    (record,) = run([1.0], Episodes("credit", "3", PARAMS, lambda name: 0.1))
    assert record.event.severity == "warning"
    (record,) = run([1.0])
    assert record.event.severity == "critical"


def test_a_window_that_is_told_again_neither_updates_nor_closes():
    episodes = Episodes("credit", "3", PARAMS)
    assert len(episodes.update(tick(0), [finding(0, 0.1)])) == 1
    assert episodes.update(tick(1), [finding(0, 0.4)]) == []
    for again in range(2, 9):
        assert episodes.update(tick(again), [finding(0, 0.0)]) == []
    (grown,) = episodes.update(tick(9), [finding(1, 0.4)])
    assert grown.event.status == "update"


def test_groups_have_episodes_of_their_own():
    records = run(
        [
            [
                finding(0, 0.1, kind="concept", feature="(score)", method="accuracy_gap"),
                finding(0, 0.1, kind="data_quality", method="missing"),
                finding(0, 0.1, kind="prediction", feature="(score)"),
                finding(0, 0.1),
            ]
        ]
    )
    assert [record.event.group for record in records] == ["drift", "data_quality", "quality"]
    assert len({record.event.episode for record in records}) == 3
    assert records[0].event.causes[0].feature == "(score)"  # a tie is in order of names
    assert len(records[0].event.causes) == 2


def test_groups_close_by_their_own_findings():
    def quality(hour):
        return [finding(hour, kind="quality", method="accuracy")]

    assert statuses(run([0.1, quality(1), quality(2), quality(3)])) == ["open"]


def test_onset_is_since_when_p_values_have_been_small():
    def window(hour, p_value, **changes):
        return [finding(hour, 0.04, p_value=p_value, **changes)]

    windows = [window(0, 0.01), window(1, 0.2), window(2, 0.05), [], window(4, 0.001)]
    (opened,) = run([*windows, 0.1])
    assert opened.event.onsetAt == rfc3339(START + 2 * HOUR_NS)


def test_onset_is_of_the_leading_feature():
    windows = [
        [finding(hour, 0.04, p_value=0.01), finding(hour, 0.0, feature="age")] for hour in range(3)
    ]
    last = [finding(3, 0.06), finding(3, 0.3, feature="age")]
    (opened,) = run([*windows, last])
    assert opened.event.onsetAt == rfc3339(START + 3 * HOUR_NS)
    assert opened.feature == "age"


def test_the_least_onset_that_is_told_counts():
    told = [
        finding(5, 0.1, onset_ns=START + 99),
        finding(5, 0.1, feature="age", onset_ns=START + 7),
        finding(5, 0.0, feature="job", onset_ns=START),  # not significant
    ]
    (opened,) = run([told], begin=5)
    assert opened.event.onsetAt == rfc3339(START + 7)


def test_an_episode_does_not_begin_before_the_last_one_ended():
    def still_small(hour):
        return [finding(hour, 0.04, p_value=0.01)]

    records = run([0.1, 0.1, still_small(2), still_small(3), 0.1])
    assert statuses(records) == ["open", "closed", "open"]
    assert records[2].event.onsetAt == records[1].event.endsAt == rfc3339(START + 2 * HOUR_NS)
    assert records[2].event.episode != records[0].event.episode


def test_ids_say_what_the_records_say():
    (opened,) = run([0.1])
    episode = event_id("episode", "credit", "3", "drift", START + HOUR_NS, tick(0))
    assert opened.event.episode == episode
    assert opened.event.id == event_id("drift", episode, "open", 0, tick(0))
    again = run([0.1, 0.3, 0.0, 0.0])
    assert again[0] == opened
    assert len({record.event.id for record in again}) == 3
    (other,) = run([0.1], Episodes("credit", "4", PARAMS))
    assert other.event.episode != episode


def test_causes_are_ranked_by_effect_times_importance():
    importance = {"age": 3.0, "income": 1.0, "job": 0.5}
    found = [
        finding(0, 0.2),
        finding(0, 0.1, feature="age", segment="eu"),
        finding(0, 0.3, feature="job", segment="us"),
        finding(0, 8.0, feature="job", segment="us", method="wasserstein", score_min=4.0),
        finding(0, 0.1, feature="job", segment="eu"),
    ]
    ranking = ranked(reversed(found), importance.__getitem__)
    said = [(cause.feature, cause.segment, round(cause.effect, 9)) for cause in ranking.causes]
    assert said == [("age", "eu", 2), ("income", "", 4), ("job", "us", 6), ("job", "eu", 2)]
    assert [cause.share for cause in ranking.causes] == pytest.approx(
        [6 / 14, 4 / 14, 3 / 14, 1 / 14]
    )
    assert [cause.importance for cause in ranking.causes] == [3, 1, 0.5, 0.5]
    assert ranking.causes[2].method == "psi"  # the method with the larger effect
    assert [(one.segment, one.features) for one in ranking.top_segments] == [
        ("eu", ("age", "job")),
        ("us", ("job",)),
    ]
    assert [one.share for one in ranking.top_segments] == pytest.approx([0.7, 0.3])
    assert (ranking.effect, ranking.rank) == (pytest.approx(6), 6)


def test_ten_causes_are_said_and_the_others_counted():
    found = [finding(0, 0.1, feature=f"x{number:02}") for number in range(30)]
    ranking = ranked(found, lambda name: 1.0)
    assert [cause.feature for cause in ranking.causes] == [
        f"x{number:02}" for number in range(CAUSES_MAX)
    ]
    assert ranking.causes_left_out == 20
    (opened,) = run([found])
    assert opened.event.reason.count("(psi") == 3
    assert "and 27 more" in opened.event.reason


def test_scores_without_a_number_are_said_all_the_same():
    found = [
        finding(0, math.inf, feature="a", method="kl"),
        finding(0, math.nan, feature="b", significant=True, p_value=math.nan),
        finding(0, 1.0, feature="c", score_min=0.0),
    ]
    (opened,) = run([found])
    assert [(cause.score, cause.effect) for cause in opened.event.causes] == [
        ("+Inf", 1000),
        ("NaN", 1),
        (1.0, 1),
    ]
    assert opened.event.causes[1].pValue == "NaN"
    validate(opened.event)


def validate(event):
    value = msgspec.json.decode(msgspec.json.encode(event))
    jsonschema.validate(value, json_schemas()["drift"])
    return value


def test_records_keep_their_schema_and_read_well():
    params = EpisodeParams(on_episode="retrain")
    picture = Picture(("0..10", "10..20"), (0.7, 0.3), (0.4, 0.6))
    full = finding(
        0, 0.42, segment="region=eu", direction="mean up from 8.2 to 11.9",
        moved=(Moved("10..20", 0.3, 0.6),), picture=picture,
    )  # fmt: skip
    shared = finding(0, 0.06, method="ks", segment="region=eu")
    episodes = Episodes("credit", "3", params)
    records = run([[shared, full], [finding(1, 0.9, segment="region=eu")]], episodes)
    records += run([[finding(2 + n, segment="region=eu")] for n in range(2)], episodes, begin=2)
    values = [validate(record.event) for record in records]
    assert [value["type"] for value in values] == ["drift", "trigger", "drift", "drift"]
    assert values[0]["causes"][0]["moved"] == [
        {"value": "10..20", "referenceShare": 0.3, "windowShare": 0.6}
    ]
    assert values[0]["causes"][0]["picture"]["window"] == [0.4, 0.6]
    assert values[0]["segments"] == [{"segment": "region=eu", "share": 1.0, "features": ["income"]}]
    begin = rfc3339(START)
    assert values[0]["reason"] == (
        f"Drift of credit 3, probably since {begin}: income in region=eu mean up from 8.2 to 11.9, "
        "10..20 from 30 % to 60 % of the rows (psi 0.42, p = 1e-09); 900 rows against 5000, "
        "p-values up to 0.0001 count with a budget of 1 per week for false alarms."
    )
    assert values[1]["reason"] == f"Retrain: {values[0]['reason']}"
    assert values[3]["reason"] == (
        "Drift of credit 3 is over, with nothing significant in 2 windows; it was from "
        f"{begin} to {rfc3339(START + 2 * HOUR_NS)}, at its strongest: income in region=eu "
        "(psi 0.9, p = 1e-09)."
    )


def test_a_method_without_a_picture_shows_that_of_another():
    picture = Picture(("a",), (1.0,), (0.5,))
    moved = (Moved("a", 1.0, 0.5),)
    found = [finding(0, 0.5), finding(0, 0.1, method="z", moved=moved, picture=picture)]
    (opened,) = run([found])
    assert opened.event.causes[0].method == "psi"
    assert opened.event.causes[0].picture.bins == ("a",)


@pytest.mark.parametrize("action", ["retrain", "roll_back", "review"])
def test_an_episode_that_opens_asks_for_what_is_configured(action):
    params = EpisodeParams(on_episode=action)
    for kind in ("data", "quality"):
        records = run(
            [
                [finding(hour, score, kind=kind)]
                for hour, score in enumerate([0.1, 0.2] + [0.0] * params.close_after_quality)
            ],
            Episodes("credit", "3", params),
        )
        trigger = records[1].event
        assert isinstance(trigger, TriggerEvent)
        assert (trigger.action, trigger.model, trigger.version) == (action, "credit", "3")
        assert trigger.episode == records[0].event.episode
        assert trigger.window == records[0].event.window
        assert records[1].key == records[0].key
        assert [type(record.event) for record in records[2:]] == [DriftEvent, DriftEvent]
    missing = [[finding(0, 0.1, kind="data_quality", method="missing")]]
    assert len(run(missing, Episodes("credit", "3", params))) == 1


@pytest.mark.parametrize(("kind", "windows"), [("data", 2), ("quality", 8), ("concept", 8)])
def test_quality_is_over_after_more_windows_than_drift(kind, windows):
    scores = [0.1] + [0.0] * 9
    records = run([[finding(hour, score, kind=kind)] for hour, score in enumerate(scores)])
    (opened, closed) = (record.event for record in records)
    assert (opened.status, closed.status) == ("open", "closed")
    assert f"in {windows} windows" in closed.reason


SCORES = st.sampled_from([0.0, 0.04, 0.06, 0.1, 0.3])
PLACES = st.tuples(
    st.sampled_from(["data", "sequential", "data_quality", "quality", "concept"]),
    st.sampled_from(["", "eu", "us"]),
    st.sampled_from(["age", "income", "job"]),
    st.sampled_from(["psi", "ks"]),
)
STREAMS = st.lists(st.dictionaries(PLACES, SCORES, max_size=5), max_size=25)


def windows_of(stream):
    return [
        [
            finding(hour, score, kind=kind, segment=segment, feature=feature, method=method)
            for (kind, segment, feature, method), score in window.items()
        ]
        for hour, window in enumerate(stream)
    ]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STREAMS, st.data())
def test_a_restart_in_the_middle_is_no_restart(stream, data):
    windows = windows_of(stream)
    cut = data.draw(st.integers(0, len(windows)))
    first, second = (Episodes("credit", "3", PARAMS) for _ in range(2))
    records = run(windows[:cut], first)
    packed = msgspec.msgpack.encode(first.snapshot())
    second.restore(msgspec.msgpack.decode(packed, type=EpisodesState))
    assert second.open == first.open
    records += run(windows[cut:], second, begin=cut)
    assert records == run(windows)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STREAMS, st.randoms(use_true_random=False))
def test_every_episode_opens_once_and_its_records_are_in_order(stream, shuffle):
    windows = windows_of(stream)
    records = run(windows)
    for window in windows:
        shuffle.shuffle(window)
    assert run(windows) == records  # the order of findings does not show
    episodes = {}
    for record in records:
        episodes.setdefault(record.event.episode, []).append(record)
    for its in episodes.values():
        said = statuses(its)
        assert said[0] == "open"
        assert set(said[1:-1]) <= {"update"}
        assert said.count("closed") <= 1
        assert [record.event.seq for record in its] == list(range(len(its)))
        assert len({record.tick for record in its}) == len(its)  # at most one in a window
        assert len({record.key for record in its}) == 1
    for group in ("drift", "data_quality", "quality"):
        of_group = [record.event for record in records if record.event.group == group]
        for one, two in pairwise(of_group):
            assert (one.episode == two.episode) == (one.status != "closed")


def test_what_is_remembered_is_bounded():
    rng = random.Random(1)
    episodes = Episodes("credit", "3", EpisodeParams(runs_max=500))
    for hour in range(8):
        names = [f"x{rng.randrange(10**9)}" for _ in range(400)]
        episodes.update(tick(hour), [finding(hour, 0.1, feature=n, segment=n) for n in names])
    state = episodes.snapshot()
    assert len(state.runs) == 500
    newest = {run.feature for run in state.runs if run.end_ns == START + 8 * HOUR_NS}
    assert newest == set(names)  # those seen longest ago went first
    assert len(state.open["drift"].features) == len(state.open["drift"].segments) == NAMES_MAX
    assert len(state.open["drift"].watched) == 400
