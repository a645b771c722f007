"""The page about an episode of drift: what moved, since when, why we say so, and how it looks."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from engine import __version__
from engine.drift.findings import ALL_FEATURES, PREDICTION, SCORE
from engine.events import DriftEvent
from engine.events.drift import DriftCause, MovedValue
from engine.replay.report_episode import ReportedEpisode
from engine.replay.report_html import (
    Html,
    element,
    facts,
    joined,
    number_text,
    page,
    percent_text,
    shortened,
    table,
)
from engine.replay.report_pictures import picture_of
from engine.replay.report_samples import FEATURES_MAX, samples_table

NOUNS = {"drift": "Drift", "data_quality": "Data quality", "quality": "Quality"}
"""What the groups of episodes are called, as in their reasons."""

ALL_ROWS = "all rows"
"""Stands for the segment that has no name."""

RECORDS_FIRST, RECORDS_LAST = 5, 15
"""Records of the timeline that are shown at its ends."""

_DIRECTION_MAX = 120
_NAMES = {
    PREDICTION: "what the model answers",
    SCORE: "how sure it is",
    ALL_FEATURES: "all features together",
}
_STATUS = {"open": "opened", "update": "grew", "closed": "closed"}


def headline(episode: ReportedEpisode) -> str:
    """Say in a line what the episode is of, how severe it is, and whether it goes on."""
    last = episode.last
    state = "closed" if last.status == "closed" else "open"
    return f"{NOUNS[last.group]} of {_model(last)}: {last.severity}, {state}"


def episode_page(episode: ReportedEpisode, *, link: str | None, note: str) -> str:
    """Write the page, which needs nothing beside it.

    Parameters
    ----------
    episode : ReportedEpisode
    link : str or None
        Name of the file with Evidently's report, beside this one.
    note : str
        What is to be said of Evidently's report.
    """
    title = headline(episode)
    shown = episode.shown
    return page(
        f"{title} - streamgauge",
        element("h1", title),
        _facts(episode),
        element("p", shown.reason, class_="reason"),
        _evidently(link, note),
        _section("Timeline", _timeline(episode)),
        _section("What moved", _causes(shown)),
        *(_cause(place, cause) for place, cause in enumerate(shown.causes)),
        _section("Segments", _segments(shown)),
        _section("Rows", _rows(episode)),
        element("footer", f"Episode {episode.episode}, written by streamgauge {__version__}."),
    )


def place_of(cause: DriftCause) -> str:
    """Name a feature with its segment."""
    name = shortened(cause.feature)
    return f"{name} in {shortened(cause.segment)}" if cause.segment else name


def _model(event: DriftEvent) -> str:
    return f"{shortened(event.model)} {shortened(event.version)}".rstrip()


def _section(title: str, *content: object) -> Html:
    return element("section", element("h2", title), *content)


def _facts(episode: ReportedEpisode) -> Html:
    shown, last = episode.shown, episode.last
    pairs: list[tuple[str, object]] = [
        ("Model", shortened(shown.model)),
        ("Version", shortened(shown.version) or "none"),
        ("What", NOUNS[shown.group]),
        ("Severity", last.severity),
        ("Began", f"{shown.onsetAt} (estimated)"),
        ("Opened", shown.openedAt),
    ]
    if last.status == "closed":
        pairs += [("Closed", last.evaluatedAt), ("Ended", last.endsAt or "not known")]
    else:
        pairs.append(("Last said", last.evaluatedAt))
    window = shown.window
    pairs += [
        ("Window shown", f"{window.begin} to {window.end}"),
        ("Compared", _compared(shown)),
        ("Budget", _budget(shown)),
    ]
    return facts(pairs)


def _compared(event: DriftEvent) -> str:
    window = event.window
    if not window.rows:
        return "every value as it came"
    return f"{window.rows:,} rows of the leading cause against {window.referenceRows:,}"


def _budget(event: DriftEvent) -> str:
    budget = event.budget
    plural = "" if budget.falseAlarmsPerWeek == 1 else "s"
    asked = f"{budget.falseAlarmsPerWeek:g} false alarm{plural} per week"
    if isinstance(budget.alpha, str):
        return asked
    return f"{asked}: p-values up to {number_text(budget.alpha)} count"


def _evidently(link: str | None, note: str) -> Html:
    if link is None:
        return element("p", note, class_="faint") if note else Html()
    anchor = element("a", "Evidently's report", href=quote(link))
    return element("p", anchor, " of the same rows. ", note)


def _timeline(episode: ReportedEpisode) -> Html:
    records = episode.records
    began: tuple[object, ...] = ("began (estimated)", episode.shown.onsetAt, *[""] * 5)
    rows: list[tuple[object, ...]] = [began, *map(_moment, records)]
    if len(records) > RECORDS_FIRST + RECORDS_LAST:
        left_out = len(records) - RECORDS_FIRST - RECORDS_LAST
        between: tuple[object, ...] = (f"and {left_out} more", *[""] * 6)
        rows[1 + RECORDS_FIRST : -RECORDS_LAST] = [between]
    return table(
        "Records of the episode, in event time",
        ("What", "When", "Window", "Rows", "Severity", "Moved the most", "Causes"),
        rows,
        numbers=frozenset({3, 6}),
    )


def _moment(event: DriftEvent) -> tuple[object, ...]:
    window = event.window
    leading = event.causes[0] if event.causes else None
    return (
        _STATUS[event.status],
        event.evaluatedAt,
        f"{window.begin} to {window.end}",
        f"{window.rows:,}",
        event.severity,
        "" if leading is None else f"{place_of(leading)}, {_score(leading)}",
        len(event.causes),
    )


def _score(cause: DriftCause) -> str:
    return f"{cause.method} {number_text(cause.score)}"


def _causes(event: DriftEvent) -> Html:
    return joined(
        (
            table(
                "Ranked by share: effect times importance, of all that moved",
                (
                    *("Feature", "Segment", "Method", "Score", "p-value"),
                    *("Effect", "Importance", "Share"),
                ),
                (
                    (
                        element("a", shortened(cause.feature), href=f"#cause-{place}"),
                        shortened(cause.segment) or ALL_ROWS,
                        cause.method,
                        number_text(cause.score),
                        number_text(cause.pValue),
                        number_text(cause.effect),
                        number_text(cause.importance),
                        percent_text(cause.share),
                    )
                    for place, cause in enumerate(event.causes)
                ),
                numbers=frozenset({3, 4, 5, 6, 7}),
            ),
            element("p", _legend(event), class_="faint"),
        )
    )


def _legend(event: DriftEvent) -> str:
    """Say what the columns mean, and what those names are that are no feature's."""
    named = {cause.feature for cause in event.causes}
    return " ".join(
        (
            "Effect is the score in units of the least one that counts.",
            "The average feature has an importance of 1.",
            *(f"{name} is {meaning}." for name, meaning in _NAMES.items() if name in named),
        )
    )


