"""The garbage collector beside a stream: it looks at young objects and leaves the others alone.

All that lives long (code that is loaded or compiled at its first use, what is known of series) is
walked at every full collection, which holds up the stream for longer the more there is.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from engine.clock import elapsed_ns

YOUNG_OBJECTS_MAX = 200_000
"""So many new objects make a collection; fewer would be the messages that have just been read."""

PAUSE_NS = 20_000_000
"""What is left after a collection that took longer is left alone from then on."""


class _Pauses:
    """Hears of collections, and sets aside what a long one has walked."""

    def __init__(self) -> None:
        self._began_ns = 0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began_ns = elapsed_ns()
        elif elapsed_ns() - self._began_ns > PAUSE_NS:
            gc.freeze()


@contextmanager
def short_pauses() -> Iterator[None]:
    """Leave alone all objects that there are now, and those that survive a long collection.

    What is left alone goes when nothing refers to it any more, as ever; only of cycles among it
    nobody hears until the end, when all is as before.
    """
    gc.collect()
    gc.freeze()
    thresholds = gc.get_threshold()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *thresholds[1:])
    pauses = _Pauses()
    gc.callbacks.append(pauses)
    try:
        yield
    finally:
        gc.callbacks.remove(pauses)
        gc.set_threshold(*thresholds)
        gc.unfreeze()
