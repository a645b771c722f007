"""Where samples come from: recordings, the demo fleet, Kafka."""
