"""Counters of LLM calls the slow and obvious way: exact fractions, one call after the other."""

from collections import defaultdict
from fractions import Fraction

DURATIONS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
TOKENS = [
    *(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864),
]


def shown(bound):
    """Write a bound as Prometheus does: with an exponent from seven digits on."""
    large = {
        1048576: "1.048576e+06",
        4194304: "4.194304e+06",
        16777216: "1.6777216e+07",
        67108864: "6.7108864e+07",
    }
    return large.get(bound, str(bound))


def naive_series(calls):
    """Give the values of all series.

    Parameters
    ----------
    calls : list of (version, segment, dict)
        The dict has a call's features, None for null.

    Returns
    -------
    dict of (name, labels) to Fraction
        Labels are sorted pairs; buckets of histograms without a value are left out.
    """
    found = defaultdict(Fraction)
    for version, segment, call in calls:
        own = {"version": version, "segment": str(segment)}

        def count(name, amount=1, *, own=own, **labels):
            found[name, tuple(sorted((own | labels).items()))] += amount

        count("llm_calls_total")
        count("llm_refusals_total", int(call.get("refusal") is True))
        tokens = {
            "input": call.get("input_tokens"),
            "output": call.get("output_tokens"),
            "cached": call.get("cached_tokens") if call.get("input_tokens") else None,
            "reasoning": call.get("reasoning_tokens"),
        }
        for kind, amount in tokens.items():
            count("llm_tokens_total", amount or 0, type=kind)
        count("llm_cost_usd_total", Fraction(round((call.get("cost_usd") or 0) * 1e9), 10**9))
        count("llm_tool_calls_total", call.get("tool_calls") or 0)
        if call.get("error_type") not in (None, "none"):
            count("llm_errors_total", error_type=call["error_type"])
        if call.get("finish_reason") is not None:
            count("llm_finish_reasons_total", finish_reason=call["finish_reason"])
        for name, feature, bounds, digits in (
            ("llm_duration_seconds", "duration_s", DURATIONS, 9),
            ("llm_time_to_first_chunk_seconds", "time_to_first_chunk_s", DURATIONS, 9),
            ("llm_output_tokens", "output_tokens", TOKENS, 0),
        ):
            value = call.get(feature)
            if value is not None:
                for bound in bounds:
                    count(f"{name}_bucket", int(value <= bound), le=shown(bound))
                count(f"{name}_bucket", le="+Inf")
                count(f"{name}_count")
                count(f"{name}_sum", Fraction(round(value * 10**digits), 10**digits))
    return dict(found)
