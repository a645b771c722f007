"""The kernels equal their plain twins bit for bit, and a row's result has no neighbours."""

import naive_multivariate as naive
import numpy as np
import pytest

from engine.drift import multivariate_kernels as kernels
from engine.drift import random_features_kernels as waves
from engine.drift import row_sample_kernels as hashing


@pytest.fixture
def generator():
    return np.random.default_rng(5)


@pytest.mark.parametrize("width", [1, 3, 4, 9])
@pytest.mark.parametrize("count", [1, 7, 16])
def test_projections_equal_the_twin(generator, width, count):
    inputs = generator.standard_normal((5, width), np.float32)
    directions = generator.standard_normal((width, count), np.float32)
    found, expected = np.empty((2, 5, count), np.float32)
    kernels.project(inputs, directions, found)
    naive.project(inputs, directions, expected)
    assert found.tobytes() == expected.tobytes()


def test_a_row_is_projected_alike_in_any_batch(generator):
    inputs = generator.standard_normal((40, 21), np.float32)
    directions = generator.standard_normal((21, 64), np.float32)
    whole = np.empty((40, 64), np.float32)
    kernels.project(inputs, directions, whole)
    for first in range(40):
        part = np.empty((40 - first, 64), np.float32)
        kernels.project(inputs[first:], directions, part)
        assert part.tobytes() == whole[first:].tobytes()


def test_inputs_equal_the_twin(generator):
    values = np.array([np.nan, np.inf, -np.inf, 1e300, 3.0, -4.0, 0.0])
    codes = np.array([-1, 0, 2, 1, -1, 2, 0], np.int32)
    table = generator.standard_normal((3, 2), np.float32)
    places = np.array([1, 0])
    found, expected = np.zeros((2, 7, 2), np.float32)
    for out, module in ((found, kernels), (expected, naive)):
        module.add_numbers(values, 1.0, 0.5, 1, out)
        module.add_codes(codes, table, places, out)
    assert found.tobytes() == expected.tobytes()
    assert np.abs(found).max() > kernels.REACH - 1.0


def test_errors_equal_the_twin(generator):
    inputs = generator.standard_normal((20, 6), np.float32)
    projected = inputs[:, :2] * np.float32(1.5)  # longer than some of the rows: the error is 0
    center, offset = generator.standard_normal((2, 6), np.float32)
    found, expected = np.zeros((2, 3), np.int64)
    kernels.add_errors(inputs, projected, center, offset[:2], 4096.0, found)
    naive.add_errors(inputs, projected, center, offset[:2], 4096.0, expected)
    assert found.tolist() == expected.tolist()
    assert found[1] > 0


def test_features_equal_the_twin(generator):
    projected = np.concatenate(
        (generator.standard_normal((30, 4), np.float32) * 9, np.float32([[0, -0.0, 1, -1e-30]]))
    )
    expected = naive.features(projected, 0.37, waves.TURN, waves.AMPLITUDE)
    spread = np.empty((31, 8))
    waves.spread_features(projected, 0.37, waves.COSINES, spread)
    assert spread.tolist() == expected.tolist()
    totals = np.zeros(9, np.int64)
    waves.add_features(projected, 0.37, waves.COSINES, totals)
    assert totals.tolist() == [31, *expected.sum(axis=0).tolist()]


def test_unit_vectors_equal_the_twin(generator):
    vectors = generator.standard_normal((9, 5), np.float32)
    vectors[3], vectors[5, 2], vectors[7, 0] = 0.0, np.nan, np.inf
    out = np.empty((9, 5), np.float32)
    kept = waves.unit_vectors(vectors, out)
    expected = naive.unit_vectors(vectors)
    assert kept == len(expected) == 6
    assert out[:kept].tobytes() == expected.tobytes()
    found, sums = np.zeros((2, 5), np.int64)
    waves.add_units(expected, 1024.0, found)
    naive.add_units(expected, 1024.0, sums)
    assert found.tolist() == sums.tolist()


def test_hashes_equal_the_twin():
    seed = 0xDEADBEEF12345678
    values = np.array([0.0, -0.0, np.nan, 1.5, -np.inf])
    codes = np.array([-1, 0, 1, 1000, -1], np.int32)
    found = np.zeros(5, np.uint64)
    hashing.add_value_hashes(values, values.view(np.uint64), np.uint64(seed), found)
    hashing.add_code_hashes(codes, np.uint64(seed), found)
    pairs = zip(naive.value_hashes(values, seed), naive.code_hashes(codes, seed), strict=True)
    assert found.tolist() == [(first + second) & naive.MASK for first, second in pairs]
    mixed = found.copy()
    hashing.mix_all(mixed, np.uint64(seed))
    assert mixed.tolist() == [naive.mix(word ^ seed) for word in found.tolist()]
