"""Importance of features: what the model answers by is found, whatever the order of the rows."""

import msgspec
import numpy as np
import pytest

from engine.codecs.predictions import Column, Kind
from engine.drift.importance import (
    CATEGORIES_MAX,
    FLOOR,
    MEMORY_ROWS,
    Importance,
    ImportanceState,
    Moments,
)

ROWS = 400
CITIES = tuple(f"city {number}" for number in range(40))


def window(seed, rows=ROWS):
    """Give columns that a model answers from, the answer, and hashes of the predictions."""
    rng = np.random.default_rng(seed)
    age = rng.normal(40, 10, rows)
    age[rng.random(rows) < 0.1] = np.nan
    columns = {
        "income": Column(Kind.NUMERIC, rng.lognormal(10, 0.5, rows)),
        "age": Column(Kind.NUMERIC, age),
        "noise": Column(Kind.NUMERIC, rng.normal(size=rows)),
        "owner": Column(Kind.BOOLEAN, rng.integers(-1, 2, rows).astype(np.int8)),
        "city": Column(Kind.CATEGORICAL, rng.integers(-1, 40, rows).astype(np.int32), CITIES),
        "plan": Column(
            Kind.CATEGORICAL, rng.integers(0, 3, rows).astype(np.int32), ("a", "b", "c")
        ),
        "text": Column(Kind.TEXT, rng.integers(0, 90, rows).astype(np.float64)),
        "vector": Column(
            Kind.EMBEDDING, rng.normal(size=(rows, 4)).astype(np.float32), rows=np.arange(rows)
        ),
    }
    answer = 2 * (np.log(columns["income"].values) - 10) + 1.5 * (columns["plan"].values == 1)
    answer = answer + 0.02 * (np.nan_to_num(age, nan=40) - 40)
    return columns, answer, rng.integers(1, 2**63, rows).astype(np.uint64)


def learned(windows, importance=None):
    importance = importance or Importance()
    for columns, answer, key in windows:
        importance.learn(columns, answer, key)
    return importance


def test_what_the_model_answers_by_matters_most():
    importance = learned(window(seed) for seed in range(20))
    names = ["income", "plan", "age", "noise", "owner", "text", "city"]
    found = {name: importance.of(name) for name in names}

    assert found["income"] > 2
    assert found["plan"] > 2
    assert found["plan"] > found["age"] > max(found["noise"], found["text"], found["owner"])
    assert all(found[name] < 0.5 for name in ("noise", "text", "owner"))
    assert min(found.values()) >= FLOOR
    assert np.mean(list(found.values())) == pytest.approx(1, abs=0.05)
    assert importance.of("vector") == importance.of("unheard of") == 1


def test_an_answer_that_no_feature_explains_leaves_all_alike():
    rng = np.random.default_rng(1)
    windows = [(columns, rng.normal(size=ROWS), key) for columns, _, key in map(window, range(10))]
    importance = learned(windows)
    assert all(0.6 < importance.of(name) < 1.6 for name in ("income", "age", "noise", "city"))


@pytest.mark.parametrize("answer", [np.full(ROWS, 3.0), np.full(ROWS, np.nan)])
def test_an_answer_that_never_changes_tells_nothing(answer):
    columns, _, key = window(0)
    importance = learned([(columns, answer, key)])
    assert importance.of("income") == 1


def test_the_order_of_rows_does_not_show():
    one, other = Importance(), Importance()
    for seed in range(3):
        columns, answer, key = window(seed)
        one.learn(columns, answer, key)
        order = np.random.default_rng(seed).permutation(ROWS)
        shuffled = {
            name: Column(column.kind, column.values[order], column.names)
            for name, column in reversed(columns.items())
            if name != "vector"
        }
        other.learn(shuffled, answer[order], key[order])
    assert one.snapshot() == other.snapshot()


