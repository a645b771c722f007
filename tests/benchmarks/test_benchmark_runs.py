"""What is read off a running program: its counters, its tenths, its broker."""

import os
import socket

import pytest
from benchmark_modules import benchmark_module

program = benchmark_module("program")
long_run = benchmark_module("long_run")
scale_out = benchmark_module("scale_out")


def test_counters_of_all_topics_are_added():
    page = (
        "# HELP streamgauge_rows_in_total Rows.\n"
        'streamgauge_rows_in_total{topic="a"} 3.0\n'
        'streamgauge_rows_in_total{topic="b"} 4.0\n'
        "streamgauge_rows_handled_total 1.5e+03\n"
    )
    assert program.counter(page, "in") == 7
    assert program.counter(page, "handled") == 1_500
    assert program.counter("", "in") == 0


def test_tenths_share_the_rows_and_the_time():
    looks = [
        program.Look(
            read=rows,
            handled=rows,
            wall_s=rows / 1_000,
            # Twice as dear in the second half.
            cpu_s=max(rows, 2 * rows - 5_000) / 1e6,
            resident_mb=100.0 + (rows == 4_250),
        )
        for rows in range(0, 10_001, 250)
    ]
    parts = long_run.tenths(looks)
    assert [part.rows for part in parts] == [1_000.0] * 10
    assert [part.wall_s for part in parts] == pytest.approx([1.0] * 10)
    assert [part.cpu_per_million_s for part in parts] == pytest.approx([1.0] * 5 + [2.0] * 5)
    assert [part.peak_mb for part in parts] == [100.0] * 4 + [101.0] + [100.0] * 5


def test_the_process_that_listens_on_a_port_is_found():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert scale_out.listener_pid(port) == os.getpid()
    assert scale_out.listener_pid(port) is None


def test_cpu_seconds_are_those_of_the_process():
    before = program.cpu_seconds(os.getpid())
    own = sum(os.times()[:2])
    assert before <= own + 0.05
    assert program.cpu_seconds(os.getpid()) >= before
