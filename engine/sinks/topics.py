"""The output topics: made as they must be, and checked where they exist."""

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs export too little
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

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

ADMIN_TIMEOUT_S = 30.0

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
    _create(admin, settings, missing, timeout_s)
    _check(admin, settings, [output for output in CLEANUP if output not in missing], timeout_s)


def _create(admin: AdminClient, settings: KafkaSink, outputs: list[str], timeout_s: float) -> None:
    topics = [_topic(settings, output) for output in outputs]
    if not topics:
        return
    pending = admin.create_topics(topics, request_timeout=timeout_s, operation_timeout=timeout_s)
    for name, created in pending.items():
        try:
            created.result()
        except KafkaException as error:
            # Another process of the same flow made it in the meantime.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise _unreachable(settings, f"make topic {name}", error) from error


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
    asked = [ConfigResource(ResourceType.TOPIC, topic_name(settings, output)) for output in outputs]
    if not asked:
        return
    pending = admin.describe_configs(asked, request_timeout=timeout_s)
    for output, resource in zip(outputs, asked, strict=True):
        try:
            found = pending[resource].result()
        except KafkaException as error:
            raise _unreachable(settings, f"look at topic {resource.name}", error) from error
        cleanup = {policy.strip() for policy in found["cleanup.policy"].value.split(",")}
        if cleanup != CLEANUP[output]:
            wrong.append(_mend(settings, output, "cleanup.policy", sorted(CLEANUP[output])))
        if found["message.timestamp.type"].value != "CreateTime":
            wrong.append(_mend(settings, output, "message.timestamp.type", ["CreateTime"]))
    if wrong:
        raise SinkError("\n".join(wrong))


def _mend(settings: KafkaSink, output: str, name: str, values: list[str]) -> str:
    topic = topic_name(settings, output)
    value = values[0] if len(values) == 1 else f"[{','.join(values)}]"
    return (
        f"topic {topic}: {name} must be {','.join(values)}; mend it with\n"
        f"  kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics "
        f"--entity-name {topic} --add-config '{name}={value}'"
    )


def _unreachable(settings: KafkaSink, action: str, error: KafkaException) -> SinkError:
    return SinkError(f"Kafka at {settings.brokers}: can't {action}: {error_text(error)}")
