"""Native JSON messages to columns: NativeJsonCodec against msgspec typed structs.

Messages of about 200 bytes over many series, known to the codec after the first round. The peers:

- ``msgspec``: one typed struct per message, then time and value into NumPy arrays; the series of a
  row stays a dictionary of labels (what a plain consumer does before it can tell series apart);
- ``msgspec + interning``: the same with the labels left raw, and a Python dictionary from
  (name, raw labels) to a fingerprint: the same work as the codec's.

Run: ``python benchmarks/decode_native_json.py --help``
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from engine.codecs.native_json import NativeJsonCodec


class Labelled(msgspec.Struct, gc=False):
    ts: int
    name: str
    value: float
    labels: dict[str, str] = {}


class RawLabelled(msgspec.Struct, gc=False):
    ts: int
    name: str
    value: float
    labels: msgspec.Raw = msgspec.Raw(b"{}")


def rows(count: int, series: int, seed: int) -> list[bytes]:
    """Make rows in a random order of series."""
    rng = random.Random(seed)
    return [
        b'{"ts":%d,"name":"cpu_usage_percent","labels":{"host":"web-%05d","region":"eu-west-1",'
        b'"service":"checkout","instance":"10.0.%d.%d:9100","environment":"production"},'
        b'"value":%r}' % (1_760_000_000_000 + index, host, host // 250, host % 250, rng.random())
        for index, host in enumerate(rng.randrange(series) for _ in range(count))
    ]


def messages_of(rows: Sequence[bytes], per_message: int) -> list[bytes]:
    """Put `per_message` rows into each message; one row stands alone, without an array."""
    if per_message == 1:
        return list(rows)
    return [
        b"[" + b",".join(rows[start : start + per_message]) + b"]"
        for start in range(0, len(rows), per_message)
    ]


def struct_decoder(kind: type, per_message: int) -> Callable[[Sequence[bytes]], list]:
    """Give a function from messages to typed structs."""
    if per_message == 1:
        decode = msgspec.json.Decoder(kind).decode
        return lambda messages: [decode(message) for message in messages]
    decode_many = msgspec.json.Decoder(list[kind]).decode
    return lambda messages: [row for message in messages for row in decode_many(message)]


def contenders(per_message: int) -> dict[str, Callable[[Sequence[bytes]], int]]:
    """Name the ways to decode; each gives the number of rows."""
    codec = NativeJsonCodec()
    labelled = struct_decoder(Labelled, per_message)
    raw_labelled = struct_decoder(RawLabelled, per_message)
    fingerprints: dict[tuple[str, bytes], int] = {}

    def columns(structs: list) -> int:
        np.array([row.ts for row in structs])
        np.array([row.value for row in structs])
        return len(structs)

    def interned(messages: Sequence[bytes]) -> int:
        structs = raw_labelled(messages)
        np.array(
            [
                fingerprints.setdefault((row.name, bytes(row.labels)), len(fingerprints))
                for row in structs
            ]
        )
        return columns(structs)

    return {
        "NativeJsonCodec": lambda messages: len(codec.decode(messages).columns),
        "msgspec": lambda messages: columns(labelled(messages)),
        "msgspec + interning": interned,
    }


def best_rate(
    decode: Callable[[Sequence[bytes]], int], batches: Sequence[list[bytes]], rounds: int
) -> float:
    """Give rows per second in the best of some rounds, after one that warms up."""
    best = 0.0
    for round_number in range(rounds + 1):
        begin = time.process_time()
        count = sum(decode(batch) for batch in batches)
        rate = count / (time.process_time() - begin)
        best = max(best, rate if round_number else 0.0)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=4096, help="messages per call")
    parser.add_argument("--per-message", type=int, default=1, help="rows per message")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    messages = messages_of(
        rows(arguments.rows, arguments.series, arguments.seed), arguments.per_message
    )
    batches = [
        messages[start : start + arguments.batch]
        for start in range(0, len(messages), arguments.batch)
    ]
    rates = {
        name: best_rate(decode, batches, arguments.rounds)
        for name, decode in contenders(arguments.per_message).items()
    }
    print(f"{len(messages):,} messages of {len(messages[0])} B, {arguments.series:,} series")
    print(f"{'decoder':<22}{'M rows/s of CPU':>16}{'ratio':>8}")
    for name, rate in rates.items():
        print(f"{name:<22}{rate / 1e6:>16.2f}{rate / rates['msgspec']:>8.2f}")


if __name__ == "__main__":
    main()
