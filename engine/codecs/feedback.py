r"""Feedback of users as messages: which sample of which series was judged, and how.

``{"ts": "2026-03-02T10:15:00Z", "series": "cpu_usage{host=\"web-3\"}", "verdict": "false_alarm"}``,
or an array of such objects. `series` may also be an object of `name` and `labels`. `detector` names
the detector that is meant, by default all. `at` says when the verdict takes effect, by default when
its record was written.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np

from engine.codecs.samples import (
    Limits,
    RejectedError,
    Sample,
    check_size,
    checked_series,
    read_all,
)
from engine.codecs.series_text import series_of_text
from engine.codecs.timestamps import epoch_ms_ns, rfc3339_ns
from engine.codecs.verdicts import ALL_DETECTORS, UNIT_NS, VERDICTS, packed, whole_units
from engine.series.columns import FLAG_FEEDBACK, Decoded, Reject
from engine.series.identity import Series


class _Named(msgspec.Struct):
    """A series as an object."""

    name: str
    labels: dict[str, str] = {}


_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class FeedbackCodec:
    """Decoder of feedback.

    The timestamp of a row is when the verdict takes effect, where the message says so; where not,
    it is the judged sample's, and the row's age is 0.

    Parameters
    ----------
    detectors : sequence of str
        Names that `detector` may have, in the order of their numbers, which begin with 1.
    limits : Limits
    """

    def __init__(self, detectors: Sequence[str], *, limits: Limits) -> None:
        self.limits = limits
        self._number = {name: number for number, name in enumerate(detectors, ALL_DETECTORS + 1)}

    def decode(self, payloads: Sequence[bytes]) -> Decoded:
        """Decode messages; `new_series` holds each of their series once."""
        return read_all(self._read, payloads)

    def read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        """Read one message: no samples, so that a dead letter shows the message itself."""
        return [], self._read(payload, index)[1]

    def row(self, record: Any) -> Sample:
        """Make the row of one record, as JSON decodes it, with Decimal for float.

        Raises
        ------
        RejectedError
            The record can't be used.
        """
        if not isinstance(record, dict):
            raise RejectedError("schema_error", "the record is no object")
        judged = whole_units(_moment(record, "ts"))
        at = judged
        if record.get("at") is not None:
            # Given is never the same as not given.
            at = max(whole_units(_moment(record, "at")), judged + UNIT_NS)
        name = record.get("verdict")
        if name not in VERDICTS:
            detail = f"verdict is {_shown(name)}, not one of {', '.join(VERDICTS)}"
            raise RejectedError("schema_error", detail)
        verdict = np.array([VERDICTS.index(name)], np.uint8)
        detector = np.array([self._detector(record.get("detector"))], np.uint8)
        value = packed(verdict, detector, np.array([judged]), np.array([at]))
        return Sample(self._series(record.get("series")), at, float(value[0]), int(FLAG_FEEDBACK))

    def _read(self, payload: bytes, index: int) -> tuple[list[Sample], list[Reject]]:
        try:
            check_size(payload, self.limits)
            document = _decode(payload)
        except RejectedError as error:
            return [], [error.reject(index, None)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return [], [RejectedError("decode_error", str(error)).reject(index, None)]
        samples: list[Sample] = []
        rejects: list[Reject] = []
        for record in document if isinstance(document, list) else [document]:
            try:
                samples.append(self.row(record))
            except RejectedError as error:
                row = msgspec.json.encode(record) if isinstance(document, list) else None
                rejects.append(error.reject(index, row))
        return samples, rejects

    def _detector(self, name: Any) -> int:
        if name is None:
            return ALL_DETECTORS
        if not isinstance(name, str) or name not in self._number:
            known = ", ".join(self._number) or "none"
            detail = f"there is no detector {_shown(name)}; there are: {known}"
            raise RejectedError("schema_error", detail)
        return self._number[name]

    def _series(self, given: Any) -> Series:
        if isinstance(given, str):
            return series_of_text(given, self.limits)
        try:
            named = msgspec.convert(given, _Named)
        except msgspec.ValidationError:
            detail = "series is missing, or neither text nor an object of name and labels"
            raise RejectedError("schema_error", detail) from None
        return checked_series(named.name, named.labels, self.limits)


def _moment(record: Mapping[str, Any], key: str) -> int:
    """Read epoch milliseconds or RFC 3339."""
    given = record.get(key)
    ts = None
    if isinstance(given, str):
        ts = rfc3339_ns(given)
    elif isinstance(given, int | Decimal) and not isinstance(given, bool):
        ts = epoch_ms_ns(str(given))
    if ts is None:
        detail = f"{key} is {_shown(given)}, not epoch milliseconds or RFC 3339"
        raise RejectedError("bad_timestamp", detail)
    return ts


def _shown(given: Any) -> str:
    return "missing" if given is None else str(given)[:100]
