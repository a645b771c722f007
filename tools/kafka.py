# ruff: noqa: INP001, S603, T201
# (a script, not a package; it starts programs found on the PATH; the console is its output)
"""A real single-node Apache Kafka on loopback, for tests, demos and benchmarks.

The broker runs in KRaft combined mode on the machine's Java, from the artifacts that
`kafka/pom.xml` names; without Java and Maven it runs as a container. Everything it writes lies in
`.kafka/`: `lib/` holds the jars, `broker-PORT/` the settings, data, log and lock of one broker.

    tools/kafka.py run               in the foreground, until Ctrl-C or SIGTERM
    tools/kafka.py start --port 0    in the background on a free port; prints the address
    tools/kafka.py status            prints the address, exit code 1 if none runs
    tools/kafka.py stop --delete     ends it and deletes its data

Needs nothing but Python's standard library.
"""

import argparse
import base64
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import FrameType
from typing import TextIO

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".kafka"
LIBRARY = FOLDER / "lib"
POM = ROOT / "tools" / "kafka" / "pom.xml"
HEAP = "512m"
JAVA_VERSION_MIN = 17
START_S_MAX = 90
STOP_S_MAX = 30
POLL_S = 0.1
CAUSES_MAX = 5
LONG_MAX = 2**63 - 1
CONTAINER_DATA = "/var/lib/kafka/data"
CONTAINER_SETTINGS = "/mnt/shared/config"

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    # One node is all there is to replicate to.
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    # Tests should neither wait for group members nor get a topic by a slip of the pen.
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": "false",
    # Record timestamps are event time, maybe years ago: no limit, no deletion, no roll by them.
    "log.message.timestamp.before.max.ms": LONG_MAX,
    "log.message.timestamp.after.max.ms": LONG_MAX,
    "log.retention.ms": -1,
    "log.roll.ms": LONG_MAX,
}


class KafkaError(Exception):
    """The broker cannot run here; the message says what to do."""


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def broker_folder(port: int) -> Path:
    """Return where the broker of that port keeps its files."""
    return FOLDER / f"broker-{port}"


