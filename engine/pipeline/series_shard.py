"""Stage 1: a series shard. It orders rows, scores them and evaluates the rules' leaves per tick."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.clock import elapsed_ns
from engine.detectors.feedback import UserVerdicts
from engine.detectors.instants import INSTANT_NS
from engine.pipeline.entity_watch import EntityWatch
from engine.pipeline.feedback_rows import FeedbackRows
from engine.pipeline.made import with_samples
from engine.pipeline.plan import FlowPlan, series_max
from engine.pipeline.refusals import Refusals
from engine.pipeline.score_streams import ScoreStreams, Watched
from engine.pipeline.shard_output import ShardOutput
from engine.pipeline.watch import Watch
from engine.rules.leaves import RAW, Leaves
from engine.rules.queries import Announced, Closed, Found, LeafRows
from engine.series.columns import Columns
from engine.series.deltas import Deltas
from engine.series.identity import Series
from engine.series.order import Rows, ordered
from engine.series.pending import Pending
from engine.series.pieces import Definition, Piece, begun_by_detector
from engine.series.slots import PackedSeries, SlotTable
from engine.series.snapshot import SnapshotArray, Snapshots, Table
from engine.series.watermark import NOT_YET, Watermark

_READY_PIECES = 32
"""Pieces to gather while a source reads a backlog, since every handling has its price."""

_SCORES_EVERY_NS = 1_000_000_000
"""Event time after which scores are due where no tick is; neither shows in what is said."""


class SeriesShard:
    """The series whose fingerprint modulo the number of shards is `number`.

    Parameters
    ----------
    number : int
    plan : FlowPlan
    """

    def __init__(self, number: int, plan: FlowPlan) -> None:
        self.number = number
        self.plan = plan
        self.slots = SlotTable(series_max(plan.limits.series, plan.shards))
        self.watermark = Watermark(len(plan.partitions))
        for place in plan.documents:
            self.watermark.ended[place] = True  # their models speak for them
        self.pending = Pending()
        self.feedback = FeedbackRows()
        self.deltas = Deltas()
        self.leaves = Leaves(
            plan.rules.queries, plan.rules.lanes_of, samples_max=plan.limits.window_samples
        )
        self.watches = [Watch(spec, plan) for spec in plan.detectors]
        self.entities = [
            EntityWatch(item, item.spec.make_judge, plan)
            for item in self.watches
            if item.spec.make_judge is not None
        ]
        self._scored: list[Watch | EntityWatch] = [*self.watches, *self.entities]
        self._snapshots = Snapshots()
        self._refusals = Refusals(plan)
        self._handled = NOT_YET
        self._begun = NOT_YET
        self._gathered = 0
        # Which pairs of a query and a series the lanes have been told of, in this run.
        self._announced = np.zeros(0, np.bool_)

    def handle(self, pieces: list[Piece]) -> ShardOutput:
        """Take pieces of batches in; handle what the watermark has passed, if it is worth it."""
        output = ShardOutput()
        caught_up = False
        for given in pieces:
            piece = self.feedback.split_off(given, self._handled, self._refusals, output)
            self._define(piece.definitions)
            for watch in self.watches:
                watch.meet(piece.population, own=False)
            self._accept(piece, output)
            self.watermark.update(piece.progress)
            caught_up = caught_up or piece.progress.caught_up or piece.progress.ended
        self._gathered += len(pieces)
        watermark = self._reached()
        if watermark in (self._handled, NOT_YET):
            return output
        # All shards get a piece of every batch, so that they close their ticks together.
        if self._gathered >= _READY_PIECES or (caught_up and self._due(watermark)):
            self._handle_through(watermark, output)
        return output

    def finish(self) -> ShardOutput:
        """Handle all that the watermark has passed, at the end of the input."""
        output = ShardOutput()
        watermark = self._reached()
        if watermark not in (self._handled, NOT_YET):
            self._handle_through(watermark, output)
        return output

    def _reached(self) -> int:
        """How far event time can be handled: entities are judged by whole instants."""
        watermark = self.watermark.advance()
        if not self.plan.has_entities or watermark == NOT_YET or all(self.watermark.ended):
            return watermark
        return watermark // INSTANT_NS * INSTANT_NS

    def state(self) -> tuple[dict[str, NDArray[Any] | SnapshotArray], Any]:
        """All state of this moment, whatever follows: arrays and plain values.

        What has a row for each series is a snapshot, to be read once; the rest is copied.
        """
        tables = {scored.key: scored.tables() for scored in self._scored}
        tables |= {"deltas": [Table(self.deltas.arrays())], "leaves": self.leaves.tables()}
        arrays: dict[str, NDArray[Any] | SnapshotArray] = {
            f"pending|{key}": array for key, array in self.pending.arrays().items()
        }
        arrays |= {f"feedback|{key}": array for key, array in self.feedback.arrays().items()}
        arrays |= self._snapshots.take(tables)
        for part in self._scored:
            arrays |= {f"{part.key}|{key}": array for key, array in part.arrays().items()}
        arrays["series"] = self.slots.series.packed()
        # Encoded at once, since what it holds goes on changing.
        meta = {
            "series": len(self.slots),
            "claims": dict(zip(self.plan.partitions, self.watermark.claims, strict=True)),
            "newest": dict(zip(self.plan.partitions, self.watermark.newest, strict=True)),
            "watermark": self.watermark.value,
            "handled": self._handled,
            "begun": self._begun,
            "leaves": self.leaves.meta(),
            "watches": [part.key for part in self._scored],
        }
        return arrays, msgspec.Raw(msgspec.msgpack.encode(meta))

    def restore(self, arrays: dict[str, NDArray[Any]], raw: msgspec.Raw) -> None:
        """Go on from a checkpoint."""
        meta = msgspec.msgpack.decode(raw, strict=False)

        def part(prefix: str) -> dict[str, NDArray[Any]]:
            return {
                key.removeprefix(f"{prefix}|"): array
                for key, array in arrays.items()
                if key.startswith(f"{prefix}|")
            }

        self.take_in(PackedSeries.unpacked(arrays["series"], meta["series"]))
        for number, name in enumerate(self.plan.partitions):
            self.watermark.claims[number] = meta["claims"].get(name, NOT_YET)
            self.watermark.newest[number] = meta["newest"].get(name, NOT_YET)
        self.watermark.value = meta["watermark"]
        self._handled = meta["handled"]
        # What is new to the flow begins here; the rest remembers when it began.
        self._begun = meta["begun"] if meta["begun"] == NOT_YET else self._handled + 1
        self.deltas.restore(part("deltas"))
        self.leaves.restore(part("leaves"), meta["leaves"])
        for watch in self._scored:
            if watch.key in meta["watches"]:
                watch.restore(part(watch.key))
        self._restore_pending(part("pending"))
        self.feedback.restore(part("feedback"))

    def take_in(self, series: list[Series]) -> None:
        """Take in the series of a checkpoint, or of a shard to learn from, in their order."""
        # A limit that was lowered meanwhile refuses new series; those that are watched stay.
        self.slots.limit = max(self.slots.limit, len(series))
        self._add(series, {item.fingerprint: self.plan.detectors_of(item) for item in series})

    def learn_from(self, other: "SeriesShard") -> None:
        """Take over what another shard of the same detectors knows of series, but no time and rows.

        Detectors are never taught what is not newer than all that they know: up to there, rows are
        for the rules alone. The other shard is not to be used any more.
        """
        self.take_in(other.slots.series[:])
        scored: list[Watch | EntityWatch] = [*other.watches, *other.entities]
        for mine, learned in zip(self._scored, scored, strict=True):
            arrays = learned.arrays()
            for table in learned.tables():
                arrays |= table.arrays
            mine.restore(arrays)
        for watch in self.watches:
            watch.learned_through = other.watermark.value
        self.deltas = other.deltas

    def _restore_pending(self, arrays: dict[str, NDArray[Any]]) -> None:
        slot = arrays["slot"]
        unknown = np.zeros(len(slot), np.uint64)
        self.pending.add(slot, Columns(unknown, arrays["ts"], arrays["value"], arrays["flags"]))

    def _due(self, watermark: int) -> bool:
        return watermark - self._handled >= _SCORES_EVERY_NS or self.leaves.next_tick(watermark)

    def _define(self, definitions: list[Definition]) -> None:
        if not definitions:
            return
        series = [definition.series for definition in definitions]
        detectors = {item.series.fingerprint: item.detectors for item in definitions}
        # What is made of an entity gets its slots before the entity's series do.
        made = {item: None for entity in self.entities for item in entity.wanted(series, detectors)}
        detectors |= {item.fingerprint: 0 for item in made}
        refused = self._add([*made, *series], detectors)
        refused_fingerprints = {series.fingerprint for series in refused}
        begun = begun_by_detector(
            [item for item in definitions if item.series.fingerprint not in refused_fingerprints]
        )
        for watch in self.watches:
            watch.meet(begun, own=True)

    def _add(self, definitions: list[Series], detectors: dict[int, int]) -> list[Series]:
        """Take new series in, with the detectors that watch them, by fingerprint, as bits."""
        first_slot, refused = self.slots.add(definitions)
        new = self.slots.series[first_slot:]
        if not new:
            return refused
        slots = np.arange(first_slot, first_slot + len(new), dtype=np.int32)
        lookback = np.full(len(new), self.plan.lookback_ns, np.int64)
        bits = [detectors[item.fingerprint] for item in new]
        for watch in self.watches:
            watch.grow(new, bits, lookback, self.slots.limit)
        for entity in self.entities:
            entity.grow(first_slot, new, bits, self.slots.limit)
        self.leaves.grow(lookback, self.slots.limit)
        self.leaves.add(RAW, slots, new)
        for scored in self._scored:
            for stream, stream_slots, series in scored.series_of(slots, new, self.leaves.wants):
                self.leaves.add(stream, stream_slots, series)
        return refused

    def _accept(self, piece: Piece, output: ShardOutput) -> None:
        """Put a piece's rows into the reorder buffer; those of refused series are dead letters."""
        if not len(piece.columns):
            return
        slot = self.slots.find(piece.columns.fingerprint)
        known = slot >= 0
        late = piece.columns.ts <= self._handled
        if known.all() and not late.any():
            self.pending.add(slot, piece.columns)
            return
        good = known & ~late
        self.pending.add(slot[good], piece.columns.take(good))
        self._refusals.series(piece, piece.columns.take(~known), output)
        # A partition keeps its promises; only one that is new or has a new lateness gets here.
        late &= known
        rows = piece.columns.take(late)
        self._refusals.late(piece, slot[late], rows, self.slots.series, output)

    def _handle_through(self, watermark: int, output: ShardOutput) -> None:
        """Handle all rows at or below the watermark and all ticks up to it."""
        slot, columns = self.pending.take_through(watermark)
        rows = ordered(slot, columns.ts, columns.value, columns.flags, len(self.slots))
        said = self.feedback.due(watermark, self.slots)
        self._snapshots.keep(rows.slot)
        for judged in (said.place[said.place >= 0], *(e.members_of(said) for e in self.entities)):
            self._snapshots.keep(judged)
        if self._begun == NOT_YET and len(rows):
            self._begin(int(rows.ts.min()))
        rows = self.deltas.resolve(rows, len(self.slots))
        output.count("handled_rows", len(rows))
        output.count("repeated_rows", rows.repeats)
        output.count("conflicting_rows", rows.conflicts)
        values = {RAW: rows.value}
        found: list[Watched] = []
        began_ns = elapsed_ns()
        for watch in self.watches:
            watched = watch.score(rows, said)
            found.append(watched)
            values |= watched.streams
            self._refusals.failures(watch.spec.name, watched, self.slots.series, output)
            emitted = watch.emitted(watched, self.slots.series, self.plan.emit)
            if len(emitted):
                output.scores.append(emitted)
        for entity in self.entities:
            rows, values = self._judge(entity, rows, values, found, said, output)
        output.detector_ns += elapsed_ns() - began_ns
        self.feedback.settle(said, self._refusals, output)
        self.leaves.is_read = self._snapshots.are_read
        results = self.leaves.evaluate(rows, values, watermark)
        self._close(watermark, results, found, output)
        for scored, watched in zip(self._scored, found, strict=True):
            scored.remember_alarms(watched)
        self._handled = watermark
        self._gathered = 0

    def _begin(self, first_ts: int) -> None:
        self._begun = first_ts
        if any(first_ts <= watch.learned_through for watch in self.watches):
            # Increments that were learned come again, for the rules: counters begin anew, since
            # their sum with itself would look like a jump.
            self.deltas = Deltas()

    def _judge(
        self,
        entity: EntityWatch,
        rows: Rows,
        values: dict[str, NDArray[np.float64]],
        found: list[Watched],
        said: UserVerdicts,
        output: ShardOutput,
    ) -> tuple[Rows, dict[str, NDArray[np.float64]]]:
        """Judge entities; give the block with the samples that are made of them."""
        watched = found[self.watches.index(entity.watch)]
        judged = entity.judged(watched, self.slots.series, said)
        emitted = entity.emitted(judged, self.slots.series, self.plan.emit)
        if len(emitted):
            output.scores.append(emitted)
        output.count("left_out_of_entities", entity.taken_left_out())
        made = entity.made(judged)
        self._snapshots.keep(np.unique(made.slot))
        rows, values, place = with_samples(rows, values, made, RAW)
        watched = entity.placed(judged, rows, place)
        found.append(watched)
        return rows, values | watched.streams

    def _close(
        self,
        watermark: int,
        results: list[Found],
        found: list[Watched],
        output: ShardOutput,
    ) -> None:
        """Address the leaves' results to the lanes that read them."""
        for lane in self.plan.rules.lanes:
            output.closed[lane] = Closed(self.number, watermark, self._begun)
        for result in results:
            rows = self._leaf_rows(result, found)
            for lane in result.lanes:
                output.closed[lane].results.append(rows)

    def _leaf_rows(self, result: Found, found: list[Watched]) -> LeafRows:
        """Give a query's results; anomalies come with what they were about."""
        context = None
        kind = None
        for scored, watched in zip(self._scored, found, strict=True):
            kind = scored.kind_of(result.stream)
            if kind is not None:
                context = scored.context(watched, result)
                break
        announced = self._announce(result, None if kind is None else (scored, kind))
        return LeafRows(
            self.number, result.interval_ns, result.pair, result.tick, result.value, announced,
            context,
        )  # fmt: skip

    def _announce(self, result: Found, made: tuple[ScoreStreams, str] | None) -> Announced:
        """Say what pairs are that occur for the first time; `made` makes series of their slots'."""
        if len(self._announced) < self.leaves.pairs:
            room = np.zeros(2 * self.leaves.pairs, np.bool_)
            room[: len(self._announced)] = self._announced
            self._announced = room
        new = ~self._announced[result.pair]
        if not new.any():
            return Announced(result.pair[:0], result.query[:0], [])
        pair, place = np.unique(result.pair[new], return_index=True)
        self._announced[pair] = True
        series = [self.slots.series[slot] for slot in result.slot[new][place].tolist()]
        if made is not None:
            scored, kind = made
            series = [scored.series(kind, item) for item in series]
        return Announced(pair, result.query[new][place], [item.all_labels for item in series])
