"""Fixtures that every test may use: real and mock Kafka, and the data beside the repository."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's affair: without this, tests would hold it to 200 ms.
settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")

REPOSITORY = Path(__file__).resolve().parent.parent
ADMIN_TIMEOUT_S = 30


@pytest.fixture(scope="session")
def kafka_brokers() -> str:
    """Addresses of a real Kafka; without one, tests that need it are skipped, and fail in CI."""
    brokers = os.environ.get("KAFKA_BROKERS")
    if brokers:
        return brokers
    reason = "no KAFKA_BROKERS; `make kafka-start`, then KAFKA_BROKERS=127.0.0.1:9092 make test"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def kafka_topic(kafka_brokers: str) -> Iterator[Callable[..., str]]:
    """Make topics of unique names, `kafka_topic(partitions=4, config={...})`; delete them after."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": kafka_brokers})
    made: list[str] = []

    def make(*, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        name = f"test-{uuid.uuid4().hex}"
        topic = NewTopic(name, partitions, replication_factor=1, config=config or {})
        admin.create_topics([topic])[name].result(ADMIN_TIMEOUT_S)
        made.append(name)
        return name

    yield make
    if made:
        for deleted in admin.delete_topics(made).values():
            deleted.result(ADMIN_TIMEOUT_S)


@pytest.fixture
def mock_cluster() -> Iterator[str]:
    """Addresses of librdkafka's mock cluster of one broker: good for delivery errors and speed.

    It makes topics at their first use, with 4 partitions; it knows no retention, and its
    transactions and admin calls prove nothing.
    """
    from confluent_kafka import Producer

    owner = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    brokers = owner.list_topics(timeout=ADMIN_TIMEOUT_S).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del owner  # the cluster lives as long as its owner


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the data folder beside the repository; tests that need it are skipped without."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder `shared` beside the repository")
    return folder
