"""All features together: honest on unchanged rows, sharp on correlations, the same in any cut.

The rates are over a few hundred windows of fixed seeds; bounds are about three standard errors.
"""

import naive_multivariate as naive
import numpy as np
import pytest
from multivariate_cases import CITIES, correlated, cuts, mixed, numeric, same_arrays, take

from engine.codecs.predictions import Column, Kind
from engine.drift.findings import ALL_FEATURES
from engine.drift.multivariate import METHODS, ROWS_MIN, Multivariate
from engine.drift.multivariate_inputs import (
    CODE_DIMENSIONS,
    DIMENSIONS,
    MultivariateInputs,
    category_point,
)
from engine.errors import UsageError


def p_values(fitted, windows):
    """By method, one p-value per window."""
    found = {}
    for columns in windows:
        pane = fitted.pane()
        fitted.add(pane, columns)
        for statistic in fitted.compare(pane)[0].statistics:
            found.setdefault(statistic.method, []).append(statistic.p_value)
    return {method: np.array(values) for method, values in found.items()}


@pytest.fixture(scope="module")
def fitted():
    return Multivariate.fit(mixed(np.random.default_rng(1), 1500), 1500, METHODS)


@pytest.mark.parametrize("rows", [50, 400])
def test_false_alarms_are_as_many_as_stated(rows):
    generator = np.random.default_rng(rows)
    found = {"mmd": [], "pca": []}
    for _ in range(40):
        fitted = Multivariate.fit(correlated(generator, 1000, 6, 0.5), 1000)
        windows = [correlated(generator, rows, 6, 0.5) for _ in range(20)]
        for method, values in p_values(fitted, windows).items():
            found[method].extend(values)
    for values in map(np.array, found.values()):
        assert len(values) == 800
        assert 0.03 <= np.mean(values < 0.05) <= 0.075
        assert np.mean(values < 0.001) <= 0.005
        assert 0.4 <= np.mean(values < 0.5) <= 0.6


def test_a_classifier_raises_no_more_false_alarms_than_stated():
    generator = np.random.default_rng(3)
    found = []
    for _ in range(20):
        fitted = Multivariate.fit(correlated(generator, 600, 4, 0.5), 600, ("domain_classifier",))
        windows = [correlated(generator, 200, 4, 0.5) for _ in range(5)]
        found.extend(p_values(fitted, windows)["domain_classifier"])
    assert np.mean(np.array(found) < 0.05) <= 0.12
    assert 0.3 <= np.mean(np.array(found) < 0.5) <= 0.7


def test_a_correlation_that_goes_is_found_by_all_methods():
    generator = np.random.default_rng(4)
    fitted = Multivariate.fit(correlated(generator, 2000, 5, 0.9), 2000, METHODS)
    found = p_values(fitted, [correlated(generator, 1000, 5, 0.0) for _ in range(3)])
    assert set(found) == set(METHODS)
    assert all(np.max(values) < 1e-4 for values in found.values())


def test_scores_say_how_far():
    generator = np.random.default_rng(6)
    reference = generator.standard_normal((4000, 4))
    fitted = Multivariate.fit(numeric(reference), 4000, METHODS)
    scores = []
    for shift in (0.0, 0.5, 3.0):
        pane = fitted.pane()
        fitted.add(pane, numeric(generator.standard_normal((2000, 4)) + shift))
        (drift,) = fitted.compare(pane)
        assert (drift.feature, drift.kind, drift.rows, drift.reference_rows) == (
            *(ALL_FEATURES, None),
            *(2000, 4000),
        )
        scores.append({s.method: s.score for s in drift.statistics})
    for method, at_rest in (("mmd", 0.0), ("pca", 0.0), ("domain_classifier", 0.5)):
        unmoved, moved, far = (score[method] for score in scores)
        assert abs(unmoved - at_rest) < 0.06
        assert unmoved < moved < far


@pytest.mark.parametrize("seed", range(4))
def test_however_rows_are_cut_the_bits_are_the_same(fitted, seed):
    generator = np.random.default_rng(seed)
    rows = 1300
    columns, keys = mixed(generator, rows), generator.integers(1, 99, rows).astype(np.uint64)
    whole, pieces, merged = fitted.pane(), fitted.pane(), fitted.pane()
    fitted.add(whole, columns, keys=keys)
    for piece in cuts(generator, rows, 9):
        fitted.add(pieces, columns, piece, keys)
        own = fitted.pane()
        fitted.add(own, take(columns, piece), np.arange(len(piece)), keys[piece])
        merged.merge(own)
    assert same_arrays(whole.arrays(), pieces.arrays())
    assert same_arrays(whole.arrays(), merged.arrays())
    assert fitted.compare(whole) == fitted.compare(merged)


def test_panes_and_parameters_are_restored(fitted):
    columns = mixed(np.random.default_rng(8), 300)
    again = Multivariate.of_arrays({name: a.copy() for name, a in fitted.arrays().items()})
    assert same_arrays(again.arrays(), fitted.arrays())
    first, second = fitted.pane(), again.pane()
    fitted.add(first, columns)
    again.add(second, columns)
    third = again.pane()
    third.restore(first.arrays())
    assert same_arrays(first.arrays(), second.arrays())
    assert same_arrays(first.arrays(), third.arrays())
    assert fitted.compare(first) == again.compare(second) == again.compare(third)
    third.merge(second)
    assert first.rows == 300  # a restored pane shares nothing
    assert same_arrays(first.arrays(), second.arrays())


