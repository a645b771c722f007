"""Messages of predictions, labels and LLM calls in every format, made for a first look."""

import json

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from engine.codecs.cloud_events import Record
from engine.events import rfc3339

BASE_MS = 1_760_000_000_000
BASE_S = BASE_MS // 1000
SECOND_NS = 10**9

SCHEMA_LINE = {
    "meta_data": {"bento_name": "iris", "bento_version": "v3"},
    "columns": [
        {"name": "width", "role": "feature", "type": "numerical"},
        {"name": "zone", "role": "feature", "type": "categorical"},
        {"name": "species", "role": "prediction", "type": "categorical"},
    ],
}


def record(document, headers=(), at_s=None):
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    ts = None if at_s is None else (BASE_S + at_s) * SECOND_NS
    return Record(payload, headers, ts)


def prediction(number, **more):
    return {
        "ts": BASE_MS + number * 1000,
        "model": "credit",
        "version": "7" if number % 3 else "8",
        "prediction_id": f"p{number}",
        "features": {"age": 30 + number, "home": ("own", "rent")[number % 2], "new": True},
        "prediction": number % 2,
        "score": 0.25,
        "tags": {"region": ("north", "south", "west")[number % 3]},
        **more,
    }


def label(number):
    return {
        "ts": BASE_MS + number * 1000,
        "model": "credit",
        "prediction_id": f"p{number}",
        "label": number % 2,
    }


def call(number, **more):
    return {
        "ts": BASE_MS + number * 1000,
        "duration_s": 1.5,
        "provider": "example",
        "operation": "chat",
        "request_model": "large",
        "response_model": "large-1",
        "input_tokens": 900,
        "output_tokens": 90 + number,
        "finish_reasons": ["stop"],
        "response_id": f"r{number}",
        "tenant.id": ("north", "south")[number % 2],
        "prompt": f"The {number}th secret",
        **more,
    }


def evaluation(number, name="polite"):
    at_ms = BASE_MS + number * 1000
    return {"ts": at_ms, "evaluation": name, "score": 0.5, "response_id": f"r{number}"}


def bento(number):
    at = rfc3339((BASE_S + number) * SECOND_NS)
    named = {"width": 1.5, "zone": "a", "species": "setosa"}
    return {**named, "timestamp": at, "request_id": str(number)}


def flat(number, **more):
    named = {"prediction_id": f"p{number}", "prediction_timestamp": BASE_MS + number * 1000}
    return {**named, "age": 30 + number, "prediction": 1, "score": 0.5, **more}


def inference(kind, number, body, service="iris"):
    named = {
        "ce_specversion": "1.0",
        "ce_type": f"org.kubeflow.serving.inference.{kind}",
        "ce_id": str(number),
        "ce_source": "http://localhost",
        "ce_time": rfc3339((BASE_S + number) * SECOND_NS),
        "content-type": "application/json",
        **({"ce_inferenceservicename": service} if service else {}),
    }
    return record(body, [(name, value.encode()) for name, value in named.items()])


def inferences(numbers, **more):
    found = []
    for number in numbers:
        found.append(inference("request", number, {"instances": [[1.5, 2.5]]}, **more))
        found.append(inference("response", number, {"predictions": [1]}, **more))
    return found


def _put(attributes, named):
    for key, value in named.items():
        held = attributes.add(key=key).value
        if isinstance(value, int):
            held.int_value = value
        else:
            held.string_value = value


def spans(number, service="shop"):
    data = TracesData()
    group = data.resource_spans.add()
    _put(group.resource.attributes, {"service.name": service})
    end_ns = (BASE_S + number) * SECOND_NS
    for place, named in enumerate(
        (
            {"http.route": "/cart"},
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.response.model": "large-1",
                "gen_ai.usage.input_tokens": 900,
                "http.route": ("/ask", "/help")[number % 2],
            },
        )
    ):
        span = group.scope_spans.add().spans.add(
            name="a span",
            span_id=(2 * number + place + 1).to_bytes(8, "big"),
            trace_id=bytes(range(16)),
            start_time_unix_nano=end_ns - SECOND_NS,
            end_time_unix_nano=end_ns,
        )
        _put(span.attributes, named)
    return data


def spans_proto(number):
    return spans(number).SerializeToString()


def spans_json(number):
    return MessageToDict(spans(number))


def logs_proto(number):
    log = LogsData().resource_logs
    data = LogsData(resource_logs=log)
    found = (
        data.resource_logs.add()
        .scope_logs.add()
        .log_records.add(
            time_unix_nano=(BASE_S + number) * SECOND_NS, event_name="gen_ai.evaluation.result"
        )
    )
    _put(
        found.attributes,
        {
            "gen_ai.evaluation.name": "polite",
            "gen_ai.evaluation.score.label": "pass",
            "gen_ai.response.id": f"r{number}",
        },
    )
    return data.SerializeToString()
