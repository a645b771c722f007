"""Random rule files of all that PromQL has, and random data for them to run on."""

import json
import math

from engine.config.durations import MINUTE_NS
from engine.promql.errors import ExpressionError
from engine.promql.parse import Language
from engine.rules.reads import comparison_of
from engine.rules.rule_expression import parse_rule_expression
from engine.series.columns import FLAG_STALE
from engine.series.identity import Series

SECOND_NS = 10**9
START_NS = 1_700_000_003 * SECOND_NS
DURATION_S = 900
STEP_S = 10
STALE = int(FLAG_STALE)
LANGUAGE = Language(MINUTE_NS, 10**15)
INTERVALS = ("30s", "45s", "1m", "90s", "150s")
WINDOWS = ("25s", "1m", "95s", "3m")
RECORDED = ("rec:0", "rec:1", "rec:2", "rec:3")
OF_WINDOW = (
    *("avg", "min", "max", "sum", "count", "last", "first", "present", "stddev", "stdvar", "mad"),
)
OF_COUNTER = ("rate", "increase", "irate", "resets", "changes")
OF_GAUGE = ("delta", "idelta", "deriv", "changes")
GROUPED = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
OF_VALUE = ("abs", "ceil", "floor", "exp", "sqrt", "sgn", "round", "ln")

PLAIN_RULES = {
    "a subquery has steps between the ticks of what records": """
groups:
- {name: g0, interval: 15s, rules: [{record: r, expr: load}]}
- {name: g1, interval: 1m, rules: [{alert: A, expr: "sum_over_time(r[2m:20s]) > 1"}]}
""",
    "an inner subquery has its group's interval as its step": """
groups:
- name: g
  interval: 1m
  rules:
  - {alert: A, expr: "sum_over_time(max_over_time(load[1m:1m])[5m:45s]) + load > 1"}
  - {alert: B, expr: "sum(cpu) > 4"}
""",
    "an inner subquery has steps after the outer one's last": """
groups:
- name: g
  interval: 30s
  rules:
  - {alert: A, expr: "max_over_time(sum_over_time(load[1m:45s])[1m:20s] offset 40s) > 1"}
""",
    "a rule before it reads a recorded series, in a subquery with a step at the tick": """
groups:
- name: g
  interval: 45s
  rules:
  - {alert: A, expr: "sum_over_time(r[2m:15s]) > 4"}
  - {record: r, expr: load}
""",
    "alerts on alerts, with other intervals": """
groups:
- name: g0
  interval: 30s
  rules:
  - {alert: A, expr: "cpu > 1.5", for: 30s}
  - {alert: B, expr: 'ALERTS{alertstate="firing"}'}
- name: g1
  interval: 150s
  rules:
  - {alert: C, expr: 'count by (alertname) (ALERTS{alertname=~"A|B"} offset 40s) > 1'}
  - {alert: D, expr: 'time() - ALERTS_FOR_STATE{alertname="A"} > 100'}
""",
    "a rule that counts its own ticks": """
groups:
- name: g
  interval: 30s
  rules:
  - {alert: Late, expr: "count > 5"}
  - {record: count, expr: "(count or vector(0)) + 1"}
  - {alert: Odd, expr: "count % 2 == 1", keep_firing_for: 30s}
""",
    "what is absent from the first step on": """
groups:
- {name: g0, interval: 150s, rules: [{alert: A, expr: "count_over_time(absent(x)[5m:20s]) > 2"}]}
- {name: g1, interval: 30s, rules: [{alert: B, expr: "sum_over_time(vector(1)[2m:]) == 2"}]}
""",
    "a stale recorded series": """
groups:
- name: g
  interval: 30s
  rules:
  - {record: high, expr: "cpu > 1.5"}
  - {alert: Gone, expr: "high offset 1m unless high"}
  - {alert: Often, expr: "changes(high[3m]) > 1"}
""",
}
"""Rule files of one kind of reading each."""


