"""How the peers' programs are started, and what is said where one can't run."""

import pytest
from benchmark_modules import FOLDER, benchmark_module

programs = benchmark_module("programs")

ALL = programs.Interpreters(own="own", peers="peers", flink="flink")
OWN_ONLY = programs.Interpreters(own="own", peers=None, flink=None)


def test_every_program_is_there():
    for peer in programs.PEERS.values():
        java = FOLDER / "peers" / "java" / "src" / "main" / "java" / "peers"
        is_script = isinstance(peer, programs.Script)
        assert (FOLDER / "peers" / peer.file if is_script else java / f"{peer.name}.java").is_file()


def test_outputs_are_distinct():
    outputs = [peer.output for peer in programs.PEERS.values()]
    assert len(set(outputs)) == len(outputs)


def test_a_script_runs_in_its_interpreter():
    for script, python in (("msgspec loop", "own"), ("csp", "peers")):
        assert programs.PEERS[script].command(ALL)[0] == python


def test_without_the_interpreter_the_option_is_named():
    with pytest.raises(programs.NotRunError, match="--peers-python"):
        programs.PEERS["csp"].command(OWN_ONLY)
    with pytest.raises(programs.NotRunError, match="--flink-python"):
        programs.PEERS["pyflink"].command(OWN_ONLY)


@pytest.mark.parametrize("name", ["flink", "kafka streams", "pyflink"])
def test_without_java_or_its_build_it_says_what_is_needed(name, monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "BUILT", tmp_path)
    monkeypatch.setattr(programs.shutil, "which", lambda _: None)
    with pytest.raises(programs.NotRunError, match="Java"):
        programs.PEERS[name].command(ALL)
    monkeypatch.setattr(programs.shutil, "which", lambda name: name)
    with pytest.raises(programs.NotRunError, match="mvn"):
        programs.PEERS[name].command(ALL)
    (tmp_path / "lib").mkdir()
    assert programs.PEERS[name].command(ALL)
