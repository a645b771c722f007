"""Prometheus rule files: load, plan, evaluate, life cycle, templates."""
