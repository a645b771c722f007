"""The house rules that a machine can keep.

Aim: a slip is found here, by name, and not by a reader. Method: each rule is a function of a
module's dotted name and text (or a file's bytes) that returns its violations; it runs over the
repository, and over snippets that it must and must not object to.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
LINES_MAX = 400

# A module may import from its own line and from the lines below it.
LAYERS = (
    ("dataflows",),
    ("engine.cli",),
    ("engine.replay",),
    ("engine.pipeline",),
    ("engine.sources", "engine.sinks"),
    ("engine.rules",),
    ("engine.promql",),
    ("engine.detectors",),
    ("engine.drift",),
    ("engine.series",),
    ("engine.codecs",),
    ("engine.kernels",),
    (
        *("engine.config", "engine.events", "engine.errors", "engine.clock", "engine.telemetry"),
        *("engine.series.identity", "engine.series.columns"),  # what all layers speak of
    ),
)
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

CLOCK_READS = {
    *(f"time.{name}" for name in ("time", "monotonic", "perf_counter", "process_time")),
    *(f"time.{name}_ns" for name in ("time", "monotonic", "perf_counter", "process_time")),
    *(f"datetime.datetime.{name}" for name in ("now", "utcnow", "today")),
    "datetime.date.today",
}
COMPILERS = {
    *(f"numba.{name}" for name in ("jit", "njit", "vectorize", "guvectorize", "cfunc")),
    "numba.experimental.jitclass",
}

# Written so that this file does not break its own rule.
REGISTRY_HOSTS = re.compile(
    rb"(?:pypi|pythonhosted|crates|npmjs|repo1?[.]maven(?:[.]apache)?)[.](?:org|io)"
    rb"|proxy[.]golang[.]org|deb[.]debian[.]org|repo[.]maven[.]apache[.]org"
)
MACHINE_PATHS = re.compile(rb"(?<![\w.])/(?:root/|home/\w|Users/\w|work/(?:main|shared|[.]))")


def imports(module: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of all that a module imports, in functions, too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            origin = ".".join([*package, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def uses(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and full dotted name of all that is used under an imported name."""
    tree = ast.parse(text)
    origins: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                origins[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                origins[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            first, _, rest = ast.unparse(node).partition(".")
            if first in origins:
                yield node.lineno, origins[first] + (f".{rest}" if rest else "")


def room(name: str) -> str | None:
    """Return the longest listed prefix of a dotted name."""
    parts = name.split(".")
    prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in RANKS), None)


def imports_run_one_way(module: str, text: str) -> list[str]:
    own = room(module)
    if own is None:
        return [] if module == "engine" else [f"{module}: in no layer, add it to LAYERS"]
    return [
        f"{module}:{line}: {own} must not import {name}"
        for line, name in imports(module, text)
        if (other := room(name)) is not None and RANKS[other] < RANKS[own]
    ]


def bytewax_stays_in_the_pipeline(module: str, text: str) -> list[str]:
    if room(module) in {"engine.pipeline", "dataflows"}:
        return []
    return [
        f"{module}:{line}: imports {name}"
        for line, name in imports(module, text)
        if name.partition(".")[0] == "bytewax"
    ]


def only_the_clock_reads_the_clock(module: str, text: str) -> list[str]:
    if module == "engine.clock":
        return []
    return [f"{module}:{line}: reads {name}" for line, name in uses(text) if name in CLOCK_READS]


def one_place_sets_compile_options(module: str, text: str) -> list[str]:
    if module == "engine.kernels.jit":
        return []
    return [
        f"{module}:{line}: use engine.kernels.jit.kernel instead of {name}"
        for line, name in uses(text)
        if name in COMPILERS
    ]


def files_are_read_at_a_sitting(module: str, text: str) -> list[str]:
    lines = len(text.splitlines())
    return [f"{module}: {lines} lines, at most {LINES_MAX}"] if lines > LINES_MAX else []


def no_machine_is_named(path: str, content: bytes) -> list[str]:
    found = [*REGISTRY_HOSTS.finditer(content), *MACHINE_PATHS.finditer(content)]
    lines = [(content.count(b"\n", 0, hit.start()) + 1, hit[0]) for hit in found]
    return [f"{path}:{line}: {name!r}" for line, name in lines]


MODULE_RULES = (
    imports_run_one_way,
    bytewax_stays_in_the_pipeline,
    only_the_clock_reads_the_clock,
    one_place_sets_compile_options,
    files_are_read_at_a_sitting,
)


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted(
        p for part in ("engine", "dataflows") for p in (REPOSITORY / part).rglob("*.py")
    ):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield name, path.read_text(encoding="utf-8")


