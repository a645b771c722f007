"""Topics of two models, their late labels, a metric and an LLM service; and what a flow says of it.

Model `credit` has two versions one after the other and features that move; `fraud` predicts
classes, and gets worse. Both are spread over two partitions. Labels come late and out of order.
Every partition ends with rows far behind the others in event time, so that all windows are closed,
all orphans told and all alerts resolved when the last tick has been handled.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

SECOND_MS, MINUTE_MS = 1000, 60_000
PARTITIONS = 2
STREAMS = ("predictions", "labels", "metrics", "llm")
ROWS = 2400
"""Predictions of each model, one a second."""

LATENESS_MS = 20_000
LABEL_DELAY_MS = 25 * MINUTE_MS
MOVES_AT = 0.6
"""Part of the stream after which features move and a model gets worse."""

END_MS = ROWS * SECOND_MS + 130 * MINUTE_MS
"""When the last rows are: nothing more is to be said of all others by then."""

AFTER_MS = 5 * MINUTE_MS
"""So long after the end rows come that let the tick of the end be handled."""

END = "end"
"""Model and version of the last rows."""

ORPHAN, LATE, UNREADABLE, SHORT_VECTOR = "nobody", "late1", "unreadable", "short"

MODELS = """
models:
  - {model: credit, reference: first 400 rows, window: 3m, rows_min: 50, segments: [region],
     label_delay: 25m, open_predictions: 1000, false_alarms_per_week: 1, multivariate: [mmd],
     quality: {window: 10m, slide: 5m, correct_every: 5m}, on_episode: retrain}
  - {model: fraud, reference: first 300 rows, window: 200 rows, rows_min: 50, label_delay: 25m,
     open_predictions: 1000, multivariate: [], quality: {window: 10m, slide: 5m, correct_every: 0s}}
  - {model: support, reference: first 150 rows, window: 5m, rows_min: 20, label_delay: 10m,
     multivariate: [], quality: {window: 10m, slide: 5m}, llm: {evaluators: [polite]}}
"""

RULES = """
groups:
  - name: world
    interval: 30s
    rules:
      - {alert: High, expr: load > 80, for: 1m}
      - {alert: Inaccurate, expr: 'model_accuracy{model="fraud", segment=""} < 0.8'}
      - {alert: Done, expr: quiet > 0}
