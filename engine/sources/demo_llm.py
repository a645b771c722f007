"""The demo's LLM service: three tenants ask, one of them ever longer, and judges score answers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.sources.demo_arrivals import DAY_MS, START_MS, Row, arrivals, chosen, day_of, in_order

SERVICE = "support"
REQUEST_MODEL = "example-large"
CALLS = 30_000

UPGRADE_DAY = 4 + 4 / 24
BEFORE, AFTER = "example-large-2025-08", "example-large-2025-10"
UPGRADE_OUTPUT_FACTOR = 1.15  # the new model says more

LONG_TENANT = "birch"
LONG_BEGIN_DAY = 5 + 14 / 24
LONG_FACTOR = 1.6
REFUSED_SHARE, LONG_REFUSED_SHARE = 0.01, 0.05
FAITHFUL_MEAN, LONG_FAITHFUL_MEAN = 0.85, 0.78

EVALUATED_SHARE = 0.3
EVALUATORS = ("faithful", "polite")
EVALUATION_DELAY_S = (120.0, 1200.0)

_TENANTS = (("alder", 0.45), ("birch", 0.35), ("cedar", 0.2))
_ROUTES = (("/chat", 0.6), ("/summarise", 0.25), ("/extract", 0.15))
_INPUT_TOKENS = {"/chat": 900, "/summarise": 2600, "/extract": 1500}
_OUTPUT_TOKENS = {"/chat": 220, "/summarise": 320, "/extract": 90}
_SPREAD = 0.5  # of the logarithms of tokens
_CACHED_SHARE = 0.4  # of calls; they read a third of their prompt from the cache
_TOOLS_SHARE, _LENGTH_SHARE = 0.2, 0.02
_ERRORS = (("timeout", 0.4), ("rate_limited", 0.4), ("server_error", 0.2))
_FAILED_SHARE = 0.01
_TIMEOUT_S = 30.0
_POLITE_SHARE = 0.97
_FAITHFUL_CERTAINTY = 12.0
_SECONDS_PER_TOKEN, _CHUNK_S_PER_TOKEN = 0.012, 0.00015


def generate_llm(seed: int, days: int, count: int = CALLS) -> list[Row]:
    """Make the calls of the service and the evaluations of its answers, in order of time.

    Parameters
    ----------
    seed : int
    days : int
    count : int
        Calls.
    """
    rng = np.random.default_rng((seed, 3))
    ts = arrivals(rng, count, days)
    day = day_of(ts)
    tenant, route = chosen(rng, _TENANTS, count), chosen(rng, _ROUTES, count)
    is_long = (tenant == LONG_TENANT) & (day >= LONG_BEGIN_DAY)
    is_after = day >= UPGRADE_DAY
    columns = {
        **_tokens(rng, route, is_long, is_after),
        "tenant": tenant,
        "route": route,
        "version": np.where(is_after, AFTER, BEFORE),
        "finish": _finish_reasons(rng, is_long),
        "tools": rng.integers(1, 4, count),
        "failed": rng.random(count) < _FAILED_SHARE,
        "error": chosen(rng, _ERRORS, count),
    }
    calls = [
        _call(number, int(ts[number]), dict(zip(columns, values, strict=True)))
        for number, values in enumerate(
            zip(*(values.tolist() for values in columns.values()), strict=True)
        )
    ]
    evaluated = (rng.random(count) < EVALUATED_SHARE) & ~columns["failed"]
    evaluations = _evaluations(rng, ts, evaluated, is_long, START_MS + days * DAY_MS)
    return in_order([*calls, *evaluations])


def _tokens(
    rng: np.random.Generator,
    route: NDArray[np.str_],
    is_long: NDArray[np.bool_],
    is_after: NDArray[np.bool_],
) -> dict[str, NDArray[Any]]:
    """Draw the lengths of prompts and answers, and the times that follow from them."""
    count = len(route)
    usual_input = np.array([_INPUT_TOKENS[str(name)] for name in route])
    usual_output = np.array([_OUTPUT_TOKENS[str(name)] for name in route])
    asked = usual_input * rng.lognormal(0, _SPREAD, count) * np.where(is_long, LONG_FACTOR, 1.0)
    factor = np.where(is_after, UPGRADE_OUTPUT_FACTOR, 1.0)
    answered = usual_output * rng.lognormal(0, _SPREAD, count) * factor
    cached = np.where(rng.random(count) < _CACHED_SHARE, asked / 3, 0.0)
    first_s = (0.25 + _CHUNK_S_PER_TOKEN * asked) * rng.lognormal(0, 0.3, count)
    took_s = first_s + _SECONDS_PER_TOKEN * answered * rng.lognormal(0, 0.2, count)
    return {
        "input": np.ceil(asked).astype(np.int64),
        "output": np.ceil(answered).astype(np.int64),
        "cached": np.floor(cached).astype(np.int64),
        "first_s": np.round(first_s, 3),
        "took_s": np.round(took_s, 3),
    }


def _finish_reasons(rng: np.random.Generator, is_long: NDArray[np.bool_]) -> NDArray[np.str_]:
    drawn = rng.random(len(is_long))
    refused = np.where(is_long, LONG_REFUSED_SHARE, REFUSED_SHARE)
    return np.select(
        [
            drawn < refused,
            drawn < refused + _TOOLS_SHARE,
            drawn < refused + _TOOLS_SHARE + _LENGTH_SHARE,
        ],
        ["content_filter", "tool_calls", "length"],
        "stop",
    )


def _call(number: int, ts_ms: int, of: dict[str, Any]) -> Row:
    call: dict[str, Any] = {
        "operation": "chat",
        "provider": "example",
        "request_model": REQUEST_MODEL,
        "tenant.id": of["tenant"],
        "http.route": of["route"],
    }
    if of["failed"]:
        is_timeout = of["error"] == "timeout"
        return ts_ms, call | {
            "duration_s": _TIMEOUT_S if is_timeout else of["first_s"],
            "error_type": of["error"],
            "span_id": f"s{number:06d}",
        }
    return ts_ms, call | {
        "response_model": of["version"],
        "response_id": _id(number),
        "duration_s": of["took_s"],
        "time_to_first_chunk_s": of["first_s"],
        "input_tokens": of["input"],
        "cached_tokens": of["cached"],
        "output_tokens": of["output"],
        "tool_calls": of["tools"] if of["finish"] == "tool_calls" else 0,
        "finish_reasons": [of["finish"]],
    }


def _evaluations(
    rng: np.random.Generator,
    ts: NDArray[np.int64],
    evaluated: NDArray[np.bool_],
    is_long: NDArray[np.bool_],
    end_ms: int,
) -> Iterator[Row]:
    """Judge answers some minutes later: how faithful they are, as a score, and whether polite."""
    count = len(ts)
    mean = np.where(is_long, LONG_FAITHFUL_MEAN, FAITHFUL_MEAN)
    faithful = rng.beta(mean * _FAITHFUL_CERTAINTY, (1 - mean) * _FAITHFUL_CERTAINTY)
    polite = rng.random(count) < _POLITE_SHARE
    known = ts + np.floor(rng.uniform(*EVALUATION_DELAY_S, count) * 1000).astype(np.int64)
    for number in np.flatnonzero(evaluated & (known < end_ms)).tolist():
        verdicts: tuple[dict[str, Any], ...] = (
            {"score": round(float(faithful[number]), 3)},
            {"label": "pass" if polite[number] else "fail"},
        )
        for name, verdict in zip(EVALUATORS, verdicts, strict=True):
            yield int(known[number]), {"evaluation": name, **verdict, "response_id": _id(number)}


def _id(number: int) -> str:
    return f"r{number:06d}"
