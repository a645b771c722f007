"""A sample of rows: the same in any cut, fair, restored, equal to sorting by hash."""

import naive_multivariate as naive
import numpy as np
import pytest
from multivariate_cases import cuts, mixed, same_arrays, take

from engine.codecs.predictions import Column, Kind
from engine.drift.row_sample import RowSample, row_hashes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("with_keys", [True, False])
def test_any_cut_gives_the_same_bits(seed, with_keys):
    generator = np.random.default_rng(seed)
    rows = 400
    columns = mixed(generator, rows)
    columns["late"] = Column(Kind.NUMERIC, np.where(np.arange(rows) < 200, np.nan, 1.0))
    keys = generator.integers(0, 50, rows).astype(np.uint64) if with_keys else None
    whole, pieces, merged = RowSample(60), RowSample(60), RowSample(60)
    whole.add(columns, keys=keys)
    for piece in cuts(generator, rows, 7):
        part = take(columns, piece)
        if len(piece) and piece[-1] < 200:
            del part["late"]  # as a codec does of a column without values
        own = RowSample(60)
        own.add(part, np.arange(len(piece)), None if keys is None else keys[piece])
        merged.merge(own)
        pieces.add(columns, piece, keys)
    assert same_arrays(whole.arrays(), pieces.arrays())
    assert same_arrays(whole.arrays(), merged.arrays())


def test_the_rows_of_the_least_hashes_are_kept():
    columns = {"x": Column(Kind.NUMERIC, np.random.default_rng(1).standard_normal(100))}
    sample = RowSample(7)
    sample.add(columns)
    hashes = row_hashes(columns, np.zeros(100, np.uint64)).tolist()
    expected = naive.sampled(columns["x"].values.tolist(), hashes, 7)
    assert sample.columns()["x"].values.tolist() == expected
    assert sample.rows == 7


def test_rows_are_kept_whole():
    rows = 300
    number = np.arange(rows)
    columns = {
        "x": Column(Kind.NUMERIC, number.astype(float)),
        "even": Column(Kind.BOOLEAN, (number % 2 == 0).astype(np.int8)),
        "digit": Column(Kind.CATEGORICAL, (number % 10).astype(np.int32), list("0123456789")),
        "vector": Column(Kind.EMBEDDING, np.ones((rows, 2), np.float32), rows=number),
    }
    sample = RowSample(40)
    sample.add(columns)
    kept = sample.columns()
    assert set(kept) == {"x", "even", "digit"}
    x = kept["x"].values
    assert (kept["even"].values == (x % 2 == 0)).all()
    assert [kept["digit"].names[code] for code in kept["digit"].values] == [
        str(int(value) % 10) for value in x
    ]


def test_every_row_is_as_likely():
    generator = np.random.default_rng(2)
    taken = np.zeros(20)
    for _ in range(400):
        values = generator.standard_normal(20)
        sample = RowSample(5)
        sample.add({"x": Column(Kind.NUMERIC, values)})
        taken += np.isin(values, sample.columns()["x"].values)
    assert np.sum((taken - 100.0) ** 2 / 75.0) < 45.3  # chi-square of 20, 0.1 %


def test_keys_tell_rows_apart_that_are_alike():
    codes = np.repeat(np.int32([0, 1]), [9_000, 1_000])
    columns = {"x": Column(Kind.CATEGORICAL, codes, ["often", "rarely"])}
    sample = RowSample(1_000)
    sample.add(columns, keys=np.arange(10_000).astype(np.uint64))
    assert 60 <= np.sum(sample.columns()["x"].values) <= 140


def test_a_sample_is_restored():
    columns = mixed(np.random.default_rng(3), 200)
    sample, again = RowSample(50), RowSample(50)
    sample.add(columns)
    again.restore(sample.arrays())
    assert same_arrays(sample.arrays(), again.arrays())
    more = mixed(np.random.default_rng(4), 200)
    sample.add(more)
    again.add(more)
    assert same_arrays(sample.arrays(), again.arrays())
    assert list(again.columns()["city"].names) == list(sample.columns()["city"].names)


def test_a_feature_of_two_kinds_does_not_mix_them():
    sample = RowSample(10)
    sample.add({"x": Column(Kind.CATEGORICAL, np.int32([0, 0]), ["a"])})
    sample.add({"x": Column(Kind.TEXT, np.array([40.0, 50.0, 60.0]))})
    kept = sample.columns()["x"]
    assert kept.kind is Kind.TEXT
    assert sorted(kept.values[~np.isnan(kept.values)].tolist()) == [40.0, 50.0, 60.0]
    assert sample.rows == 5
