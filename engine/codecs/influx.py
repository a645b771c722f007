"""Influx line protocol to columns, at the speed of compiled code.

A scan (`influx_scan.py`) reads the usual forms; the strict reader (`influx_lines.py`), which says
what the format means, reads every other message, and every series that is met for the first time.
The result is always that of `read_all` with the strict reader, to the last bit of a float.
"""

from functools import partial
from typing import Any

from engine.codecs.influx_lines import TimestampUnit, read_identity, read_lines
from engine.codecs.influx_scan import FIELD_BYTES_MIN, scan
from engine.codecs.interning import LABELS_LENGTH, LABELS_START, NAME_LENGTH, NAME_START
from engine.codecs.samples import Limits
from engine.codecs.scanned import ScannedCodec

_UNIT_NS = {"auto": 1, "s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


class InfluxCodec(ScannedCodec):
    """Decoder of messages of line protocol, one or many lines each.

    Parameters
    ----------
    limits : Limits
    timestamp_unit : {"auto", "s", "ms", "us", "ns"}
        What the lines count since the epoch; "auto" is the protocol's default, nanoseconds.
    cache_entries : int
        As in `ScannedCodec`.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        timestamp_unit: TimestampUnit = "auto",
        cache_entries: int = 1 << 20,
    ) -> None:
        unit_ns = _UNIT_NS[timestamp_unit]

        def scan_lines(buffer: Any, lengths: Any, plain: Any, *columns: Any) -> int:
            return scan(buffer, lengths, plain, unit_ns, *columns)

        super().__init__(
            scan=scan_lines,
            row_bytes_min=FIELD_BYTES_MIN,
            identity=_identity_line,
            read_identity=read_identity,
            read=partial(read_lines, limits=limits, unit_ns=unit_ns),
            limits=limits,
            cache_entries=cache_entries,
        )


def _identity_line(text: bytes, span: list[int]) -> bytes:
    """Make a line of only the measurement, tags and field name that a span delimits."""
    field = text[span[NAME_START] : span[NAME_START] + span[NAME_LENGTH]]
    key = text[span[LABELS_START] : span[LABELS_START] + span[LABELS_LENGTH]]
    return b"%b %b=1 0" % (key, field)