"""


@dataclass(frozen=True)
class Sent:
    """A message: its stream, the partition there, and the value."""

    stream: str
    partition: int
    value: bytes


def recent_begin_ms() -> int:
    """When a stream begins that ends now, in whole hours, lest the broker drops what is old."""
    return int(time.time() * 1000 - END_MS - AFTER_MS) // 3_600_000 * 3_600_000


def world(begin_ms: int, *, seed: int = 5) -> list[Sent]:
    """All messages, in the order in which they are sent."""
    rng = np.random.default_rng(seed)
    timed: list[tuple[int, str, int, dict]] = []
    for model in ("credit", "fraud"):
        for at, stream, partition, row in _of_model(rng, model):
            timed.append((at, stream, partition, row))
    timed += _odd_ones()
    timed += _calls(rng)
    timed += [
        (at, "metrics", 0, {"name": "load", "labels": {"host": "h"}, "value": _load(at)})
        for at in range(0, ROWS * SECOND_MS, 15_000)
    ]
    # Held up for less than the lateness, so that rows are out of order and none is late.
    arrival = [at + int(rng.integers(0, LATENESS_MS)) for at, *_ in timed]
    order = np.argsort(arrival, kind="stable").tolist()
    sent = [_message(begin_ms, *timed[place]) for place in order]
    late = {"model": "credit", "prediction_id": LATE, "version": "1", "prediction": 1}
    sent.insert(len(sent) // 2, _message(begin_ms, 1000, "predictions", 0, late))
    return sent + [_message(begin_ms, *last) for last in _last()]


def _of_model(rng, model: str) -> Iterator[tuple[int, str, int, dict]]:
    has_moved = np.arange(ROWS) > MOVES_AT * ROWS
    age = rng.normal(40, 10, ROWS) + np.where(has_moved & (model == "credit"), 15, 0)
    region = rng.choice(["north", "south"], ROWS)
    truth = rng.integers(0, 2, ROWS)
    is_wrong = rng.random(ROWS) < np.where(has_moved & (model == "fraud"), 0.45, 0.05)
    predicted = np.where(is_wrong, 1 - truth, truth)
    names = np.array(["good", "bad"])
    offset = 300 if model == "fraud" else 0
    for number in range(ROWS):
        at = number * SECOND_MS + offset
        features = {"age": round(float(age[number]), 3), "region": str(region[number])}
        row = {"model": model, "prediction_id": f"{model}{number}", "features": features}
        label: object = int(truth[number])
        if model == "credit":
            features["vector"] = np.round(rng.normal(0, 1, 4), 3).tolist()
            row |= {"version": "1" if number < ROWS // 3 else "2"}
            row |= {"prediction": int(predicted[number]), "tags": {"region": features["region"]}}
        else:
            row |= {"version": "a", "prediction": str(names[predicted[number]])}
            label = str(names[truth[number]])
        yield at, "predictions", number % PARTITIONS, row
        if rng.random() < 0.7:
            wait_ms = int(rng.integers(0, LABEL_DELAY_MS - MINUTE_MS))
            late = {"model": model, "prediction_id": row["prediction_id"], "label": label}
            yield at + wait_ms, "labels", number % PARTITIONS, late


def _odd_ones() -> Iterator[tuple[int, str, int, dict]]:
    """What is refused: one of each kind."""
    credit = {"model": "credit", "version": "1", "prediction": 1}
    odd = {"age": "unknown", "region": "north", "vector": [0.1, 0.2, 0.3, 0.4]}
    yield 500_000, "predictions", 0, {**credit, "prediction_id": UNREADABLE, "features": odd}
    short = {"age": 40.5, "region": "north", "vector": [0.1, 0.2]}
    yield 510_000, "predictions", 1, {**credit, "prediction_id": SHORT_VECTOR, "features": short}
    yield 520_000, "labels", 0, {"model": "credit", "prediction_id": ORPHAN, "label": 1}
    yield 530_000, "llm", 0, {"evaluation": "polite", "label": "maybe", "response_id": "r1"}


def _calls(rng) -> Iterator[tuple[int, str, int, dict]]:
    for number in range(ROWS // 4):
        at = number * 4 * SECOND_MS
        tokens = rng.lognormal(5, 0.4) * (2.5 if number * 4 > MOVES_AT * ROWS else 1)
        yield at, "llm", 0, {
            "response_model": "m-1", "response_id": f"r{number}", "duration_s": 1.5,
            "input_tokens": 900, "output_tokens": int(tokens), "finish_reasons": ["stop"],
        }  # fmt: skip
        if number % 3 == 0:
            polite = "pass" if rng.random() < 0.9 else "fail"
            judged = {"evaluation": "polite", "label": polite, "response_id": f"r{number}"}
            yield at + int(rng.integers(1, 300_000)), "llm", 0, judged


def _load(at: int) -> float:
    return 95.0 if 600_000 <= at < 900_000 else 30.0


def _last() -> Iterator[tuple[int, str, int, dict]]:
    """Rows of a model of their own, and a metric, that say how far each partition is."""
    for at in (END_MS, END_MS + AFTER_MS):
        for partition in range(PARTITIONS):
            row = {"model": END, "prediction_id": f"e{at}{partition}", "prediction": 1}
            yield at, "predictions", partition, {**row, "features": {"x": 1}}
            label = {"model": END, "prediction_id": f"e{at}{partition}", "label": 1}
            yield at, "labels", partition, label
        yield at, "llm", 0, {"response_model": END, "response_id": f"e{at}", "output_tokens": 90}
    yield END_MS, "metrics", 0, {"name": "quiet", "labels": {}, "value": 1}
    yield END_MS + AFTER_MS, "metrics", 0, {"name": "after", "labels": {}, "value": 1}


def _message(begin_ms: int, at: int, stream: str, partition: int, row: dict) -> Sent:
    return Sent(stream, partition, json.dumps({"ts": begin_ms + at, **row}).encode())


def topic_of(prefix: str, stream: str) -> str:
    """The topic of a stream."""
    return f"{prefix}-{stream}"


def make_topics(brokers: str, prefix: str) -> None:
    """Make the topics of a world."""
    admin = AdminClient({"bootstrap.servers": brokers})
    wanted = [
        NewTopic(topic_of(prefix, stream), PARTITIONS if stream in STREAMS[:2] else 1, 1)
        for stream in STREAMS
    ]
    for made in admin.create_topics(wanted).values():
        made.result(30)


def delete_topics(brokers: str, prefix: str) -> None:
    """Delete all topics that begin with the prefix."""
    admin = AdminClient({"bootstrap.servers": brokers})
    found = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
    if found:
        for deleted in admin.delete_topics(found).values():
            deleted.result(30)


def send(brokers: str, prefix: str, sent: list[Sent], *, pause_s: float = 0) -> None:
    """Send messages; with a pause after each two hundred."""
    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    for number, one in enumerate(sent):
        producer.produce(topic_of(prefix, one.stream), one.value, partition=one.partition)
        if number % 200 == 0:
            producer.poll(0)
            time.sleep(pause_s)
    assert producer.flush(30) == 0


def kafka_sources(brokers: str, prefix: str, streams: tuple[str, ...] = STREAMS) -> tuple[str, ...]:
    """Sources that read the topics."""
    more = {"metrics": "", "llm": "kind: llm, model: support, "}
    return tuple(
        f"{{{more.get(stream, f'kind: {stream}, ')}"
        f'kafka: {{brokers: "{brokers}", topic: {topic_of(prefix, stream)}, start: earliest}}}}'
        for stream in streams
    )


def write_config(
    folder: Path,
    sources: tuple[str, ...],
    *,
    sinks: tuple[str, ...] = (),
    models: str = MODELS,
    rows: int = 500,
) -> Path:
    """Write a configuration that says all into the folder's `out`, and into further sinks."""
    folder.mkdir(exist_ok=True)
    (folder / "rules.yaml").write_text(RULES)
    listed = [f"{{folder: {{path: {folder / 'out'}}}}}", *sinks]
    path = folder / "config.yaml"
    path.write_text(f"""
sources: [{", ".join(sources)}]
sinks: [{", ".join(listed)}]
time: {{lateness: {LATENESS_MS}ms, idle_timeout: 1h}}
rules: {{files: [rules.yaml]}}
detectors: []
http: {{listen: ""}}
batch: {{rows: {rows}, age: 50ms}}
state: {{dir: {folder / "state"}, checkpoint: 300ms, epoch: 100ms, shards: 2}}
{models}
""")
    return path


