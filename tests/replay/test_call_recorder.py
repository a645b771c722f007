"""A recording of topics of LLM calls replays to what a run has read from the topics.

Method: messages of each format are sent to the mock cluster and recorded. A codec of the topic and
one of the recording's lines must give the same documents, and no line may hold what was said.
"""

import gzip
import json

import numpy as np
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import Status, TracesData
from test_prediction_recorder import BASE_MS, SECOND_NS, intake, rows_of, send

from engine.config.connections import RecordingSource, Source
from engine.config.load import parse_config
from engine.errors import UsageError
from engine.events import Reason
from engine.pipeline.document_sources import document_codec, document_files
from engine.replay.recorder import record
from engine.sources.documents import batch_of
from engine.sources.journal import Journal
from engine.sources.prediction_files import recording_kind

BASE_NS = BASE_MS * 10**6
SECRET = "the answer is 42"
SAID = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": SECRET}]}])
EVENT = "gen_ai.evaluation.result"
MODELS = """
models:
  - model: bot
    llm:
      evaluators: [polite]
      tags: {tenant: tenant.id, provider: provider}
      aliases: {my.tools: tool_calls}
      embeddings: {question: my.vector}
"""


def config(folder, brokers, more="", sources="", limits=""):
    kafka = f'{{brokers: "{brokers}", topic: t, start: earliest{more}}}'
    text = f"sources: [{{kind: llm, model: bot, kafka: {kafka}}}{sources}]\n{MODELS}"
    text += f"state: {{dir: {folder / 'state'}}}\nlimits: {{{limits}}}"
    return parse_config(text, file="c.yaml", environment={}, folder=folder)


def attributes_of(number, **more):
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "m",
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": f"r{number}",
        "gen_ai.response.finish_reasons": ["stop", "length"],
        "gen_ai.usage.input_tokens": 900 + number,
        "gen_ai.output.messages": SAID,
        "gen_ai.input.messages": SAID,
        "my.tools": number,
        "my.vector": [0.5, number / 3],
        "http.route": "/ask",  # nobody asks for it
        **more,
    }


def put(target, attributes):
    for key, value in attributes.items():
        held = target.add(key=key).value
        for part in value if isinstance(value, list) else [value]:
            into = held.array_value.values.add() if isinstance(value, list) else held
            kinds = {str: "string_value", int: "int_value", float: "double_value"}
            setattr(into, kinds[type(part)], part)


def spans(*calls):
    """Make a message of spans: number, end (ns after the base), and what else there is."""
    data = TracesData()
    group = data.resource_spans.add()
    put(group.resource.attributes, {"tenant.id": "acme"})
    spans = group.scope_spans.add().spans
    for number, end_ns, more in calls:
        span = spans.add(span_id=(number + 1).to_bytes(8, "big"), name="chat")
        span.end_time_unix_nano = BASE_NS + end_ns
        span.start_time_unix_nano = span.end_time_unix_nano - 1_234_567_891
        put(span.attributes, attributes_of(number, **more))
        # An event of the span, so before its end, that names nothing but the span.
        event = span.events.add(name=EVENT, time_unix_nano=span.end_time_unix_nano - 1001)
        put(event.attributes, {"gen_ai.evaluation.name": "polite"})
        put(event.attributes, {"gen_ai.evaluation.score.value": number / 7})
    failed = spans.add(span_id=b"failed!!", end_time_unix_nano=BASE_NS + 5)
    failed.status.code = Status.STATUS_CODE_ERROR
    put(failed.attributes, {"gen_ai.request.model": "m"})
    agent = spans.add(span_id=b"agentic!", end_time_unix_nano=BASE_NS + 90 * SECOND_NS)
    put(agent.attributes, attributes_of(99, **{"gen_ai.operation.name": "invoke_agent"}))
    return data


TRACES = [
    spans((0, 7, {}), (1, 3 * SECOND_NS + 1, {})),
    spans((2, 40 * SECOND_NS, {"gen_ai.response.model": "m-2"}), (3, 20 * SECOND_NS, {})),
    spans((4, 70 * SECOND_NS, {})),  # a wild clock
    spans((5, 2 * SECOND_NS, {})),  # late
]


