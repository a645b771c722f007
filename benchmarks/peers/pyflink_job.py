"""PyFlink in thread mode: Flink's Kafka source and sink, Python functions inside the JVM.

States are keyed state on the heap; no checkpoints, one task manager at parallelism 1. The wheel
lacks the Kafka connector: its jars are taken from ``java/target/lib`` (see ``java/pom.xml``).
"""

import os
import sys
import uuid
from pathlib import Path

from meter import OUTPUT, options
from pyflink.common import Configuration, Types, WatermarkStrategy
from pyflink.common.serialization import SimpleStringSchema
from pyflink.datastream import StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import (
    KafkaOffsetsInitializer,
    KafkaRecordSerializationSchema,
    KafkaSink,
    KafkaSource,
)
from pyflink_functions import Decode, Detect

JARS = Path(__file__).resolve().parent / "java" / "target" / "lib"
CONNECTOR = ("flink-connector-kafka", "flink-connector-base", "kafka-clients")


def main() -> None:
    given = options()
    settings = Configuration()
    settings.set_string("python.execution-mode", "thread")
    settings.set_string("python.executable", sys.executable)
    # The interpreter inside the JVM would look where Python itself is installed.
    settings.set_string("python.pythonpath", os.pathsep.join(filter(None, sys.path)))
    flow = StreamExecutionEnvironment.get_execution_environment(settings)
    flow.set_parallelism(1)
    flow.get_config().enable_object_reuse()
    flow.add_jars(
        *(jar.as_uri() for start in CONNECTOR for jar in sorted(JARS.glob(f"{start}-[0-9]*.jar")))
    )
    source = (
        KafkaSource.builder()
        .set_bootstrap_servers(given.brokers)
        .set_topics(given.topic)
        .set_group_id(f"streamgauge-peers-{uuid.uuid4()}")
        .set_starting_offsets(KafkaOffsetsInitializer.earliest())
        .set_bounded(KafkaOffsetsInitializer.latest())
        .set_value_only_deserializer(SimpleStringSchema())
        .build()
    )
    record = (
        KafkaRecordSerializationSchema.builder()
        .set_topic(f"{OUTPUT}.pyflink")
        .set_value_serialization_schema(SimpleStringSchema())
        .build()
    )
    sink = (
        KafkaSink.builder()
        .set_bootstrap_servers(given.brokers)
        .set_record_serializer(record)
        .build()
    )
    text = Types.STRING()
    row = Types.TUPLE([text, Types.LONG(), text, text, Types.DOUBLE()])
    messages = flow.from_source(source, WatermarkStrategy.no_watermarks(), "read")
    samples = messages.map(Decode(), output_type=row)
    alerts = samples.key_by(lambda sample: sample[0]).process(Detect(given.rows), text)
    alerts.sink_to(sink)
    flow.execute("peers")


if __name__ == "__main__":
    main()
