"""Every codec against mutated messages: none may crash, hang, or differ from its strict reader.

    python benchmarks/fuzz_codecs.py [--messages 1000000] [--seed 1] [FORMAT ...]

The mutations, structure-aware by taking pieces of other messages, are those of
tests/codecs/test_formats.py, which runs a short form of this with every test run.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "codecs"))

from test_formats import check_mutants

from engine.codecs.formats import FORMATS

ROUND = 20_000


def fuzz(name, messages, seed):
    began_s = time.perf_counter()
    with_rows = rejected = 0
    for number in range(-(-messages // ROUND)):
        rows, rejects = check_mutants(name, min(ROUND, messages - number * ROUND), (seed, number))
        with_rows += rows
        rejected += rejects
    took_s = time.perf_counter() - began_s
    print(
        f"{name:20} {messages:>10,} messages, {with_rows:>9,} with rows, {rejected:>9,} rejected, "
        f"{took_s:6.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", choices=[[], *FORMATS])
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for name in arguments.formats or FORMATS:
        fuzz(name, arguments.messages, arguments.seed)
