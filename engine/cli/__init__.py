"""The command line: one command per file, thin over the rooms below.

Modules of commands are imported when their command is called, so that ``--help`` is quick.
"""

from engine.cli.app import main

__all__ = ["main"]
