"""Random PromQL cases over made series, seeded: each construct in turn, alone and nested.

The constructs go round in a cycle, so that each has its share of the cases whatever the seed. What
Prometheus leaves open is avoided here as far as it is known (`limitk`'s choice, equality of
rounded sums) and, where data decide, dropped by `make_golden.py` (ties of topk).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from golden_series import DataSet
from promql_calls import (
    CALENDAR,
    EXACT_FUNCTIONS,
    LOGARITHMS,
    PARAMETRIC_AGGREGATIONS,
    PLAIN_AGGREGATIONS,
    RANGE_FUNCTIONS,
    TRIGONOMETRIC,
)
from promql_operators import ARITHMETIC, COMPARISONS, SETS, Operators
from promql_selectors import UNMET, Expr

TICKS_MIN, TICKS_MAX = 3, 9
STEPS_MS = (15_000, 30_000, 60_000, 60_000, 120_000, 300_000, 37_000, 73_500)


@dataclass(frozen=True)
class Case:
    """An expression and the ticks it is evaluated at.

    Attributes
    ----------
    expression : str
        PromQL.
    scalar : bool
        Whether it gives a scalar.
    start_ms, end_ms, step_ms : int
        First tick, last tick and spacing, ms.
    """

    expression: str
    scalar: bool
    start_ms: int
    end_ms: int
    step_ms: int


class Cases(Operators):
    """Draws cases over one data set."""

    def case(self, construct: str) -> Case:
        """Draw a case about a construct, one of `CONSTRUCTS`."""
        drawn = CONSTRUCTS[construct](self)
        for probability in (0.35, 0.3):
            if not self.chance(probability):
                break
            drawn = self.wrapped(drawn)
        text = f"({drawn})" if self.chance(0.02) else drawn.text
        return Case(text, drawn.scalar, *self.ticks())

    def ticks(self) -> tuple[int, int, int]:
        """Draw first tick, last tick and step: on the grid of samples or off it."""
        rng, data = self.rng, self.data
        step = rng.choice(STEPS_MS)
        count = rng.randrange(TICKS_MIN, TICKS_MAX + 1)
        span = data.end_ms - data.start_ms
        start = data.start_ms + rng.randrange(span // 4, span)
        if self.chance(0.08):
            start = data.end_ms + rng.randrange(600_000)
        if self.chance(0.6):
            start -= (start - data.start_ms) % rng.choice((data.interval_ms, 60_000))
        return start, start + (count - 1) * step, step

    def wrapped(self, of: Expr) -> Expr:
        """Put an expression into a larger one."""
        rng = self.rng
        if of.scalar:
            roll = rng.random()
            if roll < 0.4:
                return Expr(f"vector({of})", rough=of.rough, odd=of.odd)
            vector = self.exact(0)
            return self.between(rng.choice(self.operators_for(of)), vector, of)
        choices: list[Callable[[], Expr]] = [
            lambda: self.filtered(rng.choice(COMPARISONS), of, boolean=self.chance(0.3)),
            lambda: self.aggregation(rng.choice(PLAIN_AGGREGATIONS[:6]), of),
            lambda: self.over_subquery(of),
            lambda: self.negated(of),
            lambda: self.between(
                rng.choice(self.operators_for(of)), of, Expr(self.number(), scalar=True)
            ),
            lambda: self.joined(of),
            lambda: self.label_replace(of),
        ]
        if not of.rough:
            choices.append(lambda: self.exact_function(rng.choice(EXACT_FUNCTIONS), of))
            choices.append(lambda: self.smooth_function(rng.choice(LOGARITHMS), of))
        return rng.choice(choices)()

    def joined(self, of: Expr) -> Expr:
        """Join an expression with another by a set operator or an exact sum."""
        operator = self.rng.choice((*SETS, "and", "+", "-"))
        other = self.form(self.any_metric()) if operator == "unless" or self.chance(0.5) else of
        modifier = "on ()" if operator in SETS and self.chance(0.3) else ""
        return self.between(operator, of, other, modifier)

    def negated(self, of: Expr) -> Expr:
        return Expr(f"-{of.operand}", of.labels, of.scalar, of.rough, of.odd, compound=True)

    def sorted(self, function: str) -> Expr:
        of = self.exact(1)
        if function.startswith("sort_by_label"):
            label = self.rng.choice((*of.labels, "zone"))
            return Expr(f'{function}({of}, "{label}")', of.labels, odd=of.odd)
        return Expr(f"{function}({of})", of.labels, odd=of.odd)

    def timestamp(self) -> Expr:
        of = self.instant() if self.chance(0.75) else self.exact(1)
        return Expr(f"timestamp({of})", of.labels)

    def age(self) -> Expr:
        of = self.instant()
        text = f"time() - timestamp({of})"
        return Expr(text, of.labels, compound=True)

    def scalar_compared(self) -> Expr:
        left, right = self.scalar(2), self.scalar(1)
        operator = self.rng.choice(COMPARISONS)
        if left.rough or right.rough:
            right = Expr(self.rng.choice(UNMET), scalar=True)
            operator = self.rng.choice((">", "<"))
        return self.between(operator, left, right, "bool")

    def ratio_rule(self) -> Expr:
        """Draw a rule as people write it: a share above a threshold."""
        left, right, shared = self.pair()
        clause = f"by ({', '.join(shared[: self.rng.randrange(1, 3)])})"
        sides = [
            f"sum {clause} ({self.window_call(self.rng.choice(('rate', 'increase')), window)})"
            for window in (self.window(left, 0), self.window(right, 0))
        ]
        text = f"{sides[0]} / {sides[1]} > {self.rng.choice(('0.04137', '0.73719', '3.17193'))}"
        return Expr(text, shared, odd=True, rough=True, compound=True)

    def guarded_rule(self) -> Expr:
        """Draw a rule with a guard: a condition and another on the same entity."""
        left, right, shared = self.pair()
        condition = self.filtered(self.rng.choice((">", "<")), self.form(left))
        guard = self.filtered(self.rng.choice((">", "<", "!=")), self.form(right))
        matching = self.rng.choice((f"on ({', '.join(shared)})", "on ()", ""))
        operator = self.rng.choice(("and", "and", "unless"))
        text = f"{condition} {operator} {matching} {guard}"
        return Expr(" ".join(text.split()), condition.labels, odd=True, rough=True, compound=True)


def _with(method: Callable[..., Expr], *arguments: object) -> Callable[[Cases], Expr]:
    return lambda cases: method(cases, *arguments)


def _constructs() -> dict[str, Callable[[Cases], Expr]]:
    """Give each construct's maker by name; names that end in a number only repeat one."""
    made: dict[str, Callable[[Cases], Expr]] = {}
    for function in RANGE_FUNCTIONS:
        made[function] = _with(Cases.over_range, function)
        made[f"{function} subquery"] = partial(
            lambda name, cases: cases.over_subquery(cases.exact(1), name), function
        )
    for function in EXACT_FUNCTIONS:
        made[function] = partial(
            lambda name, cases: cases.exact_function(name, cases.exact(1)), function
        )
    for function in (*LOGARITHMS, *TRIGONOMETRIC):
        made[function] = partial(
            lambda name, cases: cases.smooth_function(name, cases.exact(1)), function
        )
    for operator in PLAIN_AGGREGATIONS:
        for k in range(2):
            made[f"{operator} {k}"] = partial(
                lambda name, cases: cases.aggregation(name, cases.exact(1)), operator
            )
    for operator in PARAMETRIC_AGGREGATIONS:
        for k in range(2):
            made[f"{operator} {k}"] = _with(Cases.parametric, operator)
    made |= {function: _with(Cases.calendar, function) for function in CALENDAR}
    sorts = ("sort", "sort_desc", "sort_by_label", "sort_by_label_desc")
    made |= {function: _with(Cases.sorted, function) for function in sorts}
    made |= {name: _with(Cases.absent, name) for name in ("absent", "absent_over_time")}
    return made | _operator_constructs() | _other_constructs()


