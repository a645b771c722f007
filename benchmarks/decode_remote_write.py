"""Prometheus remote write to columns: RemoteWriteCodec against the protobuf library.

Snappy-compressed messages of series with seven labels, known to the codec after the first round.
The peer decompresses and parses with the protobuf library (upb), puts times and values into NumPy
arrays and finds each series' number in a dictionary by its labels. Both take turns.

Run: ``python benchmarks/decode_remote_write.py --help``
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence

import cramjam
import numpy as np

from engine.codecs.remote_write import RemoteWriteCodec
from engine.codecs.remote_write_messages import Request, WriteRequest
from engine.codecs.samples import Limits

START_MS = 1_760_000_000_000


def labels_of(number: int) -> list[tuple[str, str]]:
    return [
        ("__name__", "http_requests_total"),
        ("code", ("200", "404", "500")[number % 3]),
        ("environment", "production"),
        ("instance", f"10.0.{number // 250 % 250}.{number % 250}:9100"),
        ("job", "checkout"),
        ("method", ("GET", "POST")[number % 2]),
        ("region", "eu-west-1"),
    ]


def first(numbers: Sequence[int], samples: int, rng: random.Random) -> bytes:
    """Make the body of a 1.0 request."""
    request = WriteRequest()
    for number in numbers:
        series = request.timeseries.add()
        for name, value in labels_of(number):
            series.labels.add(name=name, value=value)
        for index in range(samples):
            series.samples.add(timestamp=START_MS + index * 15_000, value=rng.random())
    return request.SerializeToString()


def second(numbers: Sequence[int], samples: int, rng: random.Random) -> bytes:
    """Make the body of a 2.0 request."""
    request = Request()
    symbols = {"": 0}
    for number in numbers:
        series = request.timeseries.add()
        for text in (text for label in labels_of(number) for text in label):
            series.labels_refs.append(symbols.setdefault(text, len(symbols)))
        for index in range(samples):
            series.samples.add(timestamp=START_MS + index * 15_000, value=rng.random())
    request.symbols.extend(symbols)
    return request.SerializeToString()


def bodies_of(
    make: Callable[..., bytes], series: int, per_message: int, samples: int, seed: int
) -> list[bytes]:
    """Make messages that together hold every series once."""
    rng = random.Random(seed)
    numbers = list(range(series))
    rng.shuffle(numbers)
    return [
        make(numbers[start : start + per_message], samples, rng)
        for start in range(0, series, per_message)
    ]


def library(is_second: bool) -> Callable[[Sequence[bytes]], int]:
    """Give the peer; it returns the number of samples."""
    known: dict[tuple, int] = {}

    def decode(payloads: Sequence[bytes]) -> int:
        numbers, times, values = [], [], []
        for payload in payloads:
            body = bytes(cramjam.snappy.decompress_raw(payload))
            request = (Request if is_second else WriteRequest).FromString(body)
            symbols = list(request.symbols) if is_second else []
            for series in request.timeseries:
                if is_second:
                    labels = tuple(symbols[reference] for reference in series.labels_refs)
                else:
                    labels = tuple((label.name, label.value) for label in series.labels)
                number = known.setdefault(labels, len(known))
                for sample in series.samples:
                    numbers.append(number)
                    times.append(sample.timestamp)
                    values.append(sample.value)
        columns = np.array(numbers), np.array(times), np.array(values)
        return len(columns[0])

    return decode


def rates(
    contenders: dict[str, Callable[[Sequence[bytes]], int]], payloads: list[bytes], rounds: int
) -> dict[str, float]:
    """Give samples per second of CPU in the best of some alternating rounds, after a warm one."""
    best = dict.fromkeys(contenders, 0.0)
    for round_number in range(rounds + 1):
        for name, decode in contenders.items():
            begin = time.process_time()
            count = decode(payloads)
            rate = count / (time.process_time() - begin)
            best[name] = max(best[name], rate if round_number else 0.0)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    print(f"{arguments.series:,} series; M samples/s of CPU, best of {arguments.rounds}")
    print(f"{'version':<8}{'message':>24}{'bytes':>9}{'codec':>9}{'library':>9}{'ratio':>7}")
    for version, make in (("1.0", first), ("2.0", second)):
        for per_message, samples in ((500, 1), (100, 5)):
            bodies = bodies_of(make, arguments.series, per_message, samples, arguments.seed)
            payloads = [bytes(cramjam.snappy.compress_raw(body)) for body in bodies]
            codec = RemoteWriteCodec(limits=Limits())
            best = rates(
                {
                    "codec": lambda payloads, codec=codec: len(codec.decode(payloads).columns),
                    "library": library(make is second),
                },
                payloads,
                arguments.rounds,
            )
            shape = f"{per_message} series x {samples}"
            fast, slow = best["codec"] / 1e6, best["library"] / 1e6
            print(
                f"{version:<8}{shape:>24}{len(bodies[0]):>9}{fast:>9.2f}{slow:>9.2f}"
                f"{fast / slow:>7.1f}"
            )


if __name__ == "__main__":
    main()
