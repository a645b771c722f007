package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** The job of {@code job.py}: EWMA z-scores per series, alerts far off. */
public final class Job {
    static final double WEIGHT = 0.01;
    static final double FIRST_VARIANCE = 25.0;
    static final double BOUND_SQUARED = 36.0;
    static final String OUTPUT = "streamgauge-peers-out";

    private static final JsonFactory JSON = new JsonFactory();

    private Job() {}

    /** A row as it stands in a message; labels stay as they are written. */
    public static final class Sample {
        public long ts;
        public String name = "";
        public String labels = "{}";
        public double value;

        /** What tells the row's series from others. */
        public String series() {
            return name + labels;
        }
    }

    /** A series' mean and variance. */
    public static final class State {
        public double mean;
        public double variance;

        public State() {}

        State(double first) {
            mean = first;
            variance = FIRST_VARIANCE;
        }

        /** Takes a value in; gives its z-score if it is an alert, else NaN. */
        double step(double value) {
            double off = value - mean;
            double squared = off * off;
            double z = squared > BOUND_SQUARED * variance ? off / Math.sqrt(variance) : Double.NaN;
            mean += WEIGHT * off;
            variance = (1.0 - WEIGHT) * (variance + WEIGHT * squared);
            return z;
        }
    }

    /** Reads a message with Jackson's streaming parser. */
    static Sample decode(byte[] message) throws IOException {
        Sample sample = new Sample();
        try (JsonParser parser = JSON.createParser(message)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "ts" -> sample.ts = parser.getLongValue();
                    case "name" -> sample.name = parser.getText();
                    case "value" -> sample.value = parser.getDoubleValue();
                    case "labels" -> sample.labels = skipped(parser, message);
                    default -> parser.skipChildren();
                }
            }
        }
        return sample;
    }

    /** Passes over an object and gives its text. */
    private static String skipped(JsonParser parser, byte[] message) throws IOException {
        int begin = (int) parser.currentTokenLocation().getByteOffset();
        parser.skipChildren();
        int end = (int) parser.currentLocation().getByteOffset();
        return new String(message, begin, end - begin, StandardCharsets.UTF_8);
    }

    /** Writes an alert as JSON; names of metrics need no escapes. */
    static byte[] alert(Sample sample, double z) {
        String text =
                "{\"ts\":" + sample.ts + ",\"name\":\"" + sample.name + "\",\"labels\":"
                        + sample.labels + ",\"z\":" + z + "}";
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
