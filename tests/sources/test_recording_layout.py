"""What can't be read as a recording is refused with the file's name and what to do."""

import re

import polars as pl
import pytest

from engine.errors import SourceError, UsageError
from engine.sources.recording_files import open_recording

T0 = 1_760_000_000


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("when,up\n1,2", {}, "no column `ts` or `timestamp`"),
        ("ts,timestamp,up\n1,2,3", {}, "--exclude timestamp"),
        (f"ts,up,host\n{T0},1,web", {}, "not numeric: host; leave them out with --exclude"),
        (f"ts\n{T0}", {}, "nothing to read"),
        (f"ts,up\n{T0},1", {"name": "x"}, "only column is `value`"),
        (f"ts,name,value\n{T0},up,1", {"name": "x"}, "leave out --name"),
        (f"ts,name,value\n{T0},up,high", {}, "holds no numbers"),
        (f"ts,up\n{T0},1", {"exclude": ["down"]}, "can't exclude down"),
        (f"ts,up\n{T0},1", {"timestamp_unit": "h"}, "'h' is not known"),
        ("ts,up\ntomorrow,1", {}, "'tomorrow', which is no timestamp"),
        (f"ts,model,prediction_id\n{T0},a,b", {}, "holds predictions"),
        ("", {}, "can't be read"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_its_name(tmp_path, content, options, message):
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(UsageError, match=r"r\.csv: .*" + re.escape(message)):
        open_recording(tmp_path / "r.csv", **options)


def test_missing_and_unknown_files_are_refused(tmp_path):
    (tmp_path / "r.txt").write_text("x")
    with pytest.raises(UsageError, match="no such file"):
        open_recording(tmp_path / "absent.csv")
    with pytest.raises(UsageError, match="must end in"):
        open_recording(tmp_path / "r.txt")
    with pytest.raises(UsageError, match="holds no recording"):
        open_recording(tmp_path)


def test_damage_on_the_way_names_the_file_and_row(tmp_path):
    lines = ["ts,up", *[f"{T0 + i},1" for i in range(5000)], f"{T0},1,2,3"]
    (tmp_path / "r.csv").write_text("\n".join(lines))
    with pytest.raises(SourceError, match=r"r\.csv: damaged after row"):
        list(open_recording(tmp_path / "r.csv").partitions[0].blocks(1000))


def test_labels_of_another_type_are_refused(tmp_path):
    rows = {"ts": [T0], "name": ["up"], "value": [1.0]}
    pl.DataFrame({**rows, "labels": [["a"]]}).write_parquet(tmp_path / "r.parquet")
    with pytest.raises(UsageError, match="`labels` must be"):
        open_recording(tmp_path / "r.parquet")
