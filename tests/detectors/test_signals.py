"""Names of signals and the masks that carry them."""

import numpy as np

from engine.detectors.signals import NAMED_PART, SIGNALS, masks, named

NAMES = ("range", "weekly rhythm", "model")


def test_the_loudest_signals_are_named():
    parts = np.array([[1.0, 0.0, 0.3], [NAMED_PART, 0.0, 1.0], [0.0, 0.0, 0.1]], np.float32)
    found = [named(mask) for mask in masks(NAMES, parts)]
    assert found == [["range", "weekly rhythm"], [], ["range", "weekly rhythm"]]


def test_all_names_together_are_exact():
    everything = masks(SIGNALS, np.ones((len(SIGNALS), 1), np.float32))
    assert named(everything[0]) == list(SIGNALS)
    assert len(set(SIGNALS)) == len(SIGNALS)


def test_without_signals_nothing_is_named():
    assert masks((), np.zeros((0, 3), np.float32)).tolist() == [0.0, 0.0, 0.0]
