"""The generator of the golden cases: seeded, parseable, and every construct has its turn."""

import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest
from golden_series import STALE, make_data_set
from promql_cases import CONSTRUCTS, make_cases
from promql_selectors import duration, literal, quoted

SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
def test_expressions_parse_and_are_of_their_kind(seed):
    for case in make_cases(seed, make_data_set(seed), 60):
        tree = promql_parser.parse(case.expression)
        assert case.scalar == _is_scalar(tree), case.expression


def _is_scalar(node):
    """Whether an expression gives a scalar, by PromQL's typing rules."""
    if isinstance(node, promql_parser.ParenExpr | promql_parser.UnaryExpr):
        return _is_scalar(node.expr)
    if isinstance(node, promql_parser.BinaryExpr):
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    if isinstance(node, promql_parser.Call):
        return node.func.name in {"time", "pi", "scalar"}
    return isinstance(node, promql_parser.NumberLiteral)


def test_a_seed_gives_the_same_again():
    assert make_data_set(5) == make_data_set(5)
    assert make_data_set(5) != make_data_set(9)
    data = make_data_set(5)
    assert make_cases(5, data, 40) == make_cases(5, data, 40)
    assert make_cases(5, data, 40) != make_cases(6, data, 40)


def test_a_seed_gives_the_same_in_another_process():
    program = (
        "from golden_series import make_data_set; from promql_cases import make_cases; "
        "print([make_cases(seed, make_data_set(seed), 90) for seed in range(8)])"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parent,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1


def test_constructs_come_in_turn():
    drawn = []
    count = 50

    def noting(name):
        make = CONSTRUCTS[name]
        return lambda cases: drawn.append(name) or make(cases)

    with pytest.MonkeyPatch.context() as patched:
        for name in CONSTRUCTS:
            patched.setitem(CONSTRUCTS, name, noting(name))
        for seed in range(2 * len(CONSTRUCTS) // count + 1):
            make_cases(seed, make_data_set(seed), count)
    missing = {name for name in CONSTRUCTS if name not in drawn}
    assert {name for name in missing if not name.startswith("histogram_quantile")} == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_series_are_few_ordered_and_unique(seed):
    data = make_data_set(seed)
    assert 3 <= len(data.series) <= 12
    assert len({tuple(sorted(series.labels.items())) for series in data.series}) == len(data.series)
    for series in data.series:
        assert series.ts_ms == sorted(set(series.ts_ms))
        assert all(value == STALE or isinstance(value, float) for value in series.value)


@pytest.mark.parametrize("seed", SEEDS)
def test_ticks_are_a_few_and_near_the_data(seed):
    data = make_data_set(seed)
    for case in make_cases(seed, data, 60):
        ticks, rest = divmod(case.end_ms - case.start_ms, case.step_ms)
        assert rest == 0
        assert 2 <= ticks <= 8
        assert data.start_ms < case.start_ms < data.end_ms + 600_000


def test_durations_read_as_promql():
    assert duration(90_000) == "1m30s"
    assert duration(3_600_001) == "1h1ms"
    assert duration(0) == "0s"


def test_a_quoted_text_is_a_regex_that_matches_it():
    assert quoted("+Inf") == "[+]Inf"
    assert quoted("a.b") == "a[.]b"


def test_a_literal_escapes_what_ends_it():
    assert literal('a\n"b"\\') == r'"a\n\"b\"\\"'
