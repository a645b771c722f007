"""What travels from the sources to the series shards."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.codecs.predictions import PredictionBatch
from engine.kernels.jit import kernel
from engine.series.blocks import CheckpointId
from engine.series.columns import Columns
from engine.series.identity import Series


@dataclass(frozen=True, slots=True)
class Definition:
    """A series at its first sight in a source since the start or resume.

    `first_ts` is its earliest timestamp there so far: a series is defined again when an earlier row
    follows. `detectors` has bit i set where the i-th detector of the configuration watches it.
    `place` says where it lives: the fingerprint of its entity; None: on its own.
    """

    series: Series
    first_ts: int
    detectors: int
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a source partition is; it goes to all shards.

    Attributes
    ----------
    partition : int
        Number of the partition in the flow.
    claim : int
        The partition's promise: no row at or below this timestamp follows. Nanoseconds.
    newest : int
        Largest timestamp seen.
    ended : bool
        A recording's end: the partition no longer holds the watermark back.
    caught_up : bool
        Nothing more to read at the moment, so that what is ready should be handled now. Affects
        when something is said, never what.
    checkpoint : CheckpointId or None
        Take this checkpoint at the close of the epoch.
    """

    partition: int
    claim: int
    newest: int
    ended: bool = False
    caught_up: bool = False
    checkpoint: CheckpointId | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Good rows of one source partition, with what is new since the last batch.

    `place` (uint64[n]) says where each row's series lives; None: all on their own. `documents` are
    the predictions and labels of a source that feeds models; its series shards get progress alone.
    """

    progress: Progress
    columns: Columns
    definitions: list[Definition]
    population: list[Definition]
    """Definitions that all shards are told of, so that each knows its share of a match."""
    place: NDArray[np.uint64] | None = None
    documents: PredictionBatch | None = None


Begun = dict[int, dict[int, int]]
"""For each detector, by number: fingerprints of series that it watches, with first timestamps."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A batch's part for one shard; `population` is the batch's, made once for all shards."""

    shard: int
    progress: Progress
    columns: Columns
    definitions: list[Definition]
    population: Begun


@kernel
def order_by_shard(
    place: NDArray[np.uint64], shards: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sort row numbers by shard, stable; the rows of shard s are ``order[start[s]:start[s+1]]``."""
    start = np.zeros(shards + 1, np.int64)
    number = np.empty(len(place), np.int64)
    divisor = np.uint64(shards)
    for i in range(len(place)):
        number[i] = np.int64(place[i] % divisor)
        start[number[i] + 1] += 1
    for s in range(shards):
        start[s + 1] += start[s]
    order = np.empty(len(place), np.int64)
    following = start[:shards].copy()
    for i in range(len(place)):
        order[following[number[i]]] = i
        following[number[i]] += 1
    return order, start


def begun_by_detector(definitions: list[Definition]) -> Begun:
    """Say for each detector which of the series it watches."""
    begun: Begun = {}
    for definition in definitions:
        watchers = definition.detectors
        while watchers:
            lowest = watchers & -watchers
            number = lowest.bit_length() - 1
            begun.setdefault(number, {})[definition.series.fingerprint] = definition.first_ts
            watchers ^= lowest
    return begun


def split(batch: Batch, shards: int) -> list[Piece]:
    """Split a batch by the place modulo the number of shards; every shard gets a piece.

    Shards without rows get one too: they need the partition's progress.
    """
    definitions: list[list[Definition]] = [[] for _ in range(shards)]
    for definition in batch.definitions:
        place = definition.series.fingerprint if definition.place is None else definition.place
        definitions[place % shards].append(definition)
    places = batch.columns.fingerprint if batch.place is None else batch.place
    order, start = order_by_shard(places, shards)
    columns = batch.columns.take(order)
    edges = start.tolist()
    population = begun_by_detector(batch.population)
    return [
        Piece(
            shard,
            batch.progress,
            columns.take(slice(edges[shard], edges[shard + 1])),
            definitions[shard],
            population,
        )
        for shard in range(shards)
    ]
