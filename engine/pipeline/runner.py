"""Runs a flow: from a configuration to outputs, until the input ends or a signal comes."""

import gc
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from types import FrameType
from typing import Any

import structlog
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main, run_main
from msgspec.structs import replace

from engine import __version__
from engine.clock import elapsed_ns, sleep
from engine.config.schema import Config
from engine.errors import StreamgaugeError
from engine.events import Alert
from engine.pipeline.build import make_plan
from engine.pipeline.evidence import evidence_folder
from engine.pipeline.flow import FlowParts, build_flow, part_names
from engine.pipeline.observe import Observer
from engine.pipeline.plan import FlowPlan
from engine.pipeline.series_shard import SeriesShard
from engine.pipeline.serve import Heartbeat, PartitionWatch, serve_http
from engine.pipeline.sinks import open_sinks
from engine.pipeline.sources import (
    SourceOpener,
    SourcePartition,
    documents_among,
    list_partitions,
)
from engine.pipeline.state_folder import StateFolder
from engine.pipeline.steps import Failure
from engine.rules.plan import LANES
from engine.series.blocks import CheckpointStore
from engine.sources.gone import GoneReader
from engine.sources.journal import JOURNAL_FILE, Journal
from engine.sources.reader import CheckpointPlan, Reader
from engine.telemetry import Telemetry

SPILL_FOLDER = "models"
"""Folder within the state's for what models keep on disk."""

_REPLAY_EPOCH = timedelta(seconds=1)
_YOUNG_OBJECTS_MAX = 200_000
_RETRY_FIRST_S = 1.0
_RETRY_MOST_S = 30.0

_log = structlog.get_logger()


@dataclass
class Stop:
    """Tells a run to end: at the next poll every source takes its final checkpoint and ends.

    `rebuild` asks for the flow to be built anew from there, since its partitions have changed.
    """

    event: Event = field(default_factory=Event)
    rebuild: bool = False
    final: bool = False

    def __call__(self) -> bool:
        """Whether the run is to end."""
        return self.event.is_set()

    def set(self, *, rebuild: bool = False) -> None:
        """End the run, or only the flow where it is to be built anew."""
        self.final = self.final or not rebuild
        self.rebuild = rebuild
        self.event.set()

    def goes_on(self) -> bool:
        """Whether the flow is to be built anew; then it may run again."""
        if self.final or not self.rebuild:
            return False
        self.rebuild = False
        self.event.clear()
        if self.final:  # a signal came in between
            self.event.set()
        return not self.final

    @contextmanager
    def on_signals(self, reload: Callable[[], None] | None = None) -> Iterator[None]:
        """Let SIGTERM and SIGINT end the run; a second one is the default action.

        SIGHUP calls `reload`, in a thread: the flow goes on meanwhile.
        """

        def handle(number: int, _: FrameType | None) -> None:
            signal.signal(number, signal.SIG_DFL)
            _log.info("stopping", signal=signal.Signals(number).name)
            self.set()

        before = {number: signal.signal(number, handle) for number in STOP_SIGNALS}
        if reload is not None:
            before[signal.SIGHUP] = signal.signal(
                signal.SIGHUP, lambda *_: Thread(target=reload, name="reload").start()
            )
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(kw_only=True)
class Run:
    """One run of a configuration.

    Attributes
    ----------
    config : Config
    stateful : bool
        Whether a state folder is kept; without one a run begins anew and ends with its input.
    workers : int
        Bytewax workers in this process.
    on_alerts, on_progress : callable
        Told of alerts as they are said, and of rows of recordings as they are played.
    warm : callable or None
        Gives shards that have learned from a recording, where there is no state to go on from.
    """

    config: Config
    stateful: bool
    workers: int = 1
    on_alerts: Callable[[list[Alert]], None] = lambda _: None
    on_progress: Callable[[int], None] = lambda _: None
    warm: Callable[[FlowPlan], dict[int, SeriesShard]] | None = None
    stop: Stop = field(default_factory=Stop)
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(__version__))
    failure: Failure = field(default_factory=Failure)
    observer: Observer = field(init=False)

    def __post_init__(self) -> None:
        self.observer = Observer(self.telemetry, self.on_alerts)

    def execute(self) -> None:
        """Run until the input ends or the run is told to stop.

        Raises
        ------
        StreamgaugeError
            What went wrong, as one of the tree's errors wherever it was one of them.
        """
        with serve_http(self.config.http, self.observer):
            while True:
                self._execute_once()
                if not self.stop.goes_on():
                    return
                _log.info("the flow is built anew")

    def reload(self, config: Config) -> None:
        """Go on with another configuration, from a final checkpoint of the flow as it is.

        The state folder and the HTTP server stay what they are until the next start.

        Raises
        ------
        ConfigError
            It can't be used; the run goes on as it is.
        """
        config = replace(config, state=self.config.state, http=self.config.http)
        make_plan(config, ())
        self.config = config
        self.stop.set(rebuild=True)

    def _execute_once(self) -> None:
        partitions = self.find_partitions()
        if self.stop():
            return
        plan = make_plan(self.config, tuple(partitions), documents=documents_among(partitions))
        with prepared(self, plan, partitions) as (flow, state):
            if self.stop():  # meanwhile: a flow that began now would keep what it doesn't know yet
                return
            settings: dict[str, Any] = {"epoch_interval": _REPLAY_EPOCH}
            if state is not None:
                settings = {
                    "epoch_interval": timedelta(microseconds=self.config.state.epoch_ns / 1000),
                    "recovery_config": state.recovery,
                }
            gc.collect()
            # The collector would walk all that is there now at every full collection, and at
            # every small one the messages that have just been read.
            gc.freeze()
            thresholds = gc.get_threshold()
            gc.set_threshold(_YOUNG_OBJECTS_MAX, *thresholds[1:])
            try:
                if self.workers == 1:
                    run_main(flow, **settings)
                else:
                    cluster_main(flow, [], 0, worker_count_per_proc=self.workers, **settings)
            except BaseException as error:
                cause = self.failure.error or _cause(error)
                if cause is not None:
                    raise cause from error
                raise
            finally:
                gc.set_threshold(*thresholds)
                gc.unfreeze()
            self.failure.raise_noted()

    def find_partitions(self) -> dict[str, SourcePartition]:
        """List all partitions; a broker that can't be reached is asked again, ever more slowly."""
        wait_s = _RETRY_FIRST_S
        while True:
            try:
                return list_partitions(self.config)
            except ConnectionError as error:
                _log.warning("broker unreachable, trying again", error=str(error), wait_s=wait_s)
            asleep_until = elapsed_ns() + int(wait_s * 1e9)
            while elapsed_ns() < asleep_until:
                if self.stop():
                    return {}
                sleep(0.05)
            wait_s = min(2 * wait_s, _RETRY_MOST_S)


