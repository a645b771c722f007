"""Sends a recording's samples, or rows of models, to Kafka as native JSON that ends now."""

from collections.abc import Callable, Mapping

from engine.events import native_row
from engine.replay.topic_writer import TopicWriter, shift_to_now
from engine.series.identity import Series
from engine.sources.demo_arrivals import Row
from engine.sources.demo_models import message
from engine.sources.recording_files import Recording, RecordingPartition

_BLOCK_ROWS = 4096
_MILLISECOND_NS = 1_000_000


def publish(
    recording: Recording,
    brokers: str,
    topic: str,
    *,
    on_progress: Callable[[int], None],
) -> int:
    """Send all samples, each file to a partition of its own; gives their number.

    The topic is made if it is missing. Times are moved by whole minutes, so that the last sample
    is the newest that is not ahead of now.

    Raises
    ------
    SinkError
        The broker can't be reached or does not take them.
    """
    writer = TopicWriter(brokers, topic, len(recording.partitions))
    shift = shift_to_now(
        max(
            int(block.columns.ts.max())
            for partition in recording.partitions
            for block in partition.blocks(_BLOCK_ROWS)
            if len(block.columns)
        )
    )
    sent = 0
    for number, partition in enumerate(recording.partitions):
        sent += _send(writer, number, partition, shift, on_progress)
    writer.close()
    return sent


def publish_rows(
    rows_of: Mapping[str, list[Row]], brokers: str, *, on_progress: Callable[[int], None]
) -> int:
    """Send rows of models to a topic each, moved in time as samples are; gives their number.

    Parameters
    ----------
    rows_of : mapping of str to (list of Row)
        Rows in order of time by topic; topics are made if they are missing.
    brokers : str
    on_progress : callable
        Told of rows as they are sent.

    Raises
    ------
    SinkError
        The broker can't be reached or does not take them.
    """
    newest_ms = max(rows[-1][0] for rows in rows_of.values() if rows)
    shift_ms = shift_to_now(newest_ms * _MILLISECOND_NS) // _MILLISECOND_NS
    for topic, rows in rows_of.items():
        writer = TopicWriter(brokers, topic, 1)
        for begin in range(0, len(rows), _BLOCK_ROWS):
            block = rows[begin : begin + _BLOCK_ROWS]
            for row in block:
                writer.send(message(row, shift_ms), (row[0] + shift_ms) * _MILLISECOND_NS)
            writer.poll()
            on_progress(len(block))
        writer.close()
    return sum(map(len, rows_of.values()))


def _send(
    writer: TopicWriter,
    number: int,
    partition: RecordingPartition,
    shift: int,
    on_progress: Callable[[int], None],
) -> int:
    known: dict[int, Series] = {}
    sent = 0
    for block in partition.blocks(_BLOCK_ROWS):
        known |= {series.fingerprint: series for series in block.new_series}
        columns = block.columns
        for fingerprint, ts, value in zip(
            columns.fingerprint.tolist(),
            (columns.ts + shift).tolist(),
            columns.value.tolist(),
            strict=True,
        ):
            writer.send(native_row(known[fingerprint], ts, value), ts, number)
        writer.poll()
        sent += len(columns)
        on_progress(len(columns))
    return sent