def receive(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes."""
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise ConnectionError("the broker closed the connection")
        data += chunk
    return data


def answers(port: int) -> bool:
    """Ask for the ApiVersions; a broker answers once the controller has let it in."""
    header = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions v0, correlation id 1, no client id
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(header)) + header)
            _, correlation, error = struct.unpack(">iih", receive(connection, 10))
    except OSError:
        return False
    return bool(correlation == 1 and error == 0)


def process_id(port: int) -> int | None:
    """Return the process that holds the broker's lock; None if no broker runs on that port.

    The broker inherits the locked file, so the lock is free as soon as the process is gone, however
    it ended, and a stale process id is never mistaken for a broker.
    """
    try:
        with (broker_folder(port) / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int((broker_folder(port) / "lock").read_text())
    return None


def java() -> str | None:
    """Return the Java that can run the broker; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        return None
    printed = subprocess.run([found, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', printed.stderr)
    return found if version and int(version[1]) >= JAVA_VERSION_MIN else None


def docker() -> str | None:
    """Return the Docker client if an engine answers it, else None."""
    found = shutil.which("docker")
    if found is None:
        return None
    try:
        asked = subprocess.run([found, "info"], capture_output=True, check=False, timeout=30)
    except subprocess.TimeoutExpired:
        return None
    return found if asked.returncode == 0 else None


def library_is_complete() -> bool:
    """Tell whether `.kafka/lib` was filled from the present pom.xml."""
    copied = LIBRARY / POM.name
    return copied.exists() and copied.read_bytes() == POM.read_bytes()


def fill_library(maven: str) -> None:
    """Copy the broker's jars into `.kafka/lib`."""
    shutil.rmtree(LIBRARY, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime"]
    arguments = ["-B", "-q", "-f", str(POM), *goal, f"-DoutputDirectory={LIBRARY}"]
    done = subprocess.run([maven, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise KafkaError(f"Maven could not fetch Kafka's artifacts:\n{done.stdout}{done.stderr}")
    shutil.copy(POM, LIBRARY)  # last, as the sign that the folder is complete


def write_settings(port: int, *, host: str, data: str | Path) -> Path:
    """Write the broker's settings and return their file."""
    controller_port = free_port()
    settings = SETTINGS | {
        "listeners": f"PLAINTEXT://{host}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "log.dirs": data,
    }
    path = broker_folder(port) / "server.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def java_command(port: int, executable: str) -> list[str]:
    """Format the storage where that is still to do; return the command that runs the broker."""
    data = broker_folder(port) / "data"
    settings = write_settings(port, host=HOST, data=data)
    base = [executable, f"-Xmx{HEAP}", "-cp", f"{LIBRARY}/*"]
    if not (data / "meta.properties").exists():
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster}"]
        formatting = [*base, *tool, "--config", str(settings)]
        done = subprocess.run(formatting, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KafkaError(f"the storage could not be formatted:\n{done.stdout}{done.stderr}")
    return [*base, "kafka.Kafka", str(settings)]


def docker_command(port: int, executable: str) -> list[str]:
    """Return the command that runs the broker as a container, with its data in the container."""
    write_settings(port, host="0.0.0.0", data=CONTAINER_DATA)  # noqa: S104 - inside the container
    version = re.search(r"<kafka.version>(.+)</kafka.version>", POM.read_text())
    if version is None:
        raise KafkaError(f"{POM} names no kafka.version")
    arguments = ["run", "--rm", "-p", f"{HOST}:{port}:{port}"]
    mount = f"{broker_folder(port)}:{CONTAINER_SETTINGS}:ro"
    return [executable, *arguments, "-v", mount, f"apache/kafka:{version[1]}"]


def command(port: int) -> list[str]:
    """Return the command that runs the broker in the foreground, by Java if possible."""
    runtime, maven = java(), shutil.which("mvn")
    if runtime and (maven or library_is_complete()):
        if maven and not library_is_complete():
            print("fetching Kafka's artifacts with Maven ...", file=sys.stderr)
            fill_library(maven)
        return java_command(port, runtime)
    if client := docker():
        return docker_command(port, client)
    raise KafkaError(
        f"a broker needs Java {JAVA_VERSION_MIN} or newer ({'found' if runtime else 'missing'}) "
        f"and Maven ({'found' if maven else 'missing'}), or a Docker engine (none answers)"
    )


def launch(port: int) -> subprocess.Popen[bytes]:
    """Start the broker as a process of its own session and wait until it answers."""
    folder = broker_folder(port)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock, (folder / "broker.log").open("wb") as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KafkaError(f"a broker is already running on {HOST}:{port}") from None
        write_holder(lock, os.getpid())
        if answers(port):
            raise KafkaError(f"another program's broker answers on {HOST}:{port}")
        broker = subprocess.Popen(
            command(port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock.fileno(),),
            start_new_session=True,  # Ctrl-C is for this script, which ends the broker in order
        )
        write_holder(lock, broker.pid)
    try:
        await_ready(port)
    except BaseException:
        end(port)
        raise
    return broker


def write_holder(lock: TextIO, process: int) -> None:
    """Write who holds the lock."""
    lock.truncate(0)
    lock.write(str(process))
    lock.flush()


def await_ready(port: int) -> None:
    """Return once the broker answers requests."""
    log = broker_folder(port) / "broker.log"
    deadline = time.monotonic() + START_S_MAX
    while not answers(port):
        if process_id(port) is None:
            failed = [line for line in log.read_text().splitlines() if "Exception" in line]
            raise KafkaError("\n".join([f"the broker ended, see {log}", *failed[:CAUSES_MAX]]))
        if time.monotonic() > deadline:
            raise KafkaError(f"the broker did not answer within {START_S_MAX} s, see {log}")
        time.sleep(POLL_S)


def end(port: int) -> None:
    """End the broker in order, and by force if that takes too long."""
    force_at = time.monotonic() + STOP_S_MAX
    signalled = None
    while (process := process_id(port)) is not None:
        chosen = signal.SIGTERM if time.monotonic() < force_at else signal.SIGKILL
        if chosen != signalled:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, chosen)
            signalled = chosen
        time.sleep(POLL_S)


def interrupt(_signal: int, _frame: FrameType | None) -> None:
    """Make SIGTERM end this script as Ctrl-C does."""
    raise KeyboardInterrupt


def run(port: int) -> int:
    """Run a broker until Ctrl-C or SIGTERM."""
    broker = launch(port)
    print(f"{HOST}:{port}", flush=True)
    print(f"Kafka runs; log: {broker_folder(port)}/broker.log; Ctrl-C ends it", file=sys.stderr)
    try:
        return broker.wait()
    except KeyboardInterrupt:
        end(port)
        return 0


def start(port: int) -> int:
    """Start a broker in the background, unless one runs there already; print its address."""
    if process_id(port) is None:
        launch(port)
    else:
        await_ready(port)
    print(f"{HOST}:{port}")
    return 0


def status(port: int) -> int:
    """Print the broker's address, or say that none runs."""
    if process_id(port) is None or not answers(port):
        print(f"no broker of this repository answers on {HOST}:{port}", file=sys.stderr)
        return 1
    print(f"{HOST}:{port}")
    return 0


def stop(port: int, *, delete: bool) -> int:
    """End the broker that runs in the background; with `delete`, its data goes, too."""
    end(port)
    if delete:
        shutil.rmtree(broker_folder(port), ignore_errors=True)
    return 0


def main() -> int:
    """Carry out one command."""
    parser = argparse.ArgumentParser(description="A single-node Apache Kafka on loopback.")
    parser.add_argument("command", choices=["run", "start", "status", "stop"])
    parser.add_argument("--port", type=int, default=9092, help="0 takes a free one (run, start)")
    parser.add_argument("--delete", action="store_true", help="delete the broker's data (stop)")
    chosen = parser.parse_args()
    port = chosen.port or free_port()
    signal.signal(signal.SIGTERM, interrupt)
    try:
        match chosen.command:
            case "run":
                return run(port)
            case "start":
                return start(port)
            case "status":
                return status(port)
            case _:
                return stop(port, delete=chosen.delete)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except KafkaError as error:
        print(f"tools/kafka.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
