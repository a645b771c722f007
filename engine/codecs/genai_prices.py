"""What tokens cost, from a table of the configuration: prices change too often to be shipped."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite

import numpy as np
from numpy.typing import NDArray

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The price of a model's tokens, in USD per million.

    Attributes
    ----------
    model : str
        A name, or a pattern with ``*``, ``?`` and ``[...]``.
    input_usd, output_usd : float
    cached_usd : float or None
        Of input tokens read from the cache; None: as `input_usd`.
    """

    model: str
    input_usd: float
    output_usd: float
    cached_usd: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no price."""
        for price in (self.input_usd, self.output_usd, self.cached_usd or 0.0):
            if not isfinite(price) or price < 0:
                message = f"the price of {self.model} is {price}, not a number of 0 or more"
                raise ValueError(message)


class Prices:
    """A table of prices.

    Parameters
    ----------
    prices : sequence of Price
        A model has the price that bears its name, else the first whose pattern fits.
    """

    def __init__(self, prices: Sequence[Price] = ()) -> None:
        self._exact = {price.model: price for price in reversed(prices)}
        self._patterns = [price for price in prices if set(price.model) & set("*?[")]

    def __len__(self) -> int:
        return len(self._exact)

    def of(self, model: str) -> Price | None:
        """Give a model's price, None where none is known."""
        fits = (price for price in self._patterns if fnmatchcase(model, price.model))
        return self._exact.get(model) or next(fits, None)

    def cost(
        self,
        models: Sequence[str],
        input_tokens: NDArray[np.float64],
        output_tokens: NDArray[np.float64],
        cached_tokens: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Give what calls cost.

        Parameters
        ----------
        models : sequence of str, length n
        input_tokens, output_tokens, cached_tokens : float64[n]
            Input tokens hold the cached ones. NaN counts as none, unless both input and output
            are NaN.

        Returns
        -------
        float64[n]
            USD; NaN where no price or no tokens are known.
        """
        rates = np.full((len(models), 3), np.nan)
        rows: dict[str, list[int]] = {}
        for row, model in enumerate(models):
            rows.setdefault(model, []).append(row)
        for model, some in rows.items():
            price = self.of(model)
            if price is not None:
                cached_usd = price.input_usd if price.cached_usd is None else price.cached_usd
                rates[some] = (price.input_usd, cached_usd, price.output_usd)
        given = np.nan_to_num(input_tokens)
        cached = np.clip(np.nan_to_num(cached_tokens), 0.0, np.maximum(given, 0.0))
        cost = (given - cached) * rates[:, 0]
        cost += cached * rates[:, 1] + np.nan_to_num(output_tokens) * rates[:, 2]
        cost[np.isnan(input_tokens) & np.isnan(output_tokens)] = np.nan
        return np.asarray(cost / _MILLION)
