"""Partitions that the configuration has no more: Bytewax wants all of which it keeps a state."""

from typing import Any

from engine.sources.reader import Polled, Reader


class GoneReader(Reader):
    """Gives nothing, and keeps the state, in case that the partition comes back.

    Parameters
    ----------
    state : dict
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    def poll(self) -> Polled:
        """End at once."""
        return Polled(end=True)

    def snapshot(self) -> dict[str, Any]:
        """Give the state as it was."""
        return self._state

    def close(self) -> None:
        """Nothing is open."""
