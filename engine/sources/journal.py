"""The journal of promises that idle partitions gave: what a recording needs to repeat a run."""

from pathlib import Path
from threading import Lock

import msgspec

JOURNAL_FILE = "idle.jsonl"
"""Name of the journal in a run's state folder."""

_BYTES_MAX = 16_777_216


class IdleAdvance(msgspec.Struct, frozen=True):
    """Before `offset` of `partition`, the partition's claim advanced to `ts` (ns)."""

    partition: str
    offset: int
    ts: int


class Journal:
    """Appends promises to a file; keeps only the furthest of each place when it grows.

    Parameters
    ----------
    path : Path or None
        None keeps no journal.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = Lock()

    def write(self, partition: str, offset: int, ts: int) -> None:
        """Note a promise as it is given."""
        if self.path is None:
            return
        # The newline before it ends a line that a killed run left unfinished.
        line = b"\n" + msgspec.json.encode(IdleAdvance(partition, offset, ts)) + b"\n"
        with self._lock:
            with self.path.open("ab") as file:
                file.write(line)
                size = file.tell()
            if size > _BYTES_MAX:
                self._compact()

    def read(self) -> dict[str, dict[int, int]]:
        """The furthest promise at each place, by partition and offset."""
        found: dict[str, dict[int, int]] = {}
        if self.path is None or not self.path.exists():
            return found
        for line in self.path.read_bytes().splitlines():
            try:
                advance = msgspec.json.decode(line, type=IdleAdvance)
            except msgspec.DecodeError:
                continue  # an empty line, or the last one of a run that was killed
            places = found.setdefault(advance.partition, {})
            places[advance.offset] = max(advance.ts, places.get(advance.offset, advance.ts))
        return found

    def _compact(self) -> None:
        if self.path is None:
            return
        advances = [
            IdleAdvance(partition, offset, ts)
            for partition, places in self.read().items()
            for offset, ts in places.items()
        ]
        # Half of the bound at the most, the newest: older ones are before what topics still hold.
        advances.sort(key=lambda advance: advance.ts, reverse=True)
        kept: list[bytes] = []
        size = 0
        for line in map(msgspec.json.encode, advances):
            size += len(line) + 1
            if size > _BYTES_MAX // 2:
                break
            kept.append(line)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_bytes(b"\n".join(reversed(kept)) + b"\n")
        temporary.replace(self.path)
