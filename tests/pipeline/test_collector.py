"""What a long collection has walked is not walked again, and at the end all is as before."""

import gc

import pytest

from engine.pipeline import collector
from engine.pipeline.collector import YOUNG_OBJECTS_MAX, short_pauses


class Clock:
    """Says that each collection takes so long."""

    def __init__(self, pause_ns):
        self.now_ns = 0
        self.pause_ns = pause_ns

    def __call__(self):
        self.now_ns += self.pause_ns
        return self.now_ns


@pytest.fixture(autouse=True)
def no_other_collection():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("is_long", [False, True])
def test_what_a_long_collection_has_walked_is_left_alone(is_long, monkeypatch):
    monkeypatch.setattr(collector, "elapsed_ns", Clock(collector.PAUSE_NS + is_long))
    with short_pauses():
        alive = [[] for _ in range(1000)]
        before = gc.get_freeze_count()
        gc.collect()
        assert (gc.get_freeze_count() - before >= len(alive)) == is_long
        # Without cycles objects go as ever.
        with_both = gc.get_freeze_count()
        del alive
        assert (with_both - gc.get_freeze_count() >= 1000) == is_long


def test_all_is_as_before_at_the_end():
    thresholds, callbacks = gc.get_threshold(), list(gc.callbacks)

    def fail():
        with short_pauses():
            assert gc.get_threshold() == (YOUNG_OBJECTS_MAX, *thresholds[1:])
            assert gc.get_freeze_count() > 1000
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert gc.get_threshold() == thresholds
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == 0
