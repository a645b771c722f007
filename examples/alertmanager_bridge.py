"""Posts streamgauge's alerts to Alertmanager.

Usage: python examples/alertmanager_bridge.py BROKERS TOPIC URL, such as
``localhost:9092 streamgauge.alerts http://127.0.0.1:9093``.
"""  # noqa: INP001  # a program to copy, no package

import json
import sys
import time
from collections.abc import Iterable
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from confluent_kafka import Consumer, KafkaException

FIELDS = ("labels", "annotations", "startsAt", "endsAt", "generatorURL")
CONFIG = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    "session.timeout.ms": 10_000,  # after a crash, its successor waits no longer than this
    "max.poll.interval.ms": 86_400_000,  # as long as Alertmanager may be away
}


def payload(values: Iterable[bytes | None]) -> list[dict[str, Any]]:
    """Take what Alertmanager takes from records' values; pending ones and tombstones are left."""
    events = [json.loads(value) for value in values if value]
    told = [event for event in events if event["status"] in ("firing", "resolved")]
    return [{field: event[field] for field in FIELDS} for event in told]


def post(alerts: list[dict[str, Any]], url: str, *, retry_s: float = 5.0) -> None:
    """Post until Alertmanager has the alerts; those that it calls wrong would be wrong again."""
    headers = {"Content-Type": "application/json"}
    body = json.dumps(alerts).encode()
    request = Request(f"{url.rstrip('/')}/api/v2/alerts", body, headers)  # noqa: S310  # given
    while alerts:
        try:
            with urlopen(request, timeout=30):  # noqa: S310
                return
        except OSError as error:
            sys.stderr.write(f"{request.full_url}: {error}\n")
            if isinstance(error, HTTPError) and error.code in (400, 422):
                sys.stderr.write(f"refused: {error.read().decode(errors='replace')}\n")
                return
            time.sleep(retry_s)


def step(consumer: Consumer, url: str, *, wait_s: float = 1.0, retry_s: float = 5.0) -> int:
    """Post the next records, then commit their offsets; give how many alerts were posted."""
    messages = consumer.consume(500, wait_s)
    for error in filter(None, (message.error() for message in messages)):
        if error.fatal():
            raise KafkaException(error)
        sys.stderr.write(f"{error}\n")
    read = [message for message in messages if not message.error()]
    alerts = payload(message.value() for message in read)
    post(alerts, url, retry_s=retry_s)
    if read:
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as error:  # the partitions are another's now, who posts them again
            sys.stderr.write(f"{error}\n")
    return len(alerts)


def main(brokers: str, topic: str, url: str) -> None:
    """Bridge until Ctrl-C."""
    group = f"alertmanager-bridge {url}"  # each Alertmanager of a cluster has its own bridge
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, **CONFIG})
    consumer.subscribe([topic])
    try:
        while True:
            step(consumer, url)
    except KeyboardInterrupt:
        consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
