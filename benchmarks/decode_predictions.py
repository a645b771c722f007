"""Prediction messages to columns: rows and feature values per second, by format.

Rows have numeric and categorical features (three to one), a tag and a score. The peers of native
JSON: ``json.loads`` and ``msgspec`` to dictionaries, without columns (what any consumer pays).
CloudEvents are pairs of a request and a response of one row in V2's form, joined; the recording is
a Polars frame of the same rows; LLM calls are OTLP spans of protobuf, without features.

Run: ``python -m benchmarks.decode_predictions --help``
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import polars as pl
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from engine.codecs.cloud_events import Record
from engine.codecs.genai_calls import GenAIColumns
from engine.codecs.genai_names import GenAINames
from engine.codecs.genai_otlp import GenAICodec
from engine.codecs.prediction_cloudevents import CloudEventsCodec
from engine.codecs.prediction_codec import PredictionCodec
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_frames import batches_of
from engine.codecs.prediction_json import read_native
from engine.codecs.samples import Limits
from engine.events import rfc3339

REGIONS = ("EU", "US", "APAC", "LATAM")


def rows(count: int, features: int, seed: int) -> list[dict[str, Any]]:
    """Make rows of one model in order of time."""
    rng = random.Random(seed)
    return [
        {
            "ts": 1_760_000_000_000 + index,
            "model": "credit",
            "version": "7",
            "prediction_id": f"{index:012x}",
            "features": {
                f"feature_{place}": rng.choice(REGIONS) if place % 4 == 3 else rng.random()
                for place in range(features)
            },
            "prediction": index % 2,
            "score": rng.random(),
            "tags": {"env": "prod"},
        }
        for index in range(count)
    ]


def messages_of(rows: Sequence[dict[str, Any]], per_message: int) -> list[bytes]:
    """Put `per_message` rows into each message; one row stands alone, without an array."""
    encode = msgspec.json.encode
    if per_message == 1:
        return [encode(row) for row in rows]
    return [
        encode(list(rows[start : start + per_message]))
        for start in range(0, len(rows), per_message)
    ]


def cloud_events(rows: Sequence[dict[str, Any]]) -> list[Record]:
    """Make a request and its response of each row."""
    records = []
    for row in rows:
        headers = [
            ("ce_id", row["prediction_id"].encode()),
            ("ce_inferenceservicename", b"credit"),
            ("ce_time", rfc3339(row["ts"] * 1_000_000).encode()),
        ]
        inputs = [
            {
                "name": name,
                "shape": [1],
                "datatype": "BYTES" if isinstance(value, str) else "FP64",
                "data": [value],
            }
            for name, value in row["features"].items()
        ]
        output = {"name": "y", "shape": [1], "datatype": "INT64", "data": [row["prediction"]]}
        for kind, body in (("request", {"inputs": inputs}), ("response", {"outputs": [output]})):
            named = [*headers, ("ce_type", f"org.kubeflow.serving.inference.{kind}".encode())]
            records.append(Record(msgspec.json.encode(body), named))
    return records


def frame_of(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Make a recording of rows."""
    names = rows[0]["features"]
    return pl.DataFrame(
        {
            "ts": [row["ts"] * 1_000_000 for row in rows],
            **{
                key: [row[key] for row in rows]
                for key in ("model", "version", "prediction_id", "prediction", "score")
            },
            **{f"feature.{name}": [row["features"][name] for row in rows] for name in names},
        }
    )


def spans(count: int) -> list[bytes]:
    """Make messages of 50 calls each."""
    messages = []
    for start in range(0, count, 50):
        data = TracesData()
        scope = data.resource_spans.add().scope_spans.add()
        for number in range(start, start + 50):
            span = scope.spans.add(
                span_id=number.to_bytes(8, "big"),
                start_time_unix_nano=1_760_000_000_000_000_000,
                end_time_unix_nano=1_760_000_001_000_000_000 + number,
            )
            for key, value in (
                ("gen_ai.operation.name", "chat"),
                ("gen_ai.provider.name", "anthropic"),
                ("gen_ai.request.model", "m-1"),
                ("gen_ai.response.id", f"r{number}"),
            ):
                span.attributes.add(key=key).value.string_value = value
            for key, value in (("input", 900 + number % 50), ("output", number % 300)):
                span.attributes.add(key=f"gen_ai.usage.{key}_tokens").value.int_value = value
        messages.append(data.SerializeToString())
    return messages


def contenders() -> dict[str, Callable[[Sequence[bytes]], object]]:
    """Name the ways to decode."""
    codec = PredictionCodec(partial(read_native, limits=Limits()), PredictionTables())
    return {
        "PredictionCodec": codec.decode,
        "msgspec to dicts": lambda messages: list(map(msgspec.json.decode, messages)),
        "json.loads": lambda messages: list(map(json.loads, messages)),
    }


def cut(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Cut a sequence into batches."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def best_rate(
    decode: Callable[[Any], object],
    batches: Sequence[Any],
    rows: int,
    rounds: int,
) -> float:
    """Give rows per second of CPU in the best of some rounds, after one that warms up."""
    best = 0.0
    for round_number in range(rounds + 1):
        begin = time.process_time()
        for batch in batches:
            decode(batch)
        rate = rows / (time.process_time() - begin)
        best = max(best, rate if round_number else 0.0)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=40_000)
    parser.add_argument("--features", type=int, nargs="+", default=[5, 20, 100])
    parser.add_argument("--batch", type=int, default=4096, help="messages per call")
    parser.add_argument("--per-message", type=int, default=1, help="rows per message")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    print(f"{'features':>8}  {'decoder':<18}{'k rows/s':>10}{'M values/s':>12}")

    def report(features: int, name: str, rate: float) -> None:
        print(f"{features:>8}  {name:<18}{rate / 1e3:>10.0f}{rate * features / 1e6:>12.2f}")

    for features in arguments.features:
        count = max(1000, arguments.rows * 5 // (5 + features))
        made = rows(count, features, arguments.seed)
        batches = cut(messages_of(made, arguments.per_message), arguments.batch)
        for name, decode in contenders().items():
            report(features, name, best_rate(decode, batches, count, arguments.rounds))
        records = cut(cloud_events(made), arguments.batch)

        def joined(some: Sequence[Sequence[Record]]) -> None:
            codec = CloudEventsCodec(PredictionTables())
            for batch in some:
                codec.decode(batch)

        report(features, "CloudEvents", best_rate(joined, [records], count, arguments.rounds))

        def recorded(frame: pl.DataFrame) -> None:
            for _ in batches_of(frame, PredictionTables()):
                pass

        report(
            features, "recording", best_rate(recorded, [frame_of(made)], count, arguments.rounds)
        )
    calls = GenAICodec(GenAIColumns(), GenAINames.of())
    messages = cut(spans(arguments.rows), arguments.batch)
    report(0, "LLM calls", best_rate(calls.decode, messages, arguments.rows, arguments.rounds))


if __name__ == "__main__":
    main()