@contextmanager
def prepared(
    run: Run, plan: FlowPlan, partitions: dict[str, SourcePartition]
) -> Iterator[tuple[Dataflow, StateFolder | None]]:
    """Put a run's flow together, with its state folder, heartbeat and partition watch."""
    config = run.config
    state = None
    checkpoints = None
    journal = Journal(None)
    if run.stateful:
        folder = Path(config.state.dir)
        state = StateFolder(
            folder,
            shards=plan.shards,
            lanes=LANES,
            entities=plan.placement,
            parts=part_names(plan.shards, with_models=bool(plan.documents)),
        )
        every = max(1, round(config.state.checkpoint_ns / config.state.epoch_ns))
        checkpoints = CheckpointPlan(state.run, every, state.checkpoints)
        journal = Journal(folder / JOURNAL_FILE)
    store = state.checkpoints if state else None
    opener = SourceOpener(
        plan=plan,
        partitions=partitions,
        checkpoints=checkpoints,
        store=store,
        journal=journal,
        telemetry=run.telemetry,
        stopping=run.stop,
        progress=run.on_progress,
        buffered_rows=run.observer.buffered_rows,
    )
    spill = TemporaryDirectory(prefix="streamgauge-") if state is None else None
    parts = FlowParts(
        plan=plan,
        spill=Path(spill.name) if spill is not None else Path(config.state.dir) / SPILL_FOLDER,
        evidence=evidence_folder(config, stateful=run.stateful),
        sources={**_gone(state, partitions), **opener.openers()},
        sinks=open_sinks(config.sinks, store),
        store=store,
        final=checkpoints.final if checkpoints else None,
        observer=run.observer,
        failure=run.failure,
    )
    try:
        parts.warm.update(_warm(run, plan, store))
        with Heartbeat(config, run.observer, opener), PartitionWatch(config, partitions, run.stop):
            yield build_flow(parts), state
    finally:
        if state is not None:
            state.close()
        if spill is not None:
            spill.cleanup()


def _gone(
    state: StateFolder | None, partitions: Mapping[str, SourcePartition]
) -> dict[str, Callable[[Any], Reader]]:
    """What opens partitions that the state knows, and the configuration does not any more."""
    if state is None:
        return {}
    return dict.fromkeys(state.source_partitions - partitions.keys(), GoneReader)


def _warm(run: Run, plan: FlowPlan, store: CheckpointStore | None) -> dict[int, SeriesShard]:
    """The shards that begin with what they learned, unless there is a state that knows better."""
    if run.warm is None:
        return {}
    if store is not None and store.usable:
        _log.info("going on from the state folder: the recording to warm from is not needed")
        return {}
    return run.warm(plan)


def _cause(error: BaseException | None) -> StreamgaugeError | None:
    """The error of ours that Bytewax has wrapped, if there is one."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, StreamgaugeError):
            return error
        error = error.__cause__ or error.__context__
    return None
