"""What the peers' programs have in common: their options, the clock and the line they print."""

import argparse
import json
import time
from dataclasses import dataclass

OUTPUT = "streamgauge-peers-out"


@dataclass(frozen=True)
class Options:
    """Where a peer reads, and how many rows the topic holds."""

    brokers: str
    topic: str
    rows: int


def options() -> Options:
    parser = argparse.ArgumentParser()
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--rows", type=int, required=True)
    return Options(**vars(parser.parse_args()))


class Meter:
    """Time from the arrival of the first rows until the last one is handled."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.seen = 0
        self.alerts = 0
        self._begin = (0.0, 0.0)

    def start(self) -> None:
        """Begin at the first call: rows have come."""
        if not self._begin[0]:
            self._begin = time.perf_counter(), time.process_time()

    def add(self, count: int = 1) -> bool:
        """Count rows handled; true when these were the last, whereupon the line is printed."""
        self.seen += count
        if self.seen < self.rows or not count:
            return False
        wall, cpu = self._begin
        line = {
            "rows": self.seen,
            "wall_s": time.perf_counter() - wall,
            "cpu_s": time.process_time() - cpu,
            "alerts": self.alerts,
        }
        print(json.dumps(line), flush=True)
        return True
