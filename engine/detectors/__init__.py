"""Streaming detectors: score first with what was known before, then learn."""
