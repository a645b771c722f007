"""Episodes, not flags: of what windows find, one record when it begins, grows and is over.

A model version has at most one open episode of each group: drift of inputs and outputs, state of
the data, quality. It opens with the first significant finding, and closes after some windows that
were evaluated and had none. Windows without enough data have no findings, and count for nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from msgspec.structs import replace

from engine.drift.episode_findings import Finding, FindingKind
from engine.drift.episode_onset import Runs
from engine.drift.episode_ranking import ImportanceOf, Ranking, ranked, window_of
from engine.drift.episode_reason import (
    reason_of_close,
    reason_of_open,
    reason_of_trigger,
    reason_of_update,
    subject_of,
)
from engine.drift.episode_state import NAMES_MAX, EpisodesState, OpenEpisode, Strongest, Watched
from engine.events import (
    Action,
    Drift,
    DriftBudget,
    DriftEvent,
    Group,
    TriggerEvent,
    event_id,
    number,
    rfc3339,
)

__all__ = ["EpisodeParams", "Episodes", "EpisodesState", "Finding", "FindingKind"]

GROUPS: tuple[Group, ...] = get_args(Group)

Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeParams:
    """When episodes open, grow and close.

    Attributes
    ----------
    false_alarms_per_week : float
        The budget that the findings' `alpha` follows from; said in the records.
    on_episode : Action or None
        What is asked for when an episode of drift or quality opens.
    close_after : int
        Evaluated windows in a row without a significant finding.
    close_after_quality : int
        The same of quality, which is a matter of days: labels that go on getting worse and better
        by turns are one episode.
    unseen_after : int
        Windows in a row without data where it was significant, though there is other data.
    growth : float
        An episode grew if its largest effect is this many times the one that was last said.
    critical_rank : float
        Effect times importance from which an episode is critical; below, it is a warning.
    runs_max : int
        P-values whose history is known, to estimate onsets.
    """

    false_alarms_per_week: float = 1.0
    on_episode: Action | None = None
    close_after: int = 2
    close_after_quality: int = 8
    unseen_after: int = 24
    growth: float = 1.25
    critical_rank: float = 5.0
    runs_max: int = 5_000


class Episodes:
    """The episodes of one version of a model.

    Parameters
    ----------
    model, version : str
    params : EpisodeParams
    importance_of : callable, optional
        From a feature's name to its importance; without, all have 1.
    """

    def __init__(
        self,
        model: str,
        version: str,
        params: EpisodeParams,
        importance_of: ImportanceOf | None = None,
    ) -> None:
        self._model = model
        self._version = version
        self._params = params
        self._importance_of = importance_of or _equal
        self._open: dict[Group, OpenEpisode] = {}
        self._closed_ns: dict[Group, int] = {}
        self._runs = Runs(params.runs_max)

    @property
    def open(self) -> dict[Group, str]:
        """Ids of the open episodes by group."""
        return {group: self._open[group].id for group in GROUPS if group in self._open}

    def update(self, tick_ns: int, findings: Iterable[Finding]) -> list[Drift]:
        """Take what was found in a window that is over.

        Parameters
        ----------
        tick_ns : int
            The tick at which the window is evaluated.
        findings : iterable of Finding
            All that there was enough data for, significant or not, in any order.

        Returns
        -------
        list of Drift
            At most one event for each group, and the request that follows from it.
        """
        ordered = sorted(findings, key=Finding.order)
        self._runs.follow(ordered)
        records = []
        for group in GROUPS:
            of_group = [finding for finding in ordered if finding.group == group]
            if of_group:
                records += self._judge(group, tick_ns, of_group)
        return records

    def end(self, tick_ns: int, why: str, groups: Collection[Group] = GROUPS) -> list[Drift]:
        """Close open episodes of some groups for another reason."""
        return [
            self._close(group, self._open[group], tick_ns, why)
            for group in GROUPS
            if group in groups and group in self._open
        ]

    def snapshot(self) -> EpisodesState:
        """Give all that is remembered, as plain values."""
        return EpisodesState(dict(self._open), dict(self._closed_ns), self._runs.snapshot())

    def restore(self, state: EpisodesState) -> None:
        """Go on from a snapshot."""
        self._open = dict(state.open)
        self._closed_ns = dict(state.closed_ns)
        self._runs.restore(state.runs)

    def _judge(self, group: Group, tick_ns: int, findings: list[Finding]) -> list[Drift]:
        significant = [finding for finding in findings if finding.significant]
        episode = self._open.get(group)
        if significant:
            ranking = ranked(significant, self._importance_of)
            if episode is None:
                return self._begin(group, tick_ns, significant, ranking)
            return self._go_on(group, episode, tick_ns, significant, ranking)
        return [] if episode is None else self._rest(group, episode, tick_ns, findings)

    def _begin(
        self, group: Group, tick_ns: int, significant: list[Finding], ranking: Ranking
    ) -> list[Drift]:
        leading = ranking.leading
        end_ns = _newest_end(significant)
        onset_ns = self._runs.onset_ns(leading, significant)
        closed_ns = self._closed_ns.get(group)
        if closed_ns is not None and closed_ns < leading.window_end_ns:
            onset_ns = max(onset_ns, closed_ns)
        episode = OpenEpisode(
            id=event_id("episode", self._model, self._version, group, end_ns, tick_ns),
            feature=leading.feature,
            seq=0,
            opened_ns=tick_ns,
            onset_ns=onset_ns,
            severity=self._severity(ranking),
            said_effect=ranking.effect,
            said_end_ns=end_ns,
            judged_end_ns=end_ns,
            last_end_ns=end_ns,
            features=ranking.features[:NAMES_MAX],
            segments=ranking.segments[:NAMES_MAX],
            watched=_watched(significant),
            strongest=self._found(ranking),
        )
        self._open[group] = episode
        found = episode.strongest
        subject = subject_of(group, self._model, self._version)
        reason = reason_of_open(subject, ranking, found.window, found.budget, onset_ns)
        event = self._event(group, episode, tick_ns, "open", found, reason)
        opened = Drift(self._model, episode.feature, tick_ns, event)
        action = self._params.on_episode
        if action is None or group == "data_quality":
            return [opened]
        return [opened, Drift(self._model, episode.feature, tick_ns, _trigger(action, event))]

    def _go_on(
        self,
        group: Group,
        episode: OpenEpisode,
        tick_ns: int,
        significant: list[Finding],
        ranking: Ranking,
    ) -> list[Drift]:
        end_ns = _newest_end(significant)
        found = self._found(ranking)
        is_strongest = ranking.rank > episode.strongest.rank
        episode = replace(
            episode,
            judged_end_ns=max(episode.judged_end_ns, end_ns),
            last_end_ns=max(episode.last_end_ns, end_ns),
            watched=_watched(significant),
            strongest=found if is_strongest else episode.strongest,
            quiet=0,
            unseen=0,
        )
        changes = self._changes(episode, ranking)
        # A window that is told again, corrected, is not another one.
        if not changes or end_ns <= episode.said_end_ns:
            self._open[group] = episode
            return []
        is_critical = "critical" in (episode.severity, self._severity(ranking))
        self._open[group] = episode = replace(
            episode,
            seq=episode.seq + 1,
            severity="critical" if is_critical else "warning",
            said_effect=max(episode.said_effect, ranking.effect),
            said_end_ns=end_ns,
            features=_with(episode.features, ranking.features),
            segments=_with(episode.segments, ranking.segments),
        )
        subject = subject_of(group, self._model, self._version)
        reason = reason_of_update(subject, changes, ranking, found.window, found.budget)
        event = self._event(group, episode, tick_ns, "update", found, reason)
        return [Drift(self._model, episode.feature, tick_ns, event)]

    def _changes(self, episode: OpenEpisode, ranking: Ranking) -> list[str]:
        """Say in what an episode grew beyond what its records have told."""
        changes = []
        for kind, known, names in (
            ("feature", episode.features, ranking.features),
            ("segment", episode.segments, ranking.segments),
        ):
            fresh = sorted({*names} - {*known}) if len(known) < NAMES_MAX else []
            if fresh:
                more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
                changes.append(f"new {kind} {fresh[0]}{more}")
        if ranking.effect >= self._params.growth * episode.said_effect:
            changes.append(f"effect from {episode.said_effect:.3g} to {ranking.effect:.3g}")
        if episode.severity == "warning" and self._severity(ranking) == "critical":
            changes.append("now critical")
        return changes

    def _rest(
        self, group: Group, episode: OpenEpisode, tick_ns: int, findings: list[Finding]
    ) -> list[Drift]:
        """Count a window without a significant finding; enough of them close the episode."""
        end_ns = _newest_end(findings)
        if end_ns <= episode.judged_end_ns:
            return []
        seen = _is_seen(episode, findings)
        episode = replace(
            episode,
            judged_end_ns=end_ns,
            quiet=episode.quiet + seen,
            unseen=0 if seen else episode.unseen + 1,
        )
        self._open[group] = episode
        params = self._params
        if episode.quiet >= (
            params.close_after_quality if group == "quality" else params.close_after
        ):
            why = f"with nothing significant in {episode.quiet} windows"
        elif episode.unseen >= self._params.unseen_after:
            why = f"with no data where it was in {episode.unseen} windows"
        else:
            return []
        return [self._close(group, episode, tick_ns, why)]

    def _close(self, group: Group, episode: OpenEpisode, tick_ns: int, why: str) -> Drift:
        del self._open[group]
        self._closed_ns[group] = episode.last_end_ns
        episode = replace(episode, seq=episode.seq + 1)
        found = episode.strongest
        subject = subject_of(group, self._model, self._version)
        reason = reason_of_close(
            subject, why, episode.onset_ns, episode.last_end_ns, found.causes[0]
        )
        event = self._event(group, episode, tick_ns, "closed", found, reason)
        return Drift(self._model, episode.feature, tick_ns, event)

    def _event(
        self,
        group: Group,
        episode: OpenEpisode,
        tick_ns: int,
        status: Literal["open", "update", "closed"],
        found: Strongest,
        reason: str,
    ) -> DriftEvent:
        return DriftEvent(
            id=event_id("drift", episode.id, status, episode.seq, tick_ns),
            episode=episode.id,
            status=status,
            seq=episode.seq,
            model=self._model,
            version=self._version,
            group=group,
            severity="critical" if episode.severity == "critical" else "warning",
            openedAt=rfc3339(episode.opened_ns),
            onsetAt=rfc3339(episode.onset_ns),
            evaluatedAt=rfc3339(tick_ns),
            endsAt=rfc3339(episode.last_end_ns) if status == "closed" else None,
            window=found.window,
            budget=found.budget,
            causes=found.causes,
            segments=found.segments,
            reason=reason,
        )

    def _found(self, ranking: Ranking) -> Strongest:
        alpha = number(ranking.leading.alpha)
        return Strongest(
            ranking.rank,
            window_of(ranking.leading),
            DriftBudget(self._params.false_alarms_per_week, alpha),
            ranking.causes,
            ranking.top_segments,
        )

    def _severity(self, ranking: Ranking) -> Severity:
        return "critical" if ranking.rank >= self._params.critical_rank else "warning"


def _equal(_feature: str) -> float:
    return 1.0


def _newest_end(findings: Iterable[Finding]) -> int:
    return max(finding.window_end_ns for finding in findings)


def _with(known: tuple[str, ...], names: Sequence[str]) -> tuple[str, ...]:
    """Add names, up to `NAMES_MAX`, in order."""
    fresh = sorted({*names} - {*known})
    return tuple(sorted([*known, *fresh[: NAMES_MAX - len(known)]]))


def _watched(significant: Iterable[Finding]) -> tuple[Watched, ...]:
    found = {(one.segment, one.feature, one.kind != "sequential") for one in significant}
    return tuple(Watched(*place) for place in sorted(found)[:NAMES_MAX])


def _is_seen(episode: OpenEpisode, findings: Iterable[Finding]) -> bool:
    """Tell if there was enough data for at least one place where it was significant."""
    places = {finding.place for finding in findings}
    segments = {segment for segment, _ in places}
    return any(
        (one.segment, one.feature) in places if one.is_tested else one.segment in segments
        for one in episode.watched
    )


def _trigger(action: Action, event: DriftEvent) -> TriggerEvent:
    return TriggerEvent(
        id=event_id("trigger", event.episode, action),
        action=action,
        model=event.model,
        version=event.version,
        reason=reason_of_trigger(action, event),
        requestedAt=event.evaluatedAt,
        episode=event.episode,
        window=event.window,
    )
