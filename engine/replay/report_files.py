"""Writes the report of an episode: our page, and Evidently's beside it where that is installed."""

from pathlib import Path

import msgspec

from engine.replay.report_episode import ReportedEpisode
from engine.replay.report_evidently import evidently_page, has_evidently
from engine.replay.report_page import episode_page, missing_samples
from engine.sinks.files import writing

ID_SHOWN = 8
"""Digits of an episode's id in the name of its files."""

_HOW_TO_GET = "Evidently's report of the same rows comes with: pip install 'streamgauge[reports]'"
_HOW_TO_READ = (
    "It judges each feature for itself by the rows kept alone, without segments and without a "
    "budget for false alarms, so it may find less or more."
)


class ReportFiles(msgspec.Struct, frozen=True):
    """Where the reports of an episode are; `note` says of Evidently's what there is to say."""

    episode: str
    report: str
    evidently: str | None
    note: str


def default_file(episode: ReportedEpisode) -> Path:
    """Give the file for an episode's report, in the working directory."""
    return Path(f"report-{episode.episode[:ID_SHOWN]}.html")


def write_report(episode: ReportedEpisode, out: Path, *, plain: bool) -> ReportFiles:
    """Write our page to `out`, and Evidently's to ``<its stem>-evidently.html``.

    Parameters
    ----------
    episode : ReportedEpisode
    out : Path
        Its folder is made if it is not there.
    plain : bool
        Leave Evidently's report out.

    Raises
    ------
    SinkError
        A file can't be written.
    """
    content, note = (None, "") if plain else _evidently(episode)
    beside = out.with_name(f"{out.stem}-evidently.html")
    if content is not None:
        _write(beside, content)
    link = None if content is None else beside.name
    _write(out, episode_page(episode, link=link, note=note))
    return ReportFiles(episode.episode, str(out), None if content is None else str(beside), note)


def _evidently(episode: ReportedEpisode) -> tuple[str | None, str]:
    """Give Evidently's page, if there is one, and what is to be said of it."""
    samples = episode.samples
    if samples is None:
        return None, f"There is no report of Evidently's. {missing_samples(episode)}"
    if not has_evidently():
        return None, _HOW_TO_GET
    try:
        content = evidently_page(samples, [cause.feature for cause in episode.shown.causes])
    except Exception as error:  # noqa: BLE001 - whatever ails it, there is our page
        return None, f"Evidently's report failed: {type(error).__name__}: {error}"
    if content is None:
        return None, "There is no report of Evidently's: no feature has rows on both sides."
    return content, _HOW_TO_READ


def _write(path: Path, content: str) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
