"""The native JSON metric message to columns, at the speed of compiled code.

A scan (`json_scan.py`) reads the usual forms; the strict reader (`json_strict.py`), which says what
the format means, reads every other message, and every series that is met for the first time. The
result is always that of `decode_strict`, to the last bit of a float.
"""

from functools import partial

from engine.codecs.interning import LABELS_LENGTH, LABELS_START, NAME_LENGTH, NAME_START
from engine.codecs.json_scan import ROW_BYTES_MIN, scan
from engine.codecs.json_strict import decode_strict, read_identity, read_message
from engine.codecs.samples import Limits
from engine.codecs.scanned import ScannedCodec

__all__ = ["Limits", "NativeJsonCodec", "decode_strict"]


class NativeJsonCodec(ScannedCodec):
    """Decoder of native JSON metric messages.

    Parameters
    ----------
    limits : Limits or None
    cache_entries : int
        As in `ScannedCodec`.
    """

    def __init__(self, *, limits: Limits | None = None, cache_entries: int = 1 << 20) -> None:
        limits = limits or Limits()
        super().__init__(
            scan=scan,
            row_bytes_min=ROW_BYTES_MIN,
            identity=_identity_document,
            read_identity=read_identity,
            read=partial(read_message, limits=limits),
            limits=limits,
            cache_entries=cache_entries,
        )


def _identity_document(text: bytes, span: list[int]) -> bytes:
    """Make a message of only the name and labels that a span delimits."""
    name = text[span[NAME_START] : span[NAME_START] + span[NAME_LENGTH]]
    labels = text[span[LABELS_START] : span[LABELS_START] + span[LABELS_LENGTH]]
    return b'{"name":"%b","labels":%b}' % (name, labels or b"{}")