def lines(path: Path) -> list[dict]:
    """Whole lines of a file of a folder sink."""
    found = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [msgspec.json.decode(line) for line in found]


def by_id(records: list[dict]) -> dict[str, dict]:
    """Records by id; what is said again must say the same, and nothing of the end is among them."""
    found: dict[str, dict] = {}
    for item in records:
        if _is_of_end(item):
            continue
        assert found.setdefault(item["id"], item) == item
    return found


def _is_of_end(record: dict) -> bool:
    """Whether a record is of the last rows; a run may be stopped before or after these."""
    of = record.get("labels", record)
    return of.get("alertname") == "Done" or END in (of.get("model"), of.get("version"))


def said(folder: Path, output: str) -> dict[str, dict]:
    """What a folder sink holds of an output, where nothing may stand twice."""
    records = lines(folder / f"{output}.jsonl")
    assert len({item["id"] for item in records}) == len(records), f"{output}: a record twice"
    return by_id(records)


def is_done(folder: Path) -> bool:
    """Whether a flow has handled all of a world."""
    return any(
        item["labels"]["alertname"] == "Done" and item["status"] == "firing"
        for item in lines(folder / "out" / "alerts.jsonl")
    )


def statuses(records: Mapping[str, dict]) -> set[tuple[str, str, str]]:
    """Type, model and status of records of the output `drift`."""
    return {(item["type"], item["model"], item.get("status", "")) for item in records.values()}


def refused(folder: Path) -> set[tuple[str, str]]:
    """Source, without the topics' prefix, and reason of each dead letter."""
    return {
        (item["source"].rsplit("-", 1)[-1], item["reason"])
        for item in lines(folder / "dead_letters.jsonl")
    }


REFUSED = {
    ("predictions", "schema_error"),
    ("predictions", "dimension_mismatch"),
    ("predictions", "late"),
    ("models", "orphan_label"),
    ("llm", "bad_value"),
}


def spilled(folder: Path) -> set[Path]:
    """Files of rows that wait for their labels on disk."""
    return set((folder / "state" / "models").rglob("*.rows*"))
