"""Prices of tokens: which price a model has, and what calls cost by it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.genai_prices import Price, Prices

TABLE = [
    Price(model="m-*", input_usd=1, output_usd=2),
    Price(model="m-2", input_usd=3, output_usd=4, cached_usd=0.5),
    Price(model="m-2*", input_usd=5, output_usd=6),
    Price(model="free", input_usd=0, output_usd=0),
]


def naive_cost(model, input_tokens, output_tokens, cached_tokens):
    """Cost of one call."""
    price = Prices(TABLE).of(model)
    given_tokens = [x for x in (input_tokens, output_tokens) if not math.isnan(x)]
    if price is None or not given_tokens:
        return math.nan
    read, written, cached = (
        0 if math.isnan(x) else x for x in (input_tokens, output_tokens, cached_tokens)
    )
    cached = min(max(cached, 0), read)
    cached_usd = price.input_usd if price.cached_usd is None else price.cached_usd
    total = (read - cached) * price.input_usd + cached * cached_usd + written * price.output_usd
    return total / 1e6


@pytest.mark.parametrize(
    ("model", "place"),
    [("m-1", 0), ("m-2", 1), ("m-22", 0), ("free", 3), ("M-1", None), ("", None)],
)
def test_a_name_comes_before_patterns_and_these_in_their_order(model, place):
    assert Prices(TABLE).of(model) == (None if place is None else TABLE[place])


tokens = st.one_of(st.just(math.nan), st.integers(0, 10**7).map(float))


@given(st.lists(st.tuples(st.sampled_from(["m-1", "m-2", "free", "x"]), tokens, tokens, tokens)))
def test_calls_cost_what_each_costs(calls):
    models, *columns = zip(*calls, strict=True) if calls else ((), (), (), ())
    found = Prices(TABLE).cost(models, *(np.array(column, np.float64) for column in columns))
    expected = [naive_cost(*call) for call in calls]
    np.testing.assert_allclose(found, np.array(expected, np.float64), rtol=1e-12)


@pytest.mark.parametrize("price", [-1.0, math.nan, math.inf])
def test_what_is_no_price_is_refused(price):
    with pytest.raises(ValueError, match="price of m"):
        Price(model="m", input_usd=1, output_usd=price)


def test_without_prices_nothing_is_known():
    prices = Prices()
    ones = np.ones(2)
    assert len(prices) == 0
    assert np.isnan(prices.cost(["a", "b"], ones, ones, ones)).all()
