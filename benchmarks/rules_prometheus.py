"""Prometheus evaluating rules on the samples of the rules benchmark.

The server gets all samples by remote write, history and some minutes of the future, since nothing
shall be written while rules are evaluated. Then it loads the rules and evaluates them as it always
does, every 15 s, with one thread for Go's code (``GOMAXPROCS=1``). What an evaluation costs is what
the server itself says: the sum of its groups' durations, and the CPU seconds of the process between
two readings less those of the same time without rules.
"""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cramjam
import numpy as np
from numpy.typing import NDArray

from engine.series.identity import Series

SERIES_OF_REQUEST = 500
STEPS_OF_REQUEST = 20
START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Measured:
    """What Prometheus says.

    Attributes
    ----------
    version : str
    durations_s : list of float
        Sum of all groups' last durations, at each reading.
    cpu_s : float
        CPU seconds of an evaluation of all rules.
    alerts : int
        Pending and firing alerts in the end.
    failing : int
        Rules whose evaluation is an error.
    """

    version: str
    durations_s: list[float]
    cpu_s: float
    alerts: int
    failing: int


class Server:
    """A Prometheus on this machine."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self._config = folder / "prometheus.yml"
        self.configure([])
        self._log = (folder / "server.log").open("w", encoding="utf-8")
        self._process = subprocess.Popen(
            [
                str(binary),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.enable-remote-write-receiver",
                "--web.enable-lifecycle",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            env={**os.environ, "GOMAXPROCS": "1"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def configure(self, rule_files: list[Path]) -> None:
        """Write the configuration; `post` to ``/-/reload`` makes it so."""
        files = [str(path) for path in rule_files]
        config = {"global": {"evaluation_interval": "15s"}, "rule_files": files}
        self._config.write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.get("/-/ready")
                return
            time.sleep(0.1)
        raise SystemExit(f"Prometheus doesn't start; see {self.folder / 'server.log'}")

    def get(self, path: str) -> str:
        """Ask for a path."""
        with urllib.request.urlopen(self.base + path, timeout=60) as answer:
            return answer.read().decode()

    def post(self, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send to a path."""
        request = urllib.request.Request(self.base + path, body, headers or {}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120):
                pass
        except urllib.error.HTTPError as error:
            raise SystemExit(f"Prometheus refuses {path}: {error.read().decode()}") from None

    def metric(self, name: str) -> float:
        """Sum of one of its own metrics over all labels."""
        lines = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics"), re.MULTILINE)
        return sum(float(line) for line in lines if line != "NaN")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _message(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def write_requests(
    series: list[Series], values: NDArray[np.float64], ts_ms: NDArray[np.int64]
) -> Iterator[bytes]:
    """Give remote-write 1.0 requests in the order of time.

    Parameters
    ----------
    series : list of Series
    values : float64[series, steps]
    ts_ms : int64[series, steps]
    """
    heads = [
        b"".join(
            _message(1, _message(1, name.encode()) + _message(2, value.encode()))
            for name, value in sorted((("__name__", item.name), *item.labels))
        )
        for item in series
    ]
    for step in range(0, values.shape[1], STEPS_OF_REQUEST):
        until = step + STEPS_OF_REQUEST
        for first in range(0, len(series), SERIES_OF_REQUEST):
            parts = []
            for number in range(first, min(first + SERIES_OF_REQUEST, len(series))):
                pairs = zip(
                    values[number, step:until].tolist(),
                    ts_ms[number, step:until].tolist(),
                    strict=True,
                )
                samples = b"".join(
                    _message(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(ts))
                    for value, ts in pairs
                )
                parts.append(_message(1, heads[number] + samples))
            yield bytes(cramjam.snappy.compress_raw(b"".join(parts)))


def measure(server: Server, rules: Path, *, readings: int, interval_s: float) -> Measured:
    """Let the server evaluate the rules; the first rounds, which make the alerts, do not count."""
    idle = _cpu_of(server, 2 * interval_s) / 2
    server.configure([rules])
    server.post("/-/reload")
    time.sleep(2 * interval_s)
    before = server.metric("process_cpu_seconds_total")
    durations = []
    for _ in range(readings):
        time.sleep(interval_s)
        durations.append(server.metric("prometheus_rule_group_last_duration_seconds"))
    cpu_s = (server.metric("process_cpu_seconds_total") - before) / readings - idle
    groups = json.loads(server.get("/api/v1/rules?type=alert"))["data"]["groups"]
    held = [rule for group in groups for rule in group["rules"]]
    return Measured(
        json.loads(server.get("/api/v1/status/buildinfo"))["data"]["version"],
        durations,
        cpu_s,
        sum(len(rule["alerts"]) for rule in held),
        sum(rule["health"] == "err" for rule in held),
    )


def _cpu_of(server: Server, seconds: float) -> float:
    before = server.metric("process_cpu_seconds_total")
    time.sleep(seconds)
    return server.metric("process_cpu_seconds_total") - before
