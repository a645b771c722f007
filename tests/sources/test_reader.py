"""Partitions count the same epochs, so they agree on checkpoints without a word."""

import pytest

from engine.series.blocks import CheckpointId, CheckpointStore
from engine.sources.reader import CHECKPOINTS_KEPT, CheckpointPlan, Epochs
from engine.sources.skew import Skew

PLAN = CheckpointPlan(run=3, every=4)


def positions_after(plan, closes):
    """Positions of a partition that is at offset n when it closes epoch n."""
    epochs = Epochs(plan)
    announced = []
    for number in range(closes):
        announced.append(epochs.due())
        epochs.close({"offset": number})
    return epochs, announced


def test_every_nth_epoch_has_a_checkpoint():
    _, announced = positions_after(PLAN, 13)
    assert [number for number, item in enumerate(announced) if item] == [3, 7, 11]
    assert announced[7] == CheckpointId(3, 7)


def test_the_positions_of_the_newest_checkpoints_are_kept():
    epochs, _ = positions_after(PLAN, 4 * (CHECKPOINTS_KEPT + 3))
    numbers = [epoch for _, epoch, _ in epochs.state()]
    assert numbers == [4 * n + 3 for n in range(3, CHECKPOINTS_KEPT + 3)]
    assert all(position == {"offset": epoch} for _, epoch, position in epochs.state())


def test_goes_on_from_a_snapshot_in_a_new_run():
    epochs, _ = positions_after(PLAN, 8)
    again = Epochs(CheckpointPlan(run=4, every=4))
    again.restore(epochs.state())
    assert again.positions == epochs.positions
    for number in range(4):
        again.close({"offset": 100 + number})
    assert again.positions[CheckpointId(4, 3)] == {"offset": 103}
    assert again.positions[CheckpointId(3, 7)] == {"offset": 7}


def test_without_state_nothing_is_kept():
    epochs, announced = positions_after(None, 20)
    assert (epochs.state(), set(announced)) == ([], {None})


def test_partitions_end_together_with_a_final_checkpoint():
    skew = Skew(10)
    both = [Epochs(PLAN), Epochs(PLAN)]
    for number in range(2):
        skew.join(number)
    # Before the first epoch has closed, not all need be open.
    assert not both[0].end(0, skew)
    assert not both[1].end(1, skew)
    for epochs in both:
        epochs.close({"offset": 1})
    assert [epochs.end(number, skew) for number, epochs in enumerate(both)] == [True, True]
    for epochs in both:
        epochs.close({"offset": 2})
        assert epochs.positions == {PLAN.final: {"offset": 2}}


def test_one_that_wishes_to_end_waits_for_the_others():
    skew = Skew(10)
    first, second = Epochs(PLAN), Epochs(PLAN)
    skew.join(0)
    skew.join(1)
    for epochs in (first, second):
        epochs.close({})
    assert not first.end(0, skew)
    assert second.end(1, skew)
    assert first.end(0, skew)


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_checkpoint_that_was_not_announced_is_not_taken(tmp_path, asked_first):
    store = CheckpointStore(tmp_path, frozenset({"part"}), cpu_share=1.0)
    epochs = Epochs(CheckpointPlan(run=1, every=1, store=store))
    if asked_first:
        assert epochs.due() == CheckpointId(1, 0)
    epochs.close({"offset": 5})
    assert list(epochs.positions) == ([CheckpointId(1, 0)] if asked_first else [])
    store.close()


def test_while_one_is_written_the_next_is_left_out(tmp_path):
    store = CheckpointStore(tmp_path, frozenset({"a", "b"}), cpu_share=1.0)
    plan = CheckpointPlan(run=1, every=1, store=store)
    assert plan.due(0) == CheckpointId(1, 0)
    assert plan.due(0, closing=True) == CheckpointId(1, 0)
    store.write(CheckpointId(1, 0), "a", {}, None)
    assert plan.due(1) is None
    store.write(CheckpointId(1, 0), "b", {}, None)
    store._writer.submit(int).result()  # the only thread is through with both
    # What was decided for an epoch stays, whoever asks.
    assert plan.due(1) is None
    assert plan.due(2) == CheckpointId(1, 2)
    store.close()


def test_a_position_is_worth_its_cost_only_where_it_is_kept():
    epochs = Epochs(PLAN)
    kept = []
    for number in range(8):
        kept.append(epochs.takes_position())
        epochs.close({"offset": number})
    assert [number for number, takes in enumerate(kept) if takes] == [3, 7]
    epochs.ending = True
    assert epochs.takes_position()
    assert not Epochs(None).takes_position()
