"""The features of LLM calls, whole columns at a time: metadata, never what was said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.codecs.genai_calls import CATEGORIES, NUMBERS, CallRow, joined
from engine.codecs.genai_messages import OUTPUT_CHARACTERS, TOOL_CALLS
from engine.codecs.genai_prices import Prices
from engine.codecs.genai_settings import COST, LlmSettings
from engine.codecs.prediction_encoding import Values, numbers
from engine.codecs.predictions import Kind

NO_ERROR = "none"
"""The error type of a call without an error."""

FAILED = "error"
"""The finish reason of a failed call that has none, as the conventions call it."""

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "input_tokens": Kind.NUMERIC,
        "output_tokens": Kind.NUMERIC,
        "cached_share": Kind.NUMERIC,
        "reasoning_tokens": Kind.NUMERIC,
        "output_input_ratio": Kind.NUMERIC,
        "duration_s": Kind.NUMERIC,
        "time_to_first_chunk_s": Kind.NUMERIC,
        "cost_usd": Kind.NUMERIC,
        "tool_calls": Kind.NUMERIC,
        "output_characters": Kind.NUMERIC,
        "finish_reason": Kind.CATEGORICAL,
        "error_type": Kind.CATEGORICAL,
        "request_model": Kind.CATEGORICAL,
        "failed": Kind.BOOLEAN,
        "refusal": Kind.BOOLEAN,
    }
)
"""The features of every call, beside its vectors."""

_AS_GIVEN: Mapping[str, str] = MappingProxyType(
    {
        **{name: NUMBERS[name] for name in ("input_tokens", "output_tokens", "reasoning_tokens")},
        "time_to_first_chunk_s": NUMBERS["time_to_first_chunk_s"],
        "tool_calls": TOOL_CALLS,
        "output_characters": OUTPUT_CHARACTERS,
        "request_model": CATEGORIES["request_model"],
    }
)


@dataclass(frozen=True, slots=True)
class CallFeatures:
    """The features of some calls.

    Attributes
    ----------
    columns : dict of str to Values
        As `PredictionTables.build` takes them; those that no call has are left out.
    unpriced : int
        Calls with tokens whose model has no price; 0 where there are no prices at all.
    """

    columns: dict[str, Values]
    unpriced: int


class CallReader:
    """Makes features of calls.

    Parameters
    ----------
    settings : LlmSettings
    """

    def __init__(self, settings: LlmSettings) -> None:
        self._prices = Prices(settings.prices)
        self._refusals = frozenset(reason.casefold() for reason in settings.refusals)
        self._embeddings = settings.attributes(settings.embeddings)

    def features(self, calls: Sequence[CallRow], versions: Sequence[str]) -> CallFeatures:
        """Make the columns of n calls; `versions` are the models that answered."""
        attributes = [call.attributes for call in calls]
        given: dict[str, Values] = {
            name: [row.get(attribute) for row in attributes]
            for name, attribute in (*_AS_GIVEN.items(), *self._embeddings.items())
        }
        tokens = {name: _numbers(given[name]) for name in ("input_tokens", "output_tokens")}
        cached = _numbers([row.get(NUMBERS["cached_tokens"]) for row in attributes])
        cost, unpriced = self._cost(attributes, versions, cached, **tokens)
        errors = [row.get(CATEGORIES["error_type"]) or NO_ERROR for row in attributes]
        failed = [error != NO_ERROR for error in errors]
        # What failed must not look like missing data.
        reasons = [
            _reason(row.get(CATEGORIES["finish_reasons"])) or (FAILED if has_failed else None)
            for row, has_failed in zip(attributes, failed, strict=True)
        ]
        columns: dict[str, Values] = {
            **given,
            "cached_share": _ratio(cached, tokens["input_tokens"]),
            "output_input_ratio": _ratio(tokens["output_tokens"], tokens["input_tokens"]),
            "duration_s": np.array([call.duration_s for call in calls], np.float64),
            "cost_usd": cost,
            "finish_reason": reasons,
            "error_type": errors,
            "failed": failed,
            "refusal": [self._refused(reason) for reason in reasons],
        }
        return CallFeatures(
            {name: values for name, values in columns.items() if _any(values)}, unpriced
        )

    def _cost(
        self,
        attributes: Sequence[Mapping[str, Any]],
        versions: Sequence[str],
        cached: NDArray[np.float64],
        input_tokens: NDArray[np.float64],
        output_tokens: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], int]:
        """Give what calls cost, by what they say or by the table; and how many have no price."""
        own = _numbers([row.get(COST) for row in attributes])
        own[own < 0] = np.nan
        if not len(self._prices):
            return own, 0
        asked = [row.get(CATEGORIES["request_model"]) for row in attributes]
        priced = {version: self._prices.of(version) is not None for version in set(versions)}
        models = [
            version if priced[version] or not isinstance(request, str) else request
            for version, request in zip(versions, asked, strict=True)
        ]
        table = self._prices.cost(models, input_tokens, output_tokens, cached)
        cost = np.where(np.isnan(own), table, own)
        has_tokens = ~(np.isnan(input_tokens) & np.isnan(output_tokens))
        return cost, int((np.isnan(cost) & has_tokens).sum())

    def _refused(self, reason: str | None) -> bool | None:
        if reason is None:
            return None
        return any(part in self._refusals for part in reason.casefold().split(","))


def _numbers(values: Values) -> NDArray[np.float64]:
    """Make numbers; what is none is null here, and refused where the feature itself is encoded."""
    return numbers(values, lambda *_refused: None, truths=True)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    has = whole > 0
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=has)
    result[np.isinf(result)] = np.nan
    return result


def _reason(value: Any) -> str | None:
    return joined(value) if isinstance(value, list) else value if isinstance(value, str) else None


def _any(values: Values) -> bool:
    if isinstance(values, np.ndarray):
        return not bool(np.isnan(values).all())
    return any(value is not None for value in values)
