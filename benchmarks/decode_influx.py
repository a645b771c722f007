"""Influx line protocol to columns: InfluxCodec against the library `line_protocol_parser`.

Lines like Telegraf's for CPUs, two numeric fields each, over many series that the codec knows after
the first round. The peers, which only read lines and put time and value into NumPy arrays:

- ``library``: `parse_line` for each line; a row's series stays a dictionary of tags;
- ``strict reader``: what the codec must equal, with `Series` and fingerprints.

Rounds alternate between the contenders, so that the machine's mood is the same for all.

Run: ``python benchmarks/decode_influx.py --help``
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence

import numpy as np
from line_protocol_parser import parse_line

from engine.codecs.influx import InfluxCodec
from engine.codecs.samples import Limits, read_all


def lines(count: int, hosts: int, seed: int) -> list[bytes]:
    """Make lines in a random order of series."""
    rng = random.Random(seed)
    return [
        b"cpu,cpu=cpu%d,host=web-%d usage_idle=%.1f,usage_user=%.1f %d"
        % (
            rng.randrange(8),
            rng.randrange(hosts),
            100 * rng.random(),
            100 * rng.random(),
            1_760_000_000_000_000_000 + index * 1_000_000,
        )
        for index in range(count)
    ]


def library(messages: Sequence[bytes]) -> int:
    """Read lines with the library alone; gives the number of rows."""
    points = [parse_line(line) for message in messages for line in message.decode().split("\n")]
    np.array([point["time"] for point in points])
    return len(np.array([value for point in points for value in point["fields"].values()]))


def contenders() -> dict[str, Callable[[Sequence[bytes]], int]]:
    """Name the ways to decode; each gives the number of rows."""
    codec = InfluxCodec(limits=Limits())
    return {
        "InfluxCodec": lambda messages: len(codec.decode(messages).columns),
        "library": library,
        "strict reader": lambda messages: len(read_all(codec.read, messages).columns),
    }


def best_rates(batches: Sequence[list[bytes]], rounds: int) -> dict[str, float]:
    """Give rows per second of CPU in the best of alternating rounds, after one that warms up."""
    ways = contenders()
    best = dict.fromkeys(ways, 0.0)
    for round_number in range(rounds + 1):
        for name, decode in ways.items():
            begin = time.process_time()
            count = sum(decode(batch) for batch in batches)
            rate = count / (time.process_time() - begin)
            best[name] = max(best[name], rate if round_number else 0.0)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--hosts", type=int, default=1000, help="of 16 series each")
    parser.add_argument("--lines-per-call", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    made = lines(arguments.lines, arguments.hosts, arguments.seed)
    print(f"{'decoder':<16}{'lines/message':>14}{'M rows/s of CPU':>17}{'ratio':>8}")
    for per_message in (1, 100):
        messages = [
            b"\n".join(made[start : start + per_message])
            for start in range(0, len(made), per_message)
        ]
        per_call = max(1, arguments.lines_per_call // per_message)
        batches = [
            messages[start : start + per_call] for start in range(0, len(messages), per_call)
        ]
        rates = best_rates(batches, arguments.rounds)
        for name, rate in rates.items():
            ratio = rate / rates["library"]
            print(f"{name:<16}{per_message:>14}{rate / 1e6:>17.2f}{ratio:>8.1f}")


if __name__ == "__main__":
    main()