def _cause(place: int, cause: DriftCause) -> Html:
    """Show how a feature moved; what has no picture says so."""
    name = place_of(cause)
    return element(
        "section",
        element("h3", name, id=f"cause-{place}"),
        element("p", "; ".join(_words(cause))),
        *_figure(cause, name, f"picture-{place}"),
        *_moved(cause.moved),
    )


def _words(cause: DriftCause) -> Iterator[str]:
    if cause.direction:
        yield shortened(cause.direction, _DIRECTION_MAX)
    yield f"{_score(cause)}, p = {number_text(cause.pValue)}"
    if cause.picture is None and not cause.moved:
        yield "there is no distribution to show of it"


def _figure(cause: DriftCause, name: str, identity: str) -> Iterable[Html]:
    if cause.picture is None:
        return ()
    title = f"Distribution of {name}, reference and window"
    return (element("figure", picture_of(cause.picture, title, identity)),)


def _moved(moved: tuple[MovedValue, ...]) -> Iterable[Html]:
    if not moved:
        return ()
    rows = (
        (
            shortened(one.value),
            percent_text(one.referenceShare),
            percent_text(one.windowShare),
            f"{100 * (one.windowShare - one.referenceShare):+.1f}",
        )
        for one in moved
    )
    headings = ("Value", "Reference", "Window", "Percentage points")
    return (table("Values that moved the most", headings, rows, numbers=frozenset({1, 2, 3})),)


def _segments(event: DriftEvent) -> Html:
    if not event.segments:
        return element("p", "Only all rows together moved.")
    return table(
        "Segments by their share of all that moved in segments",
        ("Segment", "Share", "Features"),
        (
            (
                shortened(one.segment) or ALL_ROWS,
                percent_text(one.share),
                ", ".join(map(shortened, one.features)),
            )
            for one in event.segments
        ),
        numbers=frozenset({1}),
    )


def _rows(episode: ReportedEpisode) -> Html:
    samples = episode.samples
    if samples is None:
        return element("p", missing_samples(episode))
    text = (
        f"{samples.reference.height:,} rows of the reference and {samples.window.height:,} of the "
        "window were kept."
    )
    features = len(samples.features())
    if features > FEATURES_MAX:
        text += f" Shown are {FEATURES_MAX} of {features:,} features."
    first = (cause.feature for cause in episode.shown.causes)
    return joined((element("p", text), samples_table(samples, first)))


def missing_samples(episode: ReportedEpisode) -> str:
    """Say why there are no rows of an episode."""
    if episode.shown.group == "quality":
        return "Episodes of quality are of labels and errors: no rows are kept of them."
    return (
        "No rows of this episode are here: they are kept of the newest episodes that opened with a "
        "window, as many as limits.episodes says, in the state folder or beside a replay's results."
    )
