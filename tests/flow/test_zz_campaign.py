"""A run of models that is killed again and again says in the end what an undisturbed one says.

Aim: neither a late label nor an episode is lost or said in another way, whatever is in memory, on
disk or on its way to a topic when a run dies.
Method: a world (`model_world`) comes slowly onto topics while runs of one and of two workers are
killed at random moments; more rows wait for labels than memory may hold, so some are on disk.
"""

import threading
import uuid

import msgspec
import numpy as np
import pytest
from flow_tools import killed_after, process, run_number, wait_until
from model_world import (
    REFUSED,
    by_id,
    delete_topics,
    is_done,
    kafka_sources,
    make_topics,
    recent_begin_ms,
    refused,
    said,
    send,
    spilled,
    world,
    write_config,
)
from test_kafka_flow import records

from engine.pipeline.flow import part_names

pytestmark = pytest.mark.kafka

KILLS = 10
HOW_TO_KILL = [True] * 2 + [False] * (KILLS - 2)
"""Soon after the start, or only after a further checkpoint."""

PAUSE_S = 0.1
SHARDS = 2


@pytest.fixture
def prefix(kafka_brokers):
    name = f"test-{uuid.uuid4().hex}"
    make_topics(kafka_brokers, name)
    yield name
    delete_topics(kafka_brokers, name)


def checkpoints(state):
    """Names of the checkpoints that have the blocks of all parts, models' among them."""
    needed = {f"{name}.block" for name in part_names(SHARDS, with_models=True)}
    return {
        folder.name
        for folder in (state / "checkpoints").glob("*-*")
        if needed <= {path.name for path in folder.glob("*.block")}
    }


def finish(run, log):
    run.terminate()
    assert run.wait(30) == 0, log.read_text()[-2000:]


@pytest.mark.slow
def test_killed_again_and_again(kafka_brokers, prefix, tmp_path):
    rng = np.random.default_rng(77)
    sources = kafka_sources(kafka_brokers, prefix)
    sink = f'{{kafka: {{brokers: "{kafka_brokers}", prefix: {prefix}-out}}}}'
    config = write_config(tmp_path, sources, sinks=(sink,), rows=50)
    log, state = tmp_path / "log", tmp_path / "state"
    # Each life has its part of the stream, which comes while it runs; the last part is for the end.
    *parts, last = np.array_split(np.array(world(recent_begin_ms()), object), KILLS + 1)
    with_spilled = 0
    for part, at_start in zip(parts, rng.permutation(HOW_TO_KILL), strict=True):
        producer = threading.Thread(
            target=send, args=(kafka_brokers, prefix, part.tolist()), kwargs={"pause_s": PAUSE_S}
        )
        producer.start()
        before, known = run_number(state), checkpoints(state)
        with process(config, workers=int(rng.integers(1, 3)), log=log) as run:
            wait_until(lambda n=before: run_number(state) > n, timeout_s=60, what="a start")
            if not at_start:
                wait_until(lambda k=known: checkpoints(state) - k, timeout_s=60, what="progress")
            delay_s = rng.uniform(0.05, 1.0)
            assert killed_after(run, delay_s), f"ended before its kill: {log.read_text()[-2000:]}"
        producer.join(60)
        with_spilled += bool(spilled(tmp_path))
    assert with_spilled >= 1
    send(kafka_brokers, prefix, last.tolist())
    with process(config, log=log) as run:
        wait_until(
            lambda: is_done(tmp_path) or run.poll() is not None, timeout_s=60, what="the end"
        )
        finish(run, log)
    assert not_needed_any_more(config, tmp_path, log) == set()

    calm = tmp_path / "calm"
    calm_config = write_config(calm, sources)
    with process(calm_config, log=log) as run:
        wait_until(lambda: is_done(calm) or run.poll() is not None, timeout_s=60, what="the end")
        finish(run, log)
    for output in ("drift", "alerts"):
        expected = said(calm / "out", output)
        assert expected
        assert said(tmp_path / "out", output) == expected
        on_topic = records(kafka_brokers, f"{prefix}-out.{output}")
        values = [msgspec.json.decode(one.value()) for one in on_topic if one.value() is not None]
        assert by_id(values) == expected
    assert refused(tmp_path / "out") == refused(calm / "out") == REFUSED


def not_needed_any_more(config, folder, log):
    """Files that are left when a run has gone on, and nothing waits for labels any more."""
    state = folder / "state"
    known = checkpoints(state)
    with process(config, log=log) as run:
        wait_until(lambda: checkpoints(state) - known, timeout_s=60, what="a checkpoint")
        finish(run, log)
    return spilled(folder)
