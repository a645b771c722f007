"""Native rows of an LLM service, and what its codec makes of them, for people to read."""

from naive_predictions import TS_MS, encoded

from engine.codecs.genai_predictions import llm_codec
from engine.codecs.genai_prices import Price
from engine.codecs.genai_settings import LlmSettings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.predictions import Kind

CALL = {
    "ts": TS_MS,
    "duration_s": 1.5,
    "operation": "chat",
    "provider": "acme-ai",
    "request_model": "m-1",
    "response_model": "m-1-2025",
    "input_tokens": 900,
    "output_tokens": 90,
    "cached_tokens": 300,
    "reasoning_tokens": 20,
    "time_to_first_chunk_s": 0.25,
    "tool_calls": 2,
    "finish_reasons": ["stop"],
    "response_id": "r1",
    "tenant.id": "north",
    "prompt": "secret",
}
EVALUATION = {"ts": TS_MS + 9, "evaluation": "faithful", "score": 0.25, "response_id": "r1"}
SETTINGS = LlmSettings(
    tags={"provider": "provider", "tenant": "tenant.id"},
    aliases={"my.tools": "tool_calls", "my.prompt": "gen_ai.usage.input_tokens"},
    embeddings={"question": "my.vector"},
    prices=[Price(model="m-1*", input_usd=2, output_usd=10, cached_usd=0.5)],
    evaluators=["faithful", "polite"],
    spans_max=3,
)


def codec(message_format="native", given_settings=SETTINGS, tables=None, **others):
    tables = tables or PredictionTables()
    return llm_codec("support", given_settings, tables, message_format=message_format, **others)


def decode(*documents, **others):
    return codec(**others).decode([encoded(document) for document in documents])


def rows(table):
    """List the predictions of a table, with names for codes and None for null."""
    named = {}
    for name, column in (table.tags | table.features).items():
        if column.kind is Kind.CATEGORICAL:
            named[name] = [None if c < 0 else column.names[c] for c in column.values]
        elif column.kind is Kind.EMBEDDING:
            found = dict(zip(column.rows.tolist(), column.values.tolist(), strict=True))
            named[name] = [found.get(row) for row in range(len(table))]
        else:
            values = column.values.tolist()
            named[name] = [None if v != v or v == -1 else v for v in values]  # noqa: PLR0124
    return [
        {
            "version": table.version,
            "ts": int(table.ts[row]),
            "id": table.ids[row],
            "key": int(table.key[row]),
            **{name: values[row] for name, values in named.items() if values[row] is not None},
        }
        for row in range(len(table))
    ]


def labels(batch):
    return [
        (table.evaluator, identity, int(key), float(value))
        for table in batch.labels
        for identity, key, value in zip(table.ids, table.key, table.label.values, strict=True)
    ]


def span_call(number, response_id=None, **others):
    call = {**CALL, "span_id": f"s{number}", **others}
    del call["response_id"]
    return call | ({"response_id": response_id} if response_id else {})
