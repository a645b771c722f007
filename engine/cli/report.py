"""``streamgauge report``: an episode of drift as a page."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.cli.console import Console
from engine.config.schema import StateConfig
from engine.replay.report_episode import find_episode
from engine.replay.report_files import default_file, write_report
from engine.replay.report_page import headline

_STATE = Path(StateConfig().dir)


def report_command(
    episode: str,
    *,
    folder: Annotated[Path, Parameter(name="--from")] = _STATE,
    records: Path | None = None,
    out: Path | None = None,
    plain: bool = False,
    json: bool = False,
) -> None:
    """Write an episode of drift as a page, with its causes and pictures.

    The page needs nothing beside it and runs no script. With the extra `reports` Evidently's
    report of the same rows is written beside it.

    Parameters
    ----------
    episode
        The episode's id, the begin of one, or `latest`.
    folder
        Folder of a replay's results, or of a run's state.
    records
        The run's drift.jsonl, for the timeline, where it is not in that folder.
    out
        The page's file; by default report-ID.html, with the first 8 digits of the id.
    plain
        Leave Evidently's report out.
    json
        Print the files' paths as JSON.
    """
    found = find_episode(episode, folder, records)
    files = write_report(found, out or default_file(found), plain=plain)
    console = Console(json=json)
    if json:
        console.print_json(files)
        return
    console.line(headline(found))
    console.line(found.shown.reason)
    console.line(f"the report is in {files.report}")
    if files.evidently is not None:
        console.line(f"Evidently's is in {files.evidently}")
    elif files.note:
        console.line(files.note)