def test_a_column_that_a_batch_leaves_out_is_null(fitted):
    columns = mixed(np.random.default_rng(9), 80)
    columns["amount"] = Column(Kind.NUMERIC, np.full(80, np.nan))
    without = {name: column for name, column in columns.items() if name != "amount"}
    first, second = fitted.pane(), fitted.pane()
    fitted.add(first, columns)
    fitted.add(second, without)
    assert same_arrays(first.arrays(), second.arrays())


def test_too_few_rows_say_nothing(fitted):
    pane = fitted.pane()
    fitted.add(pane, mixed(np.random.default_rng(2), ROWS_MIN - 1))
    assert [(drift.feature, drift.statistics) for drift in fitted.compare(pane)] == [
        (ALL_FEATURES, ()),
        ("vector", ()),
    ]
    small = Multivariate.fit(mixed(np.random.default_rng(2), ROWS_MIN - 1), ROWS_MIN - 1)
    pane = small.pane()
    small.add(pane, mixed(np.random.default_rng(3), 500))
    assert [drift.statistics for drift in small.compare(pane)] == [()]


def test_nothing_to_look_at_is_no_error():
    nothing = Multivariate.fit({}, 0)
    assert nothing.compare(nothing.pane()) == ()
    one = Multivariate.fit(numeric(np.random.default_rng(2).standard_normal((300, 1))), 300)
    pane = one.pane()
    one.add(pane, numeric(np.random.default_rng(3).standard_normal((300, 1))))
    assert [s.method for s in one.compare(pane)[0].statistics] == ["mmd"]


def test_values_at_the_ends_of_floats_are_taken():
    generator = np.random.default_rng(2)
    matrix = generator.standard_normal((400, 3))
    matrix[::7, 0], matrix[1::7, 1], matrix[:, 2] = 1e308, np.inf, 7.0
    fitted = Multivariate.fit(numeric(matrix), 400, METHODS)
    pane = fitted.pane()
    fitted.add(pane, numeric(matrix[:200]))
    statistics = fitted.compare(pane)[0].statistics
    assert len(statistics) == 3
    assert all(0.0 <= s.p_value <= 1.0 and np.isfinite(s.score) for s in statistics)


def test_an_unknown_method_is_refused():
    with pytest.raises(UsageError, match="mdd"):
        Multivariate.fit({}, 0, ("mdd",))


def test_a_new_category_and_a_constant_that_moves_are_found():
    generator = np.random.default_rng(5)

    def window(codes, constant):
        names = [*CITIES, "new"]
        return {
            "city": Column(Kind.CATEGORICAL, codes.astype(np.int32), names),
            "limit": Column(Kind.NUMERIC, np.full(len(codes), constant)),
            "noise": Column(Kind.NUMERIC, generator.standard_normal(len(codes))),
        }

    fitted = Multivariate.fit(window(generator.integers(0, 5, 1000), 4.0), 1000, ("mmd",))
    windows = [
        window(generator.integers(0, 5, 300), 4.0),
        window(generator.integers(0, 6, 300), 4.0),
        window(generator.integers(0, 5, 300), 9.0),
    ]
    unchanged, category, constant = p_values(fitted, windows)["mmd"]
    assert unchanged > 0.01
    assert max(category, constant) < 1e-4


def test_inputs_are_standardised_and_bounded():
    generator = np.random.default_rng(5)
    columns = mixed(generator, 2000)
    inputs = MultivariateInputs.fit(columns)
    assert [name for name, _ in inputs.features] == ["active", "amount", "city", "note"]
    encoded = inputs.encode(columns, slice(0, 2000), 2000)
    assert encoded.shape == (2000, 3 + CODE_DIMENSIONS)
    assert np.abs(encoded.mean(axis=0)).max() < 0.05
    per_feature = encoded.var(axis=0)
    assert np.allclose(per_feature[[0, 1, 6]], [2 / 3, 1.0, 1.0], atol=0.12)
    assert np.isclose(per_feature[2:6].sum(), 5 / 6, atol=0.05)
    wide = numeric(generator.standard_normal((200, DIMENSIONS * 2 + 3)))
    folded = MultivariateInputs.fit(wide)
    assert folded.width == DIMENSIONS
    assert folded.encode(wide, slice(0, 200), 200).var() == pytest.approx(0.67, abs=0.05)


def test_a_category_is_placed_by_its_name_alone():
    assert category_point("ams") == category_point("ams") != category_point("ber")
    assert all(-1.0 <= part < 1.0 for part in category_point("ams"))


def test_sums_equal_the_twins():
    columns = correlated(np.random.default_rng(2), 200, 5, 0.3)
    fitted = Multivariate.fit(columns, 200)
    pane = fitted.pane()
    fitted.add(pane, columns)
    encoded = fitted.inputs.encode(columns, slice(0, 200), 200)
    components = fitted.components
    projected = np.empty((200, len(components.offset)), np.float32)
    naive.project(encoded, components.components, projected)
    totals = np.zeros(3, np.int64)
    naive.add_errors(encoded, projected, components.center, components.offset, 4096.0, totals)
    assert pane.totals["pca"].tolist() == totals.tolist()
