"""Identity, order and memory of series."""
