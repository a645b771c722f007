"""Expressions on samples in memory give what a real Prometheus gave.

Aim: the language is Prometheus', to 1e-9 of the input's scale. Method: every golden case is
evaluated at all its ticks at once, as rules are in blocks; those that fail must fail at the ticks
at which the expression alone failed.
"""

import numpy as np
import pytest
from read_golden import difference, golden_files, read_golden

from engine.promql.errors import ExpressionError
from engine.promql.matrix import Scalar
from engine.promql.parse import parse_expression
from engine.promql.stored import Stored, query

MILLISECOND_NS = 1_000_000


def stored(series):
    return Stored(
        (
            tuple(sorted((name, value) for name, value in labels.items() if value)),
            ts_ms * MILLISECOND_NS,
            values,
            stale,
        )
        for labels, ts_ms, values, stale in series
    )


def answer(case, source):
    ticks_ms = np.arange(case.start_ms, case.end_ms + 1, case.step_ms, dtype=np.int64)
    try:
        value, block = query(parse_expression(case.expression), source, ticks_ms * MILLISECOND_NS)
    except ExpressionError as error:
        return str(error), set(ticks_ms.tolist())
    if block.failed.any():
        return next(iter(block.errors.values())), set(ticks_ms[block.failed].tolist())
    if isinstance(value, Scalar):
        return [({}, ticks_ms, value.value)], set()
    rows = zip(value.table.labels, value.value, value.present, strict=True)
    return [(dict(labels), ticks_ms[here], row[here]) for labels, row, here in rows], set()


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.name)
def test_every_case_is_answered_as_by_prometheus(path):
    sources = {}
    wrong = []
    for case in read_golden(path):
        # Cases of one data set share their series.
        source = sources.setdefault(id(case.series), (case.series, stored(case.series)))[1]
        result, failing_ms = answer(case, source)
        found = difference(result, case.result, case.scale)
        if found is None and not set(case.failing_ms) <= failing_ms:
            found = f"fails at {sorted(failing_ms)}, expected {case.failing_ms}"
        if found is not None:
            wrong.append(f"{case.expression} from {case.start_ms}: {found}")
    assert wrong == []