class Writer:
    """Writes expressions of one rule file set."""

    def __init__(self, generator):
        self.generator = generator
        self.made = []
        """Selectors of what rules make."""

    def expression(self, depth=2):
        """Give a text that rules may have."""
        while True:
            text = self.vector(depth)
            try:
                parse_rule_expression(text, LANGUAGE)
            except ExpressionError:
                continue
            return text

    def pick(self, *options):
        return self.generator.choice(options)

    def vector(self, depth):
        if depth == 0:
            return self.leaf()
        kinds = (
            self.leaf, self.aggregated, self.compared, self.matched, self.compound, self.called,
            self.subquery, self.with_scalar,
        )  # fmt: skip
        kind = self.generator.choice(kinds)
        return kind() if kind == self.leaf else kind(depth - 1)

    def selector(self):
        return self.pick(
            "cpu", 'cpu{i="1"}', 'cpu{i=~"[0-2]"}', 'cpu{job!="a"}', "load", "req", "up",
            'req{code="500"}', '{__name__=~"up|load"}', *self.made, *self.made,
        )  # fmt: skip

    def moved(self):
        return self.pick("", "", "", " offset 40s", " offset 2m")

    def leaf(self):
        kind = self.generator.randrange(6)
        window = self.pick(*WINDOWS)
        selector, moved = self.selector(), self.moved()
        if kind < 2:
            return f"{selector}{moved}"
        if kind == 2:
            return f"{self.pick(*OF_COUNTER)}(req[{window}]{moved})"
        if kind == 3:
            return self.pick(
                f"{self.pick(*OF_GAUGE)}(cpu[{window}]{moved})",
                f"predict_linear({selector}[{window}]{moved}, 60)",
                f"quantile_over_time(0.4, {selector}[{window}]{moved})",
                f"timestamp({selector}{moved})",
                f"absent_over_time({selector}[{window}]{moved})",
            )
        return f"{self.pick(*OF_WINDOW)}_over_time({selector}[{window}]{moved})"

    def labels(self):
        return self.pick("i", "job", "i, job", "code", "alertname", "__name__, i", "")

    def aggregated(self, depth):
        inside = self.vector(depth)
        how = self.pick("", f" {self.pick('by', 'without')} ({self.labels()})")
        return self.pick(
            f"{self.pick(*GROUPED)}{how} ({inside})",
            f"{self.pick(*GROUPED)}{how} ({inside})",
            f"{self.pick('topk', 'bottomk', 'limitk')}{how} (2, {inside})",
            f"quantile{how} (0.3, {inside})",
            f'count_values{how} ("v", {inside})',
        )

    def number(self):
        return self.pick("0", "0.5", "1", "1.5", "2", "3.5", "100")

    def compared(self, depth):
        operator = self.pick(">", "<", ">=", "<=", "==", "!=", "> bool", "< bool")
        return f"({self.vector(depth)}) {operator} {self.number()}"

    def with_scalar(self, depth):
        operator = self.pick("+", "-", "*", "/", "%", "^")
        side = self.pick(self.number(), f"scalar({self.vector(depth)})", "time()")
        return self.pick(f"({self.vector(depth)}) {operator} {side}",
                         f"{side} {operator} ({self.vector(depth)})",
                         f"-({self.vector(depth)})")  # fmt: skip

    def matched(self, depth):
        operator = self.pick("+", "-", "*", "/", ">", "<", "==", "!=", "> bool")
        how = self.pick("", " on (i)", " ignoring (code)", " on (job)", " on (i, job)")
        grouped = self.pick("", " group_left", " group_right", " group_left (job)")
        grouped = grouped if how else ""
        return f"({self.vector(depth)}) {operator}{how}{grouped} ({self.vector(depth)})"

    def compound(self, depth):
        operator = self.pick("and", "or", "unless")
        how = self.pick("", " on (i)", " ignoring (code, __name__)", " on ()")
        return f"({self.vector(depth)}) {operator}{how} ({self.vector(depth)})"

    def called(self, depth):
        inside = self.vector(depth)
        buckets = f"rate(lat_bucket[{self.pick(*WINDOWS)}])"
        return self.pick(
            f"{self.pick(*OF_VALUE)}({inside})", f"clamp({inside}, 0, 2)", f"absent({inside})",
            f"histogram_quantile(0.9, {buckets})",
            f"histogram_quantile(0.5, sum by (le) ({buckets}))",
            f'label_replace({inside}, "job", "x$1", "i", "(.*)")',
            f'label_join({inside}, "both", "-", "i", "job")', f"vector(scalar({inside}))",
            f"sort_desc({inside})", f"minute({inside})", "vector(time())",
        )  # fmt: skip

    def subquery(self, depth):
        inside = self.vector(depth)
        step = self.pick("", "30s", "45s", "1m", "20s")
        window = f"({inside})[{self.pick('1m', '2m', '4m')}:{step}]{self.moved()}"
        return self.pick(
            f"{self.pick(*OF_WINDOW)}_over_time({window})",
            f"{self.pick('rate', 'deriv', 'changes', 'delta')}({window})",
            f"quantile_over_time(0.7, {window})", f"absent_over_time({window})",
        )  # fmt: skip


