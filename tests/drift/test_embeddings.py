"""Embeddings: honest on unchanged vectors, sharp on their direction and their clusters."""

import naive_multivariate as naive
import numpy as np
import pytest

from engine.codecs.predictions import Column, Kind
from engine.drift.embeddings import STEPS, EmbeddingDrift, gram_weights
from engine.drift.multivariate import Multivariate

WIDTH = 48
HIDDEN = np.random.default_rng(7).standard_normal((6, WIDTH)) / 3.0


def vectors_of(generator, rows, shift=0.0, spread=1.0):
    """Vectors about one direction, most of their variance in few others."""
    hidden = generator.standard_normal((rows, 6)) * spread
    hidden[:, 0] += shift
    noise = 0.1 * generator.standard_normal((rows, WIDTH))
    return (0.4 + hidden @ HIDDEN + noise).astype(np.float32)


def pane_of(fitted, vectors):
    totals = fitted.empty()
    fitted.add(totals, vectors)
    return totals


def test_false_alarms_are_as_many_as_stated():
    generator = np.random.default_rng(1)
    found = []
    for _ in range(30):
        reference = vectors_of(generator, 600)
        fitted = EmbeddingDrift.fit(reference)
        before = pane_of(fitted, reference)
        for _ in range(20):
            after = pane_of(fitted, vectors_of(generator, 60))
            found.append([s.p_value for s in fitted.compare(before, after)])
    rates = np.mean(np.array(found) < 0.05, axis=0)
    assert (rates >= 0.025).all()
    assert (rates <= 0.08).all()
    assert (np.mean(np.array(found) < 0.001, axis=0) <= 0.006).all()


def test_a_turn_and_a_spread_are_found():
    generator = np.random.default_rng(2)
    reference = vectors_of(generator, 1000)
    fitted = EmbeddingDrift.fit(reference)
    before = pane_of(fitted, reference)
    centroid, mmd = fitted.compare(before, pane_of(fitted, vectors_of(generator, 300, shift=1.0)))
    assert (centroid.method, mmd.method) == ("centroid", "mmd")
    assert centroid.score > 0.02
    assert max(centroid.p_value, mmd.p_value) < 1e-6
    spread = fitted.compare(before, pane_of(fitted, vectors_of(generator, 300, spread=2.0)))
    assert spread[1].p_value < 1e-6


def test_the_centroid_is_that_of_the_unit_vectors():
    generator = np.random.default_rng(3)
    sides = vectors_of(generator, 400), vectors_of(generator, 90, shift=0.5)
    fitted = EmbeddingDrift.fit(sides[0])
    before, after = (naive.unit_vectors(side).mean(axis=0, dtype=float) for side in sides)
    cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
    centroid, _ = fitted.compare(*(pane_of(fitted, side) for side in sides))
    assert centroid.score == pytest.approx(1.0 - cosine, rel=1e-3)
    totals = np.zeros(WIDTH, np.int64)
    naive.add_units(naive.unit_vectors(sides[1]), STEPS, totals)
    assert pane_of(fitted, sides[1])[-WIDTH:].tolist() == totals.tolist()


def test_length_and_vectors_without_one_do_not_matter():
    generator = np.random.default_rng(4)
    vectors = vectors_of(generator, 300)
    fitted = EmbeddingDrift.fit(vectors)
    holes = np.concatenate([vectors, np.zeros((5, WIDTH), np.float32)])
    holes[-1] = np.inf
    assert pane_of(fitted, holes).tolist() == pane_of(fitted, vectors).tolist()
    assert pane_of(fitted, vectors * np.float32(4.0)).tolist() == pane_of(fitted, vectors).tolist()


def test_vectors_that_are_all_alike_are_told_from_others():
    alike = np.ones((100, 5), np.float32)
    fitted = EmbeddingDrift.fit(alike)
    before, turned = pane_of(fitted, alike), pane_of(fitted, alike * np.float32([1, 1, 1, 1, -1]))
    assert [s.p_value for s in fitted.compare(before, before)] == [1.0, 1.0]
    assert max(s.p_value for s in fitted.compare(before, turned)) < 1e-6


def test_a_few_long_vectors_are_fitted():
    wide = np.random.default_rng(5).standard_normal((60, 8192)).astype(np.float32)
    fitted = EmbeddingDrift.fit(wide)
    again = EmbeddingDrift.of_arrays(fitted.arrays())
    before = pane_of(fitted, wide)
    after = pane_of(again, wide[:50] + np.float32(0.2))
    assert fitted.compare(before, after) == again.compare(before, after)
    assert fitted.compare(before, after)[0].p_value < 1e-3
    assert sum(array.nbytes for array in fitted.arrays().values()) < 80_000


def test_embeddings_are_found_by_their_kind():
    generator = np.random.default_rng(6)
    columns = {
        "prompt": Column(Kind.EMBEDDING, vectors_of(generator, 200), rows=np.arange(0, 400, 2)),
        "rare": Column(Kind.EMBEDDING, vectors_of(generator, 10), rows=np.arange(10)),
    }
    fitted = Multivariate.fit(columns, 400)
    pane = fitted.pane()
    fitted.add(pane, columns, np.arange(300))
    (drift,) = fitted.compare(pane)
    assert (drift.feature, drift.kind, drift.rows) == ("prompt", Kind.EMBEDDING, 150)
    assert drift.reference_rows == 200
    assert [s.method for s in drift.statistics] == ["centroid", "mmd"]
    other = {"prompt": Column(Kind.EMBEDDING, np.ones((9, 3), np.float32), rows=np.arange(9))}
    fitted.add(pane, other, np.arange(9))  # another dimension: the codec has refused it by value
    assert fitted.compare(pane)[0].rows == 150


def test_a_reference_without_any_direction_says_nothing():
    zeros = {"v": Column(Kind.EMBEDDING, np.zeros((80, 3), np.float32), rows=np.arange(80))}
    fitted = Multivariate.fit(zeros, 80)
    pane = fitted.pane()
    ones = {"v": Column(Kind.EMBEDDING, np.ones((80, 3), np.float32), rows=np.arange(80))}
    fitted.add(pane, ones, np.arange(80))
    (drift,) = fitted.compare(pane)
    assert (drift.rows, drift.reference_rows, drift.statistics) == (80, 0, ())


def test_the_weights_are_the_covariances_eigenvalues_less_what_a_sample_spreads():
    generator = np.random.default_rng(8)
    units = naive.unit_vectors(vectors_of(generator, 300))
    weights = gram_weights(units)
    covariance = np.cov(units.T.astype(float))
    assert weights.sum() == pytest.approx(np.trace(covariance), rel=1e-4)
    assert weights[:6] == pytest.approx(np.linalg.eigvalsh(covariance)[::-1][:6], rel=0.05)
    assert gram_weights(units[:1]).shape == (0,)
