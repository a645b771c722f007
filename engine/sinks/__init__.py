"""Where results go: files, recordings, Kafka."""
