"""A state folder that can't be used says why, and changes nothing."""

import msgspec
import pytest

from engine.errors import StateError
from engine.pipeline import state_folder
from engine.pipeline.state_folder import StateFolder

PARTS = frozenset({"s0"})


def opened(folder, *, shards=4, lanes=2):
    return StateFolder(folder, shards=shards, lanes=lanes, parts=PARTS)


def test_runs_are_counted(tmp_path):
    for run in (1, 2, 3):
        state = opened(tmp_path)
        assert state.run == run
        state.close()


def test_another_number_of_shards_is_refused_with_the_number_that_fits(tmp_path):
    opened(tmp_path).close()
    with pytest.raises(StateError, match=r"made with 4 shards, not 8; set state\.shards to 4"):
        opened(tmp_path, shards=8)
    opened(tmp_path).close()


def test_another_versions_state_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(state_folder, "LAYOUT_VERSION", 2)
        opened(tmp_path).close()
    before = (tmp_path / "layout.json").read_bytes()
    with pytest.raises(StateError, match=r"another version of streamgauge \(layout 2, this one"):
        opened(tmp_path)
    assert (tmp_path / "layout.json").read_bytes() == before
    assert msgspec.json.decode(before)["version"] == 2


def test_a_folder_in_use_is_refused(tmp_path):
    state = opened(tmp_path)
    with pytest.raises(StateError, match="is used by process"):
        opened(tmp_path)
    state.close()
    opened(tmp_path).close()
