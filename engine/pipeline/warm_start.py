"""Cold start: detectors learn from a recording before the live stream begins.

The recording is played through shards of its own, without rules, and nothing of it is written. The
flow's shards then begin with the series and with what the detectors know of them, as if they had
watched the recording live; event time, rows and rules begin with the stream.
"""

from collections.abc import Callable

import structlog
from msgspec.structs import replace

from engine import __version__
from engine.clock import elapsed_ns, now_ns
from engine.config.connections import RecordingSource
from engine.config.schema import Config
from engine.errors import UsageError
from engine.events import rfc3339
from engine.pipeline.build import make_plan
from engine.pipeline.observe import Observer
from engine.pipeline.plan import FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.sources import SourceOpener, list_partitions, recorded_source
from engine.series.pieces import split
from engine.sources.journal import Journal
from engine.telemetry import Telemetry

_NAMES_SHOWN = 3

_log = structlog.get_logger()


def warm_shards(
    plan: FlowPlan,
    recording: RecordingSource,
    *,
    stopping: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int], None] = lambda _: None,
) -> dict[int, SeriesShard]:
    """Make the shards of a flow, with detectors that have learned from a recording.

    Parameters
    ----------
    plan : FlowPlan
        Of the flow.
    recording : RecordingSource
        Its path is relative to the working directory. Its rows are sifted as those of the flow's
        sources.
    stopping : callable
        Whether to give up.
    on_progress : callable
        Told of rows as they are played.

    Returns
    -------
    dict of int to SeriesShard
        By number; empty if it was given up.

    Raises
    ------
    UsageError
        The recording can't be read, or there is nothing to be learned from it.
    SourceError
        It is damaged.
    """
    if not plan.detectors:
        raise UsageError(
            f"{plan.config.file}: there is no detector to warm up; add one under `detectors`, or "
            "leave the recording out"
        )
    began_ns = elapsed_ns()
    observer = Observer(Telemetry(__version__))
    taught = _play(plan.config, recording, observer, stopping, on_progress)
    if stopping():
        return {}
    _check(recording.path, plan, taught, observer)
    found = {}
    while taught:  # one by one, so that their memory is there twice for one at a time
        shard = taught.pop()
        found[shard.number] = SeriesShard(shard.number, plan)
        found[shard.number].learn_from(shard)
    _log.info(
        "the detectors have learned from the recording",
        recording=recording.path,
        samples=observer.handled,
        series=observer.series,
        through=rfc3339(observer.watermark or 0),
        left_out=observer.dead_letters(),
        seconds=round((elapsed_ns() - began_ns) / 1e9, 1),
    )
    return found


def _play(
    config: Config,
    recording: RecordingSource,
    observer: Observer,
    stopping: Callable[[], bool],
    on_progress: Callable[[int], None],
) -> list[SeriesShard]:
    """Let shards of their own handle a recording, without rules; give them."""
    config = replace(
        config,
        sources=(recorded_source(config, recording),),
        rules=replace(config.rules, files=(), bundled=False),
        rule_options=(),
        scores=replace(config.scores, emit="none"),
    )
    partitions = list_partitions(config)
    plan = make_plan(config, tuple(partitions))
    opener = SourceOpener(
        plan=plan,
        partitions=partitions,
        checkpoints=None,
        store=None,
        journal=Journal(None),
        telemetry=observer.telemetry,
        stopping=stopping,
        progress=on_progress,
        buffered_rows=observer.buffered_rows,
    )
    shards = [SeriesShard(number, plan) for number in range(plan.shards)]
    readers = [open_partition(None) for open_partition in opener.openers().values()]
    while readers:
        for reader in list(readers):
            polled = reader.poll()
            if polled.end:
                reader.close()
                readers.remove(reader)
            if polled.batch is None:
                continue
            for shard, piece in zip(shards, split(polled.batch, plan.shards), strict=True):
                observer.shard(shard, shard.handle([piece]))
    for shard in shards:
        observer.shard(shard, shard.finish())
    return shards


def _check(path: str, plan: FlowPlan, taught: list[SeriesShard], observer: Observer) -> None:
    """Refuse a recording that detectors learn nothing from, or that would keep them from more."""
    if not observer.series:
        raise UsageError(
            f"{path}: holds no sample that could be used (left out: "
            f"{observer.dead_letters() or 'nothing'}); leave it out, or take another recording"
        )
    if not any(plan.detectors_of(item) for shard in taught for item in shard.slots.series):
        names = sorted({item.name for shard in taught for item in shard.slots.series})
        shown = ", ".join([*names[:_NAMES_SHOWN], *(["..."] if names[_NAMES_SHOWN:] else [])])
        raise UsageError(
            f"{path}: no detector of {plan.config.file} watches one of its {observer.series} "
            f"series ({shown}); compare the recording with `match`, or leave it out"
        )
    newest = observer.watermark or 0
    if newest > now_ns() + plan.config.time.max_ahead_ns:
        raise UsageError(
            f"{path}: its newest sample is of {rfc3339(newest)}, which is yet to come: detectors "
            "would be silent until then; take that sample out"
        )
