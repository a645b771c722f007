package peers;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Kafka Streams: one thread, a processor for each partition, states in a hash map.
 *
 * <p>Its own stores are per key; these messages have none, and a new key would take a topic in
 * between. The hash map spares it that, the store's serialisation and its changelog.
 */
public final class KafkaStreamsJob {
    private static final CountDownLatch DONE = new CountDownLatch(1);

    private KafkaStreamsJob() {}

    /** Takes the messages of a partition in. */
    private static final class Detect extends ContextualProcessor<byte[], byte[], byte[], byte[]> {
        private final Map<String, Job.State> states = new HashMap<>();

        @Override
        public void process(Record<byte[], byte[]> message) {
            Meter.start();
            Job.Sample sample;
            try {
                sample = Job.decode(message.value());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            String series = sample.series();
            Job.State state = states.get(series);
            if (state == null) {
                states.put(series, new Job.State(sample.value));
            } else {
                double z = state.step(sample.value);
                if (!Double.isNaN(z)) {
                    Meter.alert();
                    context().forward(message.withValue(Job.alert(sample, z)));
                }
            }
            if (Meter.add()) {
                DONE.countDown();
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Options given = Options.of(arguments);
        Meter.expect(given.rows());
        Topology topology = new Topology();
        topology.addSource("read", given.topic());
        topology.addProcessor("detect", Detect::new, "read");
        topology.addSink("write", Job.OUTPUT + ".kafka-streams", "detect");

        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "streamgauge-peers-" + UUID.randomUUID());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.brokers());
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(
                StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("peers").toString());
        Class<?> bytes = Serdes.ByteArraySerde.class;
        settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, bytes);
        settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, bytes);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
        try (KafkaStreams streams = new KafkaStreams(topology, settings)) {
            streams.setUncaughtExceptionHandler(
                    error -> {
                        error.printStackTrace();
                        System.exit(1);
                        return null;
                    });
            streams.start();
            DONE.await();
        }
    }
}
