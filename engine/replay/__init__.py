"""Recordings played through the same flow as live streams."""
