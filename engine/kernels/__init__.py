"""Numba functions that several rooms share, and the one place that sets compile options."""