def json_of(data):
    """Make OTLP's JSON, in which ids are hex and 64-bit integers text."""

    def value_of(value):
        kind = value.WhichOneof("value")
        if kind == "array_value":
            return {"arrayValue": {"values": [value_of(part) for part in value.array_value.values]}}
        name = {"string_value": "stringValue", "int_value": "intValue"}.get(kind, "doubleValue")
        content = getattr(value, kind)
        return {name: str(content) if kind == "int_value" else content}

    def plain(given):
        return [{"key": one.key, "value": value_of(one.value)} for one in given]

    groups = [
        {
            "resource": {"attributes": plain(group.resource.attributes)},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "name": span.name,
                            "spanId": span.span_id.hex(),
                            "startTimeUnixNano": str(span.start_time_unix_nano),
                            "endTimeUnixNano": str(span.end_time_unix_nano),
                            "status": {"code": span.status.code},
                            "attributes": plain(span.attributes),
                            "events": [
                                {
                                    "name": event.name,
                                    "timeUnixNano": str(event.time_unix_nano),
                                    "attributes": plain(event.attributes),
                                }
                                for event in span.events
                            ],
                        }
                        for span in scope.spans
                    ]
                }
                for scope in group.scope_spans
            ],
        }
        for group in data.resource_spans
    ]
    return json.dumps({"resourceSpans": groups}).encode()


def native(number, at_ms, **more):
    row = {"ts": BASE_MS + at_ms, "duration_s": 1.5, "span_id": f"s{number}", "prompt": SECRET}
    return {**row, **attributes_of(number), "tenant.id": "acme", **more}


def native_messages():
    judged = {"evaluation": "polite", "label": "pass"}
    rows = [
        [native(0, 2000), native(1, 0), {"ts": BASE_MS + 1000, "span_id": "s0", **judged}],
        {"ts": "2025-10-09T08:53:21.000000001Z", "response_id": "r1", **judged},
        {"ts": BASE_MS + 2000, "cost_usd": 0.5},
        {"ts": BASE_MS + 2000, "provider": None},
        native(2, 70_000),  # a wild clock
        {"ts": BASE_MS, "evaluation": "rude", "score": 1, "response_id": "r1"},  # nobody's
        {"ts": BASE_MS, "evaluation": "polite", "label": "maybe", "response_id": "r1"},
    ]
    return [*(json.dumps(row).encode() for row in rows), b"junk"]


def evaluation_logs():
    data = LogsData()
    records = data.resource_logs.add().scope_logs.add().log_records
    for number in range(3):
        one = records.add(event_name=EVENT, time_unix_nano=BASE_NS + 9 - number)
        put(one.attributes, {"gen_ai.response.id": f"r{number}"})
        if number:
            put(one.attributes, {"gen_ai.evaluation.name": "polite"})
            put(one.attributes, {"gen_ai.evaluation.score.label": "fail"})
    return [data.SerializeToString()]


FORMATS = {
    "json": ("", native_messages()),
    "otlp_proto": (", format: otlp_proto", [data.SerializeToString() for data in TRACES]),
    "otlp_json": (", format: otlp_json", [json_of(data) for data in TRACES]),
    "gzip": (
        ", format: otlp_json, compression: gzip",
        [gzip.compress(json_of(data)) for data in TRACES],
    ),
    "logs": (", format: otlp_proto, signal: logs", evaluation_logs()),
}
COUNTS = {
    "json": (8, {"bad_timestamp": 1, "decode_error": 1}),
    "otlp_proto": (14, {"bad_timestamp": 2}),
    "otlp_json": (14, {"bad_timestamp": 2}),
    "gzip": (14, {"bad_timestamp": 2}),
    "logs": (2, {"unsupported": 1}),
}
"""Rows that are recorded, and those that are not by reason."""


def taken(decoded, gate):
    """What goes on of a decoded block, and how many rows are late."""
    written = np.full(len(decoded.columns), BASE_NS)
    gated = gate.take(decoded.columns, [], written)
    late = gated.counts.get(Reason.LATE, 0)
    return batch_of(None, gated, decoded.documents).documents, late


def versions_of(batches):
    """List the version of each call, and the evaluator of each evaluation."""
    tables = [table for batch in batches for table in (*batch.tables, *batch.labels)]
    return sorted(
        (getattr(table, "version", ""), getattr(table, "evaluator", ""), identity)
        for table in tables
        for identity in table.ids
    )


