"""Imports modules of the benchmarks, which are scripts and no package."""

import importlib
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def benchmark_module(name):
    """Import a module of `benchmarks/` or `benchmarks/peers/`; they import each other by name."""
    folders = [str(FOLDER), str(FOLDER / "peers")]
    sys.path[:0] = folders
    try:
        return importlib.import_module(name)
    finally:
        for folder in folders:
            sys.path.remove(folder)
