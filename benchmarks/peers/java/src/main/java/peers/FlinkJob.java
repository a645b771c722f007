package peers;

import java.io.IOException;
import java.util.UUID;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.serialization.SerializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Flink in one JVM at parallelism 1: its Kafka source and sink, keyed state on the heap.
 *
 * <p>Without checkpoints and with objects reused, which is the fastest it has to offer.
 */
public final class FlinkJob {
    private FlinkJob() {}

    /** Decodes a message. */
    public static final class Decode extends AbstractDeserializationSchema<Job.Sample> {
        @Override
        public Job.Sample deserialize(byte[] message) throws IOException {
            Meter.start();
            return Job.decode(message);
        }
    }

    /** Takes a series' samples in. */
    public static final class Detect extends KeyedProcessFunction<String, Job.Sample, byte[]> {
        private transient ValueState<Job.State> held;

        @Override
        public void open(OpenContext context) {
            held = getRuntimeContext()
                    .getState(new ValueStateDescriptor<>("ewma", Job.State.class));
        }

        @Override
        public void processElement(Job.Sample sample, Context context, Collector<byte[]> alerts)
                throws Exception {
            Job.State state = held.value();
            if (state == null) {
                held.update(new Job.State(sample.value));
            } else {
                double z = state.step(sample.value);
                held.update(state);
                if (!Double.isNaN(z)) {
                    Meter.alert();
                    alerts.collect(Job.alert(sample, z));
                }
            }
            Meter.add();
        }
    }

    /** Alerts are bytes already. */
    public static final class AsItIs implements SerializationSchema<byte[]> {
        @Override
        public byte[] serialize(byte[] alert) {
            return alert;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Options given = Options.of(arguments);
        Meter.expect(given.rows());
        StreamExecutionEnvironment flow =
                StreamExecutionEnvironment.createLocalEnvironment(1, new Configuration());
        flow.getConfig().enableObjectReuse();
        KafkaSource<Job.Sample> source =
                KafkaSource.<Job.Sample>builder()
                        .setBootstrapServers(given.brokers())
                        .setTopics(given.topic())
                        .setGroupId("streamgauge-peers-" + UUID.randomUUID())
                        .setStartingOffsets(OffsetsInitializer.earliest())
                        .setBounded(OffsetsInitializer.latest())
                        .setProperty("max.poll.records", "10000")
                        .setValueOnlyDeserializer(new Decode())
                        .build();
        KafkaSink<byte[]> sink =
                KafkaSink.<byte[]>builder()
                        .setBootstrapServers(given.brokers())
                        .setRecordSerializer(
                                KafkaRecordSerializationSchema.<byte[]>builder()
                                        .setTopic(Job.OUTPUT + ".flink")
                                        .setValueSerializationSchema(new AsItIs())
                                        .build())
                        .build();
        flow.fromSource(source, WatermarkStrategy.noWatermarks(), "read")
                .keyBy(Job.Sample::series)
                .process(new Detect())
                .sinkTo(sink);
        flow.execute("peers");
    }
}
