"""Lines of recorded messages stand in the order of their log, with advances between them."""

import numpy as np
import pytest

from engine.errors import SinkError, UsageError
from engine.series.columns import FLAG_DOCUMENT, Columns
from engine.sinks.line_writer import LineWriter


def writer_of(folder):
    return LineWriter(folder, advance_line=lambda ts: b"advance %d" % ts)


def rows(numbers):
    numbers = np.array(numbers, np.float64)
    count = len(numbers)
    return Columns(
        np.zeros(count, np.uint64),
        np.zeros(count, np.int64),
        numbers,
        np.full(count, FLAG_DOCUMENT),
    )


def test_lines_are_written_by_their_numbers(tmp_path):
    writer = writer_of(tmp_path / "out")
    assert list(writer.hold([b"a", b"b"])) == [0, 1]
    assert list(writer.hold([b"c"])) == [2]
    writer.append("t-0", rows([2, 0]), advances=[(0, 7), (1, 8), (2, 9)])
    writer.append("deep/t-1", rows([1]))
    writer.append("t-0", rows([]), advances=[(0, 10)])
    lines = (tmp_path / "out" / "t-0.jsonl").read_text().splitlines()
    assert lines == ["advance 7", "c", "advance 8", "a", "advance 9", "advance 10"]
    assert (tmp_path / "out" / "deep" / "t-1.jsonl").read_text() == "b\n"


def test_a_line_is_written_once(tmp_path):
    writer = writer_of(tmp_path)
    writer.hold([b"a"])
    writer.append("t", rows([0]))
    with pytest.raises(KeyError):
        writer.append("t", rows([0]))


def test_what_is_there_is_not_written_again(tmp_path):
    (tmp_path / "t.jsonl").write_text("")
    with pytest.raises(UsageError, match="holds a recording already"):
        writer_of(tmp_path)


def test_a_disk_that_does_not_take_it_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SinkError, match="can't be written"):
        writer_of(tmp_path / "out").append("t", rows([]), advances=[(0, 1)])
