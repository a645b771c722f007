"""Drift of models: distributions, sequential detectors, and quality with late labels."""