def _operator_constructs() -> dict[str, Callable[[Cases], Expr]]:
    made: dict[str, Callable[[Cases], Expr]] = {}
    for operator in (*ARITHMETIC, *COMPARISONS):
        made[f"vector {operator} vector"] = _with(Cases.matched, operator)
        made[f"{operator} group_left"] = _with(Cases.grouped, operator, "group_left")
        made[f"{operator} group_right"] = _with(Cases.grouped, operator, "group_right", "ignoring")
    for operator in ARITHMETIC:
        made[f"vector {operator} scalar"] = _with(Cases.with_scalar, operator)
    for operator in COMPARISONS:
        made[f"vector {operator} scalar"] = partial(
            lambda name, cases: cases.filtered(name, cases.vector(1)), operator
        )
        made[f"vector {operator} bool scalar"] = partial(
            lambda name, cases: cases.filtered(name, cases.vector(1), boolean=True), operator
        )
        made[f"vector {operator} bool vector"] = _with(Cases.matched, operator, True)
    for operator in SETS:
        made |= {f"{operator} {k}": _with(Cases.combined, operator) for k in range(4)}
    return made


def _other_constructs() -> dict[str, Callable[[Cases], Expr]]:
    made: dict[str, Callable[[Cases], Expr]] = {
        "scalar": lambda cases: cases.scalar(2),
        "scalar compared": Cases.scalar_compared,
        "scalar()": lambda cases: Expr(f"scalar({cases.exact(1)})", scalar=True, odd=True),
        "vector()": lambda cases: Expr(f"vector({cases.scalar(2)})", odd=True, rough=True),
        "time": lambda cases: Expr("time()", scalar=True),
        "age": Cases.age,
        "set chain": Cases.set_chain,
    }
    repeated: dict[str, tuple[int, Callable[[Cases], Expr]]] = {
        "selector": (5, lambda cases: cases.instant(moved=0)),
        "moved selector": (4, lambda cases: cases.instant(moved=1)),
        "moved window": (
            4, lambda cases: cases.over_range(cases.rng.choice(RANGE_FUNCTIONS), moved=1)
        ),
        "subquery": (3, lambda cases: cases.over_subquery(cases.vector(2))),
        "negation": (2, lambda cases: cases.negated(cases.vector(1))),
        "timestamp": (2, Cases.timestamp),
        "label_replace": (3, lambda cases: cases.label_replace(cases.vector(1))),
        "label_join": (2, lambda cases: cases.label_join(cases.vector(1))),
        "histogram_quantile": (24, Cases.histogram_quantile),
        "chain": (6, Cases.chain),
        "failing": (8, Cases.failing),
        "ratio rule": (12, Cases.ratio_rule),
        "guarded rule": (16, Cases.guarded_rule),
    }  # fmt: skip
    for name, (count, make) in repeated.items():
        made |= {f"{name} {k}": make for k in range(count)}
    return made


CONSTRUCTS = _constructs()


def make_cases(seed: int, data: DataSet, count: int) -> list[Case]:
    """Draw the cases of a data set; over `seed` 0, 1, 2 ... all constructs come equally often."""
    rng = random.Random(f"cases {seed}")
    cases = Cases(rng, data)
    cycle = list(CONSTRUCTS)
    drawn: list[Case] = []
    seen: set[str] = set()
    position = seed * count
    while len(drawn) < count:
        construct = _at_cycle(cycle, position)
        position += 1
        if construct.startswith("histogram_quantile") and not cases.has("bucket"):
            continue
        case = cases.case(construct)
        if case.expression not in seen:
            seen.add(case.expression)
            drawn.append(case)
    return drawn


def _at_cycle(cycle: list[str], position: int) -> str:
    """Give a construct of an endless row whose every round is shuffled anew."""
    turn, index = divmod(position, len(cycle))
    shuffled = cycle.copy()
    random.Random(f"cycle {turn}").shuffle(shuffled)
    return shuffled[index]
