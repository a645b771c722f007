"""What every sequential detector must keep: cuts and snapshots change nothing."""

import numpy as np


def streams(rng, count, parts=6, rows=700):
    """Zeros and ones whose rate changes at random places."""
    for _ in range(count):
        yield np.concatenate(
            [
                (rng.random(n) < p).astype(float)
                for n, p in zip(rng.integers(1, rows, parts), rng.random(parts), strict=True)
            ]
        )


def watch(detector, values, cuts=()):
    """Alarms, onsets and warnings of values in batches, as lists."""
    found = [detector.update(part) for part in np.split(values, cuts)]
    return tuple(
        np.concatenate([getattr(batch, name) for batch in found]).tolist()
        for name in ("rows", "onsets", "warnings")
    )


def check_contract(make, values, rng):
    """Cuts change nothing, nor does going on from a snapshot within each part."""
    whole = watch(make(), values)
    cuts = np.sort(rng.integers(0, len(values) + 1, 7))
    assert watch(make(), values, cuts) == whole
    detector, again, expected, row = make(), [], [], 0
    for part in np.split(values, cuts):
        half = len(part) // 2
        detector.update(part[:half])
        kept = {name: array.copy() for name, array in detector.snapshot().items()}
        detector.update(part[half:])  # must not reach into what was kept
        detector = make()
        detector.restore(kept)
        again += detector.update(part[half:]).rows.tolist()
        expected += [alarm for alarm in whole[0] if row + half <= alarm < row + len(part)]
        row += len(part)
    assert again == expected
    return whole
