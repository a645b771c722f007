"""PromQL on blocks of ticks: parsing, leaves over samples, vectors over leaves."""
