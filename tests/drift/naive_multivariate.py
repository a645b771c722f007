"""What the multivariate kernels do, one value at a time, in plain Python."""

import math

import numpy as np

MASK = (1 << 64) - 1


def add_numbers(values, mean, scale, place, out):
    for row, value in enumerate(values.tolist()):
        score = (value - mean) * scale
        if not math.isnan(score):
            out[row, place] += np.float32(max(-10.0, min(10.0, score)))


def add_codes(codes, table, places, out):
    for row, code in enumerate(codes.tolist()):
        for part, place in enumerate(places.tolist()):
            if code >= 0:
                out[row, place] += table[code, part]


def project(inputs, directions, out):
    """Dimensions in fours, each four by pairs; then what is left."""
    rows, width = inputs.shape
    whole = width - width % 4
    for row in range(rows):
        for column in range(directions.shape[1]):
            products = [inputs[row, k] * directions[k, column] for k in range(width)]
            total = np.float32(0.0)
            for k in range(0, whole, 4):
                first, second, third, fourth = products[k : k + 4]
                total += (first + second) + (third + fourth)
            for product in products[whole:]:
                total += product
            out[row, column] = total


def add_errors(inputs, projected, center, offset, steps, totals):
    for vector, shadow in zip(inputs, projected, strict=True):
        square = 0.0
        for part in vector - center:
            square += float(part) ** 2
        for part in shadow - offset:
            square -= float(part) ** 2
        error = math.floor(math.sqrt(max(square, 0.0)) * steps + 0.5)
        totals += [1, error, error * error]


def features(projected, turns_per_unit, turn, amplitude):
    """Cosines and sines of the middles of the parts of a turn, whole numbers."""
    rows = []
    for vector in projected.tolist():
        parts = [math.floor(math.fmod(v * turns_per_unit % 1.0, 1.0) * turn) for v in vector]
        angles = [2.0 * math.pi * (part + 0.5) / turn for part in parts]
        cosines = [round(amplitude * math.cos(angle)) for angle in angles]
        rows.append(cosines + [round(amplitude * math.sin(angle)) for angle in angles])
    return np.array(rows)


def unit_vectors(vectors):
    units = []
    for vector in vectors:
        square = sum(float(part) ** 2 for part in vector)
        if 0.0 < square < math.inf:
            units.append([np.float32(float(part) * (1.0 / math.sqrt(square))) for part in vector])
    return np.array(units, np.float32).reshape(-1, vectors.shape[1])


def add_units(units, steps, totals):
    for unit in units.tolist():
        totals += [math.floor(part * steps + 0.5) for part in unit]


def mix(word):
    word = (word + 0x9E3779B97F4A7C15) & MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def value_hashes(values, seed):
    bits = values.view(np.uint64).tolist()
    pairs = zip(values.tolist(), bits, strict=True)
    return [0 if math.isnan(value) else mix(word ^ seed) for value, word in pairs]


def code_hashes(codes, seed):
    return [0 if code < 0 else mix(code ^ seed) for code in codes.tolist()]


def sampled(rows, hashes, size):
    """The rows of the least hashes."""
    return [row for _, row in sorted(zip(hashes, rows, strict=True))[:size]]
