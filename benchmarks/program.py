"""`streamgauge run` as a process of its own: started, looked at from outside, stopped."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOOK_S = 0.2
PATIENCE_S = 120.0
MEGABYTE = 2**20


@dataclass(frozen=True)
class Look:
    """What is seen of a program at one moment.

    Attributes
    ----------
    read, handled : int
        Rows so far: decoded, and passed by the watermark.
    wall_s, cpu_s : float
        Clock, and user and system time of the process so far.
    resident_mb : float
    """

    read: int
    handled: int
    wall_s: float
    cpu_s: float
    resident_mb: float


class Program:
    """A running `streamgauge run`.

    Parameters
    ----------
    process : Popen
    listen : str
        Where it serves its metrics.
    """

    def __init__(self, process: subprocess.Popen[bytes], listen: str) -> None:
        self._process = process
        self._listen = listen

    def look(self) -> Look:
        """Look at counters, time and memory; no rows while the program is not there yet."""
        page = self._page()
        pid = self._process.pid
        return Look(
            read=counter(page, "in"),
            handled=counter(page, "handled"),
            wall_s=time.perf_counter(),
            cpu_s=cpu_seconds(pid),
            resident_mb=_resident_mb(pid),
        )

    def looks_until(self, handled: int) -> Iterator[Look]:
        """Look again and again, from the first rows read until so many are handled.

        Raises
        ------
        SystemExit
            If the program ends, or handles nothing new for a long time.
        """
        newest, newest_s = -1, time.perf_counter()
        while True:
            if self._process.poll() is not None:
                raise SystemExit(f"streamgauge ended with {self._process.returncode}")
            seen = self.look()
            if seen.handled > newest:
                newest, newest_s = seen.handled, seen.wall_s
            if seen.read:
                yield seen
            if seen.handled >= handled:
                return
            if seen.wall_s - newest_s > PATIENCE_S:
                raise SystemExit(f"streamgauge stays at {seen.handled:,} of {handled:,} rows")
            time.sleep(LOOK_S)

    def _page(self) -> str:
        try:
            with urllib.request.urlopen(f"http://{self._listen}/metrics", timeout=10) as answer:
                page: str = answer.read().decode()
        except OSError:
            return ""
        return page


@contextmanager
def running(
    settings: dict[str, Any], *, files: dict[str, str], workers: int = 1
) -> Iterator[Program]:
    """Run a configuration in a folder of its own until the block is left; then stop it gracefully.

    Parameters
    ----------
    settings : dict
        The configuration, without `state.dir` and `http`.
    files : dict of str
        Texts of the files that it names.
    workers : int
    """
    listen = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        state = {**settings.get("state", {}), "dir": str(folder / "state")}
        whole = {**settings, "state": state, "http": {"listen": listen}}
        config = folder / "config.yaml"
        config.write_text(json.dumps(whole), encoding="utf-8")  # JSON is YAML
        command = [sys.executable, "-m", "engine.cli", "run", str(config)]
        with subprocess.Popen(
            [*command, "--workers", str(workers)],
            cwd=ROOT,
            env={**os.environ, "STREAMGAUGE_LOG": "warning"},
        ) as process:
            try:
                yield Program(process, listen)
            finally:
                process.terminate()
                process.wait()


def free_port() -> int:
    """Give a port that nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    """Memory of a process that is resident (proc(5))."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


def counter(page: str, where: str) -> int:
    """Rows counted on a page of metrics; 0 where it lacks them."""
    found = re.findall(rf"^streamgauge_rows_{where}_total(?:{{.*}})? (\S+)$", page, re.MULTILINE)
    return int(sum(map(float, found)))