def rule_files(generator, *, rules=5):
    """Give random rule files by name, in the order of their names, and options of their alerts."""
    writer = Writer(generator)
    # Of some files each rule reads only what rules before it record; of others it reads anything.
    reads_anything = generator.random() < 0.7
    if reads_anything:
        writer.made = [*RECORDED, 'ALERTS{alertstate="firing"}', "ALERTS", "ALERTS_FOR_STATE"]
    files, options, alerts = {}, [], 0
    for file in ("a.yaml", "b.yaml"):
        groups = []
        for number in range(generator.randrange(1, 3)):
            group = {"name": f"g{number}", "interval": generator.choice(INTERVALS), "rules": []}
            if generator.random() < 0.2:
                group["limit"] = generator.choice((1, 3, 5))
            if generator.random() < 0.3:
                group["query_offset"] = generator.choice(("20s", "1m"))
            for _ in range(generator.randrange(1, rules)):
                if generator.random() < 0.4:
                    group["rules"].append(recording(writer, generator))
                    if not reads_anything:
                        writer.made.append(group["rules"][-1]["record"])
                else:
                    rule = alerting(writer, generator, f"A{alerts}")
                    alerts += 1
                    group["rules"].append(rule)
                    if generator.random() < 0.35:
                        options.append(options_of(writer, generator, rule))
            groups.append(group)
        files[file] = json.dumps({"groups": groups}, indent=1)
    return files, options


def recording(writer, generator):
    rule = {"record": generator.choice(RECORDED), "expr": writer.expression()}
    # Each part of a metric has a label of its own, for no two rules may make the same series.
    rule["labels"] = {"part": str(generator.randrange(10**9))}
    if generator.random() < 0.2:
        rule["labels"]["job"] = generator.choice(("", "z"))
    return rule


def alerting(writer, generator, name):
    rule = {"alert": name, "expr": writer.expression()}
    if generator.random() < 0.4:
        text = f"({rule['expr']}) {generator.choice(('>', '<', '>=', '!='))} {writer.number()}"
        rule["expr"] = text
    if generator.random() < 0.5:
        rule["for"] = generator.choice(("30s", "1m", "100s"))
    if generator.random() < 0.4:
        rule["keep_firing_for"] = generator.choice(("30s", "1m", "2m"))
    if generator.random() < 0.3:
        rule["labels"] = generator.choice(
            ({"of": "{{ $labels.i }}"}, {"i": "", "job": "same"}, {"level": "{{ $value }}"})
        )
    return rule


def options_of(writer, generator, rule):
    options = {"alert": rule["alert"], "gap_tolerance": generator.randrange(3)}
    if "{{ $value }}" not in str(rule.get("labels")):
        options["on_absent"] = generator.choice(("resolve", "hold", "fire"))
    if comparison_of(parse_rule_expression(rule["expr"], LANGUAGE)):
        options[generator.choice(("resolve_below", "resolve_above"))] = 1
    if generator.random() < 0.3:
        options["hold_while"] = writer.expression(1)
    return options


def series_of(name, **labels):
    return Series.of(name, labels)


def samples(generator):
    """Rows (series, ts, value, flags): gauges, counters, buckets, with gaps and stale markers."""
    jobs = ("a", "b")
    kinds = [
        *((series_of("cpu", i=str(i), job=jobs[i % 2]), gauge) for i in range(4)),
        *((series_of("req", i=str(i), code=code), counter)
          for i in range(2) for code in ("200", "500")),
        *((series_of("lat_bucket", i=str(i), le=le), counter)
          for i in range(2) for le in ("0.1", "1", "+Inf")),
        (series_of("load"), gauge),
        *((series_of("up", i=str(i)), flag) for i in range(3)),
    ]  # fmt: skip
    rows = []
    for series, values in kinds:
        begin = generator.choice((0, 0, 0, 120, 300))
        end = generator.choice((DURATION_S, DURATION_S, DURATION_S, 600))
        value = values(generator)
        gap = 0
        for second in range(begin, end, STEP_S):
            shown = next(value)
            gap = gap - 1 if gap > 0 else generator.choice((3, 9, 20)) * (generator.random() < 0.02)
            if gap > 0:
                continue
            ts = START_NS + second * SECOND_NS + generator.randrange(SECOND_NS)
            is_stale = generator.random() < 0.02
            rows.append((series, ts, math.nan if is_stale else shown, STALE if is_stale else 0))
    return rows


def gauge(generator):
    level = 1.0
    while True:
        if generator.random() < 0.3:
            level = generator.choice((0, 0.5, 1, 1.5, 2, 3, generator.gauss(1, 1)))
        yield math.nan if generator.random() < 0.01 else level


def counter(generator):
    total = 0.0
    while True:
        total = 0.0 if generator.random() < 0.03 else total + generator.randrange(4)
        yield total


def flag(generator):
    while True:
        yield float(generator.random() < 0.8)