def live(settings, payloads):
    """Decode a log as a run does, a message at a time; gives documents and late rows."""
    (source,) = settings.sources
    codec, gate = document_codec(settings, source, source.kafka), intake()
    found = [taken(codec.decode([payload]), gate) for payload in payloads]
    return [one for one, _ in found if one], sum(late for _, late in found)


def replayed(settings, folder, rows=3):
    """Decode the only file of a recording; gives documents and late rows."""
    recording = RecordingSource(path=str(folder))
    source = Source(recording=recording, kind="llm", model="bot")
    (file,) = document_files(settings, source, recording)
    gate = intake()
    found = [taken(block, gate) for block in file.reading(None).blocks(rows)]
    return [one for one, _ in found if one], sum(late for _, late in found)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_recording_replays_to_what_a_run_reads(kind, tmp_path, mock_cluster):
    more, payloads = FORMATS[kind]
    send(mock_cluster, [(payload, None) for payload in payloads])
    settings = config(tmp_path, mock_cluster, more)
    summary = record(settings, tmp_path / "out", until_end=True)
    assert (summary.messages, summary.series) == (len(payloads), 0)
    assert (summary.samples, summary.rejected) == COUNTS[kind]
    assert recording_kind(tmp_path / "out") == "llm"
    assert SECRET not in (tmp_path / "out" / "t-0.jsonl").read_text()
    documents, late = replayed(settings, tmp_path / "out")
    expected, late_live = live(settings, payloads)
    assert rows_of(documents) == rows_of(expected)
    assert rows_of(expected)
    assert versions_of(documents) == versions_of(expected)
    assert late == late_live


def test_an_event_before_the_end_of_its_span_is_joined_with_its_call(tmp_path, mock_cluster):
    send(mock_cluster, [(TRACES[0].SerializeToString(), None)])
    settings = config(tmp_path, mock_cluster, ", format: otlp_proto")
    record(settings, tmp_path / "out", until_end=True)
    lines = [json.loads(line) for line in (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()]
    assert "gen_ai.evaluation.name" in lines[0]
    documents, _ = replayed(settings, tmp_path / "out")
    assert {i for batch in documents for table in batch.labels for i in table.ids} == {"r0", "r1"}


def test_the_runs_advances_are_lines_of_their_own(tmp_path, mock_cluster):
    send(mock_cluster, [(json.dumps(native(n, 1000 * n)).encode(), None) for n in range(3)])
    (tmp_path / "state").mkdir()
    Journal(tmp_path / "state" / "idle.jsonl").write("t/0", 1, BASE_NS + 30 * SECOND_NS)
    settings = config(tmp_path, mock_cluster)
    summary = record(settings, tmp_path / "out", until_end=True)
    assert (summary.samples, summary.advances) == (3, 1)
    lines = (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()
    assert json.loads(lines[1]) == {"ts": "2025-10-09T08:53:50Z"}


def test_calls_of_several_services_are_left_out(tmp_path, mock_cluster):
    other = f', {{kind: llm, model: other, kafka: {{brokers: "{mock_cluster}", topic: u}}}}'
    with pytest.raises(UsageError, match="no Kafka source to record"):
        record(config(tmp_path, mock_cluster, sources=other), tmp_path / "out", until_end=True)


def test_a_row_that_is_too_long_as_a_line_is_told(tmp_path, mock_cluster):
    long = native(0, 0, **{"my.vector": [0.1] * 4000, "tenant.id": "x" * 100})
    payload = gzip.compress(json.dumps(long).encode())
    send(mock_cluster, [(payload, None)])
    settings = config(tmp_path, mock_cluster, ", compression: gzip", limits="message_size: 10KiB")
    summary = record(settings, tmp_path / "out", until_end=True)
    assert (summary.samples, summary.rejected) == (0, {"too_large": 1})


def test_rows_of_one_time_are_in_the_order_of_a_run(tmp_path, mock_cluster):
    models = ["m-2", "m-1", "m-3"]
    calls = [native(n, 0, **{"gen_ai.response.model": model}) for n, model in enumerate(models)]
    judged = {"ts": BASE_MS, "evaluation": "polite", "score": 1, "response_id": "r0"}
    send(mock_cluster, [(json.dumps([judged, *calls]).encode(), None)])
    record(config(tmp_path, mock_cluster), tmp_path / "out", until_end=True)
    lines = [json.loads(line) for line in (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()]
    assert [line.get("gen_ai.response.model") for line in lines] == ["m-1", "m-2", "m-3", None]