def files() -> list[str]:
    """List what is tracked, or would be if it were added now."""
    if not (REPOSITORY / ".git").exists():
        pytest.skip("not a clone: only git knows which files belong to the repository")
    listed = subprocess.run(
        # A clone that another user made is fine to list.
        [
            "git",
            "-c",
            "safe.directory=*",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.split("\0") if (REPOSITORY / name).is_file()]


@pytest.mark.parametrize("rule", MODULE_RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps_the_rule(rule):
    checked = dict(modules())
    assert {"engine.clock", "engine.kernels.jit"} <= checked.keys()
    assert [violation for name, text in checked.items() for violation in rule(name, text)] == []


def test_no_two_test_files_share_a_name():
    names = [path.name for path in (REPOSITORY / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))  # pytest would refuse the second


def test_no_file_names_a_registry_or_a_machine_path():
    checked = files()
    assert "tests/test_architecture.py" in checked
    violations = (no_machine_is_named(name, (REPOSITORY / name).read_bytes()) for name in checked)
    assert [violation for found in violations for violation in found] == []


@pytest.mark.parametrize(
    ("rule", "module", "text"),
    [
        (imports_run_one_way, "engine.series.slots", "from engine.rules.model import Rule"),
        (imports_run_one_way, "engine.series.slots", "import engine.rules.model"),
        (imports_run_one_way, "engine.series.slots", "from engine import rules"),
        (imports_run_one_way, "engine.series.slots", "from ..rules import model"),
        (imports_run_one_way, "engine.kernels.ema", "def f():\n    import engine.codecs"),
        (imports_run_one_way, "engine.codecs.otlp", "from engine.series.slots import Slots"),
        (imports_run_one_way, "engine.codecs.otlp", "from engine.series import slots"),
        (imports_run_one_way, "engine.series.columns", "from engine.codecs import otlp"),
        (imports_run_one_way, "engine.cli.run", "from dataflows.metrics import flow"),
        (imports_run_one_way, "engine.cellar.box", ""),
        (bytewax_stays_in_the_pipeline, "engine.sources.kafka", "import bytewax.inputs"),
        (bytewax_stays_in_the_pipeline, "engine.cli.run", "from bytewax import run"),
        (only_the_clock_reads_the_clock, "engine.sinks.kafka", "import time\ntime.time_ns()"),
        (only_the_clock_reads_the_clock, "engine.sinks.kafka", "import time as t\nnow = t.time"),
        (only_the_clock_reads_the_clock, "engine.a", "from time import monotonic\nmonotonic()"),
        (only_the_clock_reads_the_clock, "engine.a", "import datetime\ndatetime.date.today()"),
        (
            only_the_clock_reads_the_clock,
            "engine.rules.templates",
            "from datetime import UTC, datetime as dt\ndef f():\n    return dt.now(UTC)",
        ),
        (one_place_sets_compile_options, "engine.a", "from numba import njit\n@njit\ndef f(): ..."),
        (one_place_sets_compile_options, "engine.a", "import numba\n@numba.jit()\ndef f(): ..."),
        (files_are_read_at_a_sitting, "engine.a", "x = 1\n" * (LINES_MAX + 1)),
    ],
)
def test_the_rule_objects(rule, module, text):
    assert len(rule(module, text)) == 1


@pytest.mark.parametrize(
    ("rule", "module", "text"),
    [
        (imports_run_one_way, "engine.rules.plan", "from engine.series.slots import Slots"),
        (imports_run_one_way, "engine.sources.kafka", "from engine.sinks import dead_letters"),
        (imports_run_one_way, "engine.codecs.otlp", "from engine.series.columns import Columns"),
        (imports_run_one_way, "engine.series.slots", "from . import identity"),
        (imports_run_one_way, "engine.config.load", "import numpy, engine.errors"),
        (imports_run_one_way, "engine", "__version__ = '1'"),
        (bytewax_stays_in_the_pipeline, "engine.pipeline.steps", "import bytewax.operators"),
        (bytewax_stays_in_the_pipeline, "dataflows.metrics", "import bytewax.operators"),
        (only_the_clock_reads_the_clock, "engine.clock", "import time\ntime.time_ns()"),
        (only_the_clock_reads_the_clock, "engine.a", "from engine import clock\nclock.now_ns()"),
        (only_the_clock_reads_the_clock, "engine.a", "import time\ntime.gmtime(0)"),
        (one_place_sets_compile_options, "engine.kernels.jit", "from numba import njit\nnjit()"),
        (one_place_sets_compile_options, "engine.a", "from numba import types\ntypes.int64"),
        (files_are_read_at_a_sitting, "engine.a", "x = 1\n" * LINES_MAX),
    ],
)
def test_the_rule_does_not_object(rule, module, text):
    assert rule(module, text) == []


@pytest.mark.parametrize(
    ("content", "violations"),
    [
        ("index = https://" + "pypi" + ".org/simple", 1),
        ("a\nhttps://files." + "pythonhosted" + ".org/x.whl", 1),
        ("https://repo." + "maven.apache.org/maven2 and https://repo1." + "maven.org", 2),
        ("cd /" + "work/main", 1),
        ("PATH=/" + "root/.cargo/bin:/" + "home/me/bin", 2),
        ("xmlns=http://maven.apache.org/POM/4.0.0, ../shared, pages/home/index, /var/lib/x", 0),
    ],
)
def test_names_of_machines_are_found(content, violations):
    assert len(no_machine_is_named("x", content.encode())) == violations
