"""The output topics: made as they must be, and checked where they exist."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs export too little
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from engine.clock import SECOND_NS, elapsed_ns, sleep
from engine.config.connections import KafkaSink
from engine.errors import SinkError, UsageError
from engine.sinks.producer import client_settings, error_text

CLEANUP = {
    "alerts": frozenset({"compact", "delete"}),
    "scores": frozenset({"delete"}),
    "drift": frozenset({"delete"}),
    "dead_letters": frozenset({"delete"}),
    "status": frozenset({"compact", "delete"}),
}
"""Cleanup policies of each output's topic; a compacted one keeps the last record of each key."""

ADMIN_TIMEOUT_S = 10.0

_RETRY_S = 0.1
_MILLISECOND_NS = 1_000_000


def topic_name(settings: KafkaSink, output: str) -> str:
    """Name the topic of an output."""
    return f"{settings.prefix}.{output}"


def ensure_topics(settings: KafkaSink, *, timeout_s: float = ADMIN_TIMEOUT_S) -> None:
    """Make the topics that are missing, and check those that exist.

    Record timestamps are event times, so retention by time counts from the event.

    Parameters
    ----------
    settings : KafkaSink
        Prefix, and for topics that are made: partitions, replicas and retention.
    timeout_s : float
        Longest wait for each answer of the brokers.

    Raises
    ------
    UsageError
        If a property of the settings can't be used.
    SinkError
        If the brokers can't be reached, refuse, or a topic is set up in another way than it must
        be; the message has the command that mends it.
    """
    try:
        admin = AdminClient(client_settings(settings))
    except (KafkaException, ValueError, TypeError) as error:
        raise UsageError(f"sinks.kafka.properties: {error_text(error)}") from error
    try:
        existing = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as error:
        raise _unreachable(settings, "list topics", error) from error
    missing = [output for output in CLEANUP if topic_name(settings, output) not in existing]
    made = _create(admin, settings, missing, timeout_s)
    _check(admin, settings, [output for output in CLEANUP if output not in made], timeout_s)


def _create(
    admin: AdminClient, settings: KafkaSink, outputs: list[str], timeout_s: float
) -> set[str]:
    """Make topics; give the outputs whose topic was not there yet."""
    topics = [_topic(settings, output) for output in outputs]
    if not topics:
        return set()
    pending = admin.create_topics(topics, request_timeout=timeout_s, operation_timeout=timeout_s)
    made = set()
    for output in outputs:
        name = topic_name(settings, output)
        try:
            pending[name].result()
        except KafkaException as error:
            # Another process of the same flow may have made it in the meantime.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _unreachable(settings, f"make topic {name}", error) from error
        else:
            made.add(output)
    return made


def _topic(settings: KafkaSink, output: str) -> NewTopic:
    config = {
        "cleanup.policy": ",".join(sorted(CLEANUP[output])),
        "retention.ms": str(max(1, settings.retention_ns // _MILLISECOND_NS)),
        "message.timestamp.type": "CreateTime",
    }
    return NewTopic(
        topic_name(settings, output),
        num_partitions=settings.partitions,
        replication_factor=settings.replication_factor,
        config=config,
    )


def _check(admin: AdminClient, settings: KafkaSink, outputs: list[str], timeout_s: float) -> None:
    wrong = []
    for output in outputs:
        name = topic_name(settings, output)
        try:
            found = _config_of(admin, name, timeout_s)
        except KafkaException as error:
            raise _unreachable(settings, f"look at topic {name}", error) from error
        cleanup = {policy.strip() for policy in found["cleanup.policy"].split(",")}
        if cleanup != CLEANUP[output]:
            wrong.append(_mend(settings, name, "cleanup.policy", sorted(CLEANUP[output])))
        if found["message.timestamp.type"] != "CreateTime":
            wrong.append(_mend(settings, name, "message.timestamp.type", ["CreateTime"]))
    if wrong:
        raise SinkError("\n".join(wrong))


def _config_of(admin: AdminClient, topic: str, timeout_s: float) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    deadline_ns = elapsed_ns() + int(timeout_s * SECOND_NS)
    while True:
        pending = admin.describe_configs([resource], request_timeout=timeout_s)
        try:
            entries = pending[resource].result()
        except KafkaException as error:
            # The brokers do not all hear of a topic at the moment it is made.
            unknown = error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
            if not unknown or elapsed_ns() >= deadline_ns:
                raise
            sleep(_RETRY_S)
        else:
            return {name: entry.value for name, entry in entries.items()}


def _mend(settings: KafkaSink, topic: str, name: str, values: list[str]) -> str:
    value = values[0] if len(values) == 1 else f"[{','.join(values)}]"
    return (
        f"topic {topic}: {name} must be {','.join(values)}; mend it with\n"
        f"  kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics "
        f"--entity-name {topic} --add-config '{name}={value}'"
    )


def _unreachable(settings: KafkaSink, action: str, error: KafkaException) -> SinkError:
    return SinkError(f"Kafka at {settings.brokers}: can't {action}: {error_text(error)}")
