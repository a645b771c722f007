"""Speed of the statistics of all features together, and of embeddings.

Rows come in batches of decoded columns; a rate is rows by seconds of CPU, the best of some rounds.
A comparison is of one window with its reference, in milliseconds of CPU.

Run: ``python -m benchmarks.multivariate_speed``
"""

import argparse
import time

import numpy as np

from engine.codecs.predictions import Column, Kind
from engine.drift.multivariate import Multivariate

BATCH_ROWS = 1 << 13
REFERENCE_ROWS = 4_000

Columns = dict[str, Column]


def features(generator: np.random.Generator, rows: int, count: int, categorical: int) -> Columns:
    """Numeric features, the last of them categorical with 50 values."""
    names = [f"value {place}" for place in range(50)]
    columns = {
        f"x{place}": Column(Kind.NUMERIC, generator.standard_normal(rows))
        for place in range(count - categorical)
    }
    for place in range(categorical):
        codes = generator.integers(0, 50, rows).astype(np.int32)
        columns[f"c{place}"] = Column(Kind.CATEGORICAL, codes, names)
    return columns


def embedding(generator: np.random.Generator, rows: int, width: int) -> Columns:
    vectors = generator.standard_normal((rows, width), np.float32)
    return {"vector": Column(Kind.EMBEDDING, vectors, rows=np.arange(rows))}


def measure(
    reference: Columns,
    batch: Columns,
    rows: int,
    methods: tuple[str, ...],
    rounds: int,
) -> tuple[float, float, int]:
    """Rows per second, milliseconds per comparison, bytes of a pane and the parameters."""
    reference_rows = max(len(column.values) for column in reference.values())
    fitted = Multivariate.fit(reference, reference_rows, methods)
    index = np.arange(rows)
    best = compared = np.inf
    pane = fitted.pane()
    for _ in range(rounds):
        pane = fitted.pane()
        begin = time.thread_time()
        for _ in range(4):
            fitted.add(pane, batch, index)
        best = min(best, (time.thread_time() - begin) / 4)
        begin = time.thread_time()
        fitted.compare(pane)
        compared = min(compared, time.thread_time() - begin)
    held = [*pane.arrays().values(), *fitted.arrays().values()]
    return rows / best, 1e3 * compared, sum(array.nbytes for array in held)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    generator = np.random.default_rng(1)
    print(f"{'what':44}{'rows/s':>12}{'ms/window':>11}{'kB':>8}")
    for count, categorical, methods in (
        (100, 0, ("mmd", "pca")),
        (100, 20, ("mmd", "pca")),
        (15, 5, ("mmd", "pca")),
        (15, 5, ("domain_classifier",)),
        (100, 0, ("domain_classifier",)),
    ):
        reference = features(generator, REFERENCE_ROWS, count, categorical)
        batch = features(generator, BATCH_ROWS, count, categorical)
        rate, compared, held = measure(reference, batch, BATCH_ROWS, methods, rounds)
        what = f"{count} features ({categorical} categorical), {'+'.join(methods)}"
        print(f"{what:44}{rate:12,.0f}{compared:11.2f}{held / 1e3:8,.0f}")
    for width in (384, 1536, 8192):
        rows = BATCH_ROWS * 128 // width
        reference, batch = embedding(generator, 1_000, width), embedding(generator, rows, width)
        rate, compared, held = measure(reference, batch, rows, (), rounds)
        what = f"embedding of {width} dimensions"
        print(f"{what:44}{rate:12,.0f}{compared:11.2f}{held / 1e3:8,.0f}")


if __name__ == "__main__":
    main()
