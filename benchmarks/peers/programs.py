"""The programs of the table, and how each is started."""

import shutil
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE / "java" / "target"
BUILD = "mvn -q -f benchmarks/peers/java process-classes"


class NotRunError(Exception):
    """Why a program gave no numbers."""


@dataclass(frozen=True)
class Interpreters:
    """The Pythons that have what the peers need; None where none was named."""

    own: str
    peers: str | None
    flink: str | None


@dataclass(frozen=True)
class Script:
    """A program in Python: file, end of its alerts' topic, whether slow, whose interpreter."""

    file: str
    output: str
    slow: bool = True
    interpreter: str = "peers"

    def command(self, interpreters: Interpreters) -> list[str]:
        """Give the command, without its options.

        Raises
        ------
        NotRunError
            If it can't run here.
        """
        python: str | None = getattr(interpreters, self.interpreter)
        if python is None:
            raise NotRunError(f"needs --{self.interpreter}-python")
        if self.interpreter == "flink":
            _check_java()
        return [python, str(HERE / self.file)]


@dataclass(frozen=True)
class JavaClass:
    """A program in Java: class, end of its alerts' topic, whether slow."""

    name: str
    output: str
    slow: bool = False

    def command(self, _: Interpreters) -> list[str]:
        """Give the command, without its options.

        Raises
        ------
        NotRunError
            If it can't run here.
        """
        _check_java()
        # Flink's serialisers look into these; a JVM keeps them closed.
        opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util")]
        classes = f"{BUILT / 'classes'}:{BUILT / 'lib'}/*"
        return ["java", *opened, "-cp", classes, f"peers.{self.name}"]


Peer = Script | JavaClass

PEERS: dict[str, Peer] = {
    "msgspec loop": Script("loop_msgspec.py", "msgspec", slow=False, interpreter="own"),
    "river loop": Script("loop_river.py", "river", slow=False, interpreter="own"),
    "kafka streams": JavaClass("KafkaStreamsJob", "kafka-streams"),
    "flink": JavaClass("FlinkJob", "flink"),
    "bytewax items": Script("bytewax_items.py", "bytewax", interpreter="own"),
    "quix streams": Script("quix.py", "quix"),
    "csp": Script("csp_job.py", "csp"),
    "pathway": Script("pathway_job.py", "pathway"),
    "pyflink": Script("pyflink_job.py", "pyflink", interpreter="flink"),
}


def _check_java() -> None:
    if shutil.which("java") is None:
        raise NotRunError("needs Java 17")
    if not (BUILT / "lib").is_dir():
        raise NotRunError(f"needs `{BUILD}`")
