"""From the bytes of messages to columns, one format per file."""
