"""Positions at checkpoints: what is remembered and where a lane goes on."""

from engine.series.blocks import CheckpointId
from engine.sinks.lane import MARKS_KEPT, Marks


def checkpoint(epoch, run=1):
    return CheckpointId(run, epoch)


def marked(count):
    marks = Marks()
    for epoch in range(count):
        marks = marks.add(checkpoint(epoch), 10 * epoch)
    return marks


def test_a_snapshot_reads_back():
    marks = marked(3)
    assert Marks.load(marks.dump()) == marks
    assert marks.dump() == ((1, 0, 0), (1, 1, 10), (1, 2, 20))


def test_the_oldest_are_forgotten():
    kept = [at.epoch for at, _ in marked(MARKS_KEPT + 2).positions]
    assert kept == list(range(2, MARKS_KEPT + 2))


def test_rewinding_gives_the_position_and_forgets_later_marks():
    marks, position = marked(4).rewind(lambda captured: captured[1])
    assert position == 10
    assert [at.epoch for at, _ in marks.positions] == [0, 1]


def test_all_marks_are_offered():
    offered = []
    marked(3).rewind(offered.append)
    assert offered == [(checkpoint(0), checkpoint(1), checkpoint(2))]


def test_without_a_usable_checkpoint_all_starts_over():
    assert marked(3).rewind(lambda _: None) == (Marks(), 0)


def test_a_checkpoint_taken_again_replaces_the_first():
    marks = marked(3).add(checkpoint(1), 99)
    assert marks.dump() == ((1, 0, 0), (1, 1, 99))