def test_rows_without_ids_are_taken_evenly():
    columns, answer, _ = window(0)
    none, zeros, even = Importance(), Importance(), Importance()
    none.learn(columns, answer)
    zeros.learn(columns, answer, np.zeros(ROWS, np.uint64))
    rows = np.arange(0, ROWS, 2)
    even.learn({n: c.take(rows) for n, c in columns.items()}, answer[rows])
    assert none.snapshot() == zeros.snapshot() == even.snapshot()


def test_a_restart_in_the_middle_is_no_restart():
    windows = [window(seed) for seed in range(6)]
    whole = learned(windows)
    first = learned(windows[:3])
    packed = msgspec.msgpack.encode(first.snapshot())
    second = Importance()
    second.restore(msgspec.msgpack.decode(packed, type=ImportanceState))
    assert second.of("income") == first.of("income")
    learned(windows[3:], second)
    assert second.snapshot() == whole.snapshot()


def test_a_restart_before_anything_was_learned_is_one_from_the_start():
    second = Importance()
    second.restore(Importance().snapshot())
    assert learned([window(0)], second).snapshot() == learned([window(0)]).snapshot()


def test_given_importance_is_not_learned():
    importance = learned([window(0)], Importance({"age": 5.0, "noise": 0.01}))
    assert (importance.of("age"), importance.of("noise"), importance.of("income")) == (5, 0.01, 1)
    assert importance.snapshot() == Importance().snapshot()


def test_outliers_and_many_features_do_not_make_weights_run_away():
    rng = np.random.default_rng(3)
    importance = Importance()
    for _ in range(10):
        values = rng.standard_cauchy((300, 300))
        values[0, 0] = np.inf
        columns = {
            f"x{number:03}": Column(Kind.NUMERIC, column)
            for number, column in enumerate(values.T.copy())
        }
        importance.learn(columns, np.sign(values[:, 5]), rng.integers(1, 2**63, 300).astype("u8"))
    state = importance.snapshot()
    assert max(abs(weight) for *_, weight in state.weights) < 3
    assert max(state.importance, key=state.importance.get) == "x005"


def test_what_is_remembered_is_bounded():
    rng = np.random.default_rng(4)
    importance = Importance()
    names = [str(number) for number in range(1000)]
    for _ in range(60):
        codes = rng.integers(0, 1000, ROWS).astype(np.int32)
        columns = {"many": Column(Kind.CATEGORICAL, codes, names)}
        importance.learn(columns, codes % 7 * 1.0, rng.integers(1, 2**63, ROWS).astype("u8"))
    state = importance.snapshot()
    assert len(state.weights) == len(state.frequencies["many"]) == CATEGORIES_MAX + 1
    assert sum(state.frequencies["many"]) <= MEMORY_ROWS * (1 + 1e-12)


def test_a_string_feature_may_turn_into_text():
    columns, answer, key = window(0)
    importance = learned([(columns, answer, key)])
    columns["plan"] = Column(Kind.TEXT, np.arange(ROWS, dtype=np.float64))
    learned([(columns, answer, key)], importance)
    state = importance.snapshot()
    assert "plan" not in state.frequencies
    assert "plan" in state.moments


def test_moments_are_those_of_all_rows():
    values = np.random.default_rng(5).normal(3, 2, 900)
    merged = Moments().merged(values[:100]).merged(values[100:100]).merged(values[100:])
    assert merged.weight == 900
    assert merged.mean == pytest.approx(values.mean(), rel=1e-12)
    assert merged.variance == pytest.approx(values.var(), rel=1e-12)


def test_absurd_values_teach_nothing():
    columns, answer, key = window(0)
    expected = learned([(columns, answer, key)])
    least = np.argsort(key)[:3]  # surely among the rows that are learned from
    income, spoilt = columns["income"].values.copy(), answer.copy()
    income[least[0]], income[least[1]], spoilt[least[2]] = 1.7e308, -np.inf, 1.7e308
    columns["income"] = Column(Kind.NUMERIC, income)
    found = learned([(columns, spoilt, key)])
    for name in ("income", "age", "plan"):
        assert found.of(name) == pytest.approx(expected.of(name), rel=0.2)
