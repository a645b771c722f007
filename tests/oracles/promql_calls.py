"""Random calls of PromQL's functions and aggregations."""

from golden_series import Metric
from promql_selectors import UNMET, Expr, Selectors

COUNTER_FUNCTIONS = ("rate", "irate", "increase", "resets")
TREND_FUNCTIONS = ("delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing")
OVER_TIME = (
    "avg_over_time",
    "changes",
    "count_over_time",
    "first_over_time",
    "last_over_time",
    "mad_over_time",
    "max_over_time",
    "min_over_time",
    "present_over_time",
    "quantile_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "sum_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
)
RANGE_FUNCTIONS = (*COUNTER_FUNCTIONS, *TREND_FUNCTIONS, *OVER_TIME)
EXACT_FUNCTIONS = ("abs", "ceil", "clamp", "clamp_max", "clamp_min", "floor", "round", "sgn")
LOGARITHMS = ("sqrt", "exp", "ln", "log2", "log10")
UNIT_DOMAIN = ("asin", "acos", "atanh")
TRIGONOMETRIC = (
    *("acosh", "asinh", "atan", "cos", "cosh", "deg", "rad", "sin", "sinh", "tan", "tanh"),
    *UNIT_DOMAIN,
)
CALENDAR = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month"),
    *("hour", "minute", "month", "year"),
)
PLAIN_AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")
PARAMETRIC_AGGREGATIONS = ("topk", "bottomk", "quantile", "count_values", "limitk")

_ROUGH_WINDOWS = frozenset(
    {
        "deriv",
        "predict_linear",
        "double_exponential_smoothing",
        "mad_over_time",
        "quantile_over_time",
        "stddev_over_time",
        "stdvar_over_time",
    }
)
# Of a rough argument these give no discontinuous answer.
_CONTINUOUS_WINDOWS = (
    *("avg_over_time", "count_over_time", "last_over_time", "max_over_time", "min_over_time"),
    *("present_over_time", "sum_over_time"),
)
_CONTINUOUS_AGGREGATIONS = ("sum", "avg", "min", "max", "count", "group", "stddev")


class Calls(Selectors):
    """Draws calls; arguments are leaves, or what `vector` gives to a depth."""

    def vector(self, depth: int = 1) -> Expr:
        """Any vector, nested to a depth."""
        roll = self.rng.random()
        if depth <= 0 or roll < 0.3:
            return self.instant()
        if roll < 0.6:
            return self.over_range(self.rng.choice(RANGE_FUNCTIONS))
        if roll < 0.8:
            return self.aggregation(self.rng.choice(PLAIN_AGGREGATIONS), self.vector(depth - 1))
        if roll < 0.9:
            return self.over_subquery(self.vector(depth - 1))
        return self.exact_function(self.rng.choice(EXACT_FUNCTIONS), self.exact(depth - 1))

    def exact(self, depth: int = 1) -> Expr:
        """A vector that isn't rough."""
        for _ in range(20):
            drawn = self.vector(depth)
            if not drawn.rough:
                return drawn
        return self.instant()

    def usual_metric(self, function: str) -> Metric:
        """A metric of the kind that a window's function is made for, mostly."""
        if self.chance(0.12):
            return self.any_metric()
        if function in COUNTER_FUNCTIONS:
            return self.metric("counter", "bucket")
        if function in TREND_FUNCTIONS:
            return self.metric("gauge")
        return self.any_metric()

    def over_range(self, function: str, moved: float = 0.12) -> Expr:
        """Call a function on a range selector."""
        return self.window_call(function, self.window(self.usual_metric(function), moved))

    def over_subquery(self, inner: Expr, function: str | None = None) -> Expr:
        """Call a function on a subquery of a vector."""
        if inner.rough:
            function = self.rng.choice(_CONTINUOUS_WINDOWS)
        return self.window_call(function or self.rng.choice(RANGE_FUNCTIONS), self.subquery(inner))

    def window_call(self, function: str, window: Expr) -> Expr:
        text = window.text
        if function == "quantile_over_time":
            text = f"{self.share()}, {text}"
        elif function == "predict_linear":
            text = f"{text}, {self.parameter('60', '600', '3600', '-120', '0', '86400')}"
        elif function == "double_exponential_smoothing":
            factors = ("0.1", "0.3", "0.5", "0.8") * 8
            smoothing, trend = (self.rng.choice((*factors, "1.5", "0", "1")) for _ in range(2))
            text = f"{text}, {smoothing}, {trend}"
        rough = window.rough or function in _ROUGH_WINDOWS
        return Expr(f"{function}({text})", window.labels, rough=rough, odd=True)

    def absent(self, function: str) -> Expr:
        """Call absent or absent_over_time, sometimes on what is there."""
        metric = self.any_metric()
        name = metric.name if self.chance(0.3) else self.rng.choice(("nope", metric.name + "_x"))
        matchers = [self.matcher(metric) for _ in range(self.rng.randrange(3))]
        matchers += ['job="x"'] if self.chance(0.3) else []
        selector = f"{name}{{{', '.join(matchers)}}}"
        if function == "absent_over_time":
            inner = f"{selector}[{self.rng.choice(('1m', '5m', '10m'))}]{self.moved()}"
        elif self.chance(0.3):
            inner = f"sum({selector})"
        elif self.chance(0.2):
            inner = f"{selector} > {self.rng.choice(UNMET)}"
        else:
            inner = selector + self.moved()
        return Expr(f"{function}({inner})", ("job",))

    def exact_function(self, function: str, of: Expr) -> Expr:
        """Call a function that mustn't see rough values."""
        bounds = sorted(self.rng.choices((-20, -2.5, 0, 0.5, 3, 10, 100, 2000), k=2))
        low, high = (self.parameter(f"{bound:g}") for bound in bounds)
        more = {
            "clamp": f", {low}, {high}" if self.chance(0.9) else f", {high}, {low}",
            "clamp_min": f", {low}",
            "clamp_max": f", {high}",
            "round": f", {self.parameter('5', '0.25', '0.1', '100')}" if self.chance(0.7) else "",
        }.get(function, "")
        return Expr(f"{function}({of}{more})", of.labels, odd=of.odd)

    def smooth_function(self, function: str, of: Expr) -> Expr:
        """Call a function of the mathematical library; the argument is brought near its domain."""
        text = of.text
        if function in UNIT_DOMAIN and self.chance(0.85):
            text = f"{of.operand} / {self.rng.choice(('64', '4096', '10'))}"
        elif function in {"exp", "sinh", "cosh"} and self.chance(0.85):
            text = f"{of.operand} / {self.rng.choice(('512', '4096'))}"
        return Expr(f"{function}({text})", of.labels, rough=True, odd=True)

    def calendar(self, function: str) -> Expr:
        """Call a calendar function: of now, or of times that are finite."""
        roll = self.rng.random()
        if roll < 0.2:
            return Expr(f"{function}()")
        if roll < 0.35:
            offset = self.rng.choice(("86400", "2678400", "-31536000", "1e9", "-2e9"))
            return Expr(f"{function}(vector(time() + {offset}))")
        if roll < 0.6 or not self.has("gauge"):
            inner = self.instant("gauge", "counter")
            return Expr(f"{function}(timestamp({inner}))", inner.labels)
        inner = self.instant("gauge")
        factor = self.rng.choice(("3600", "86400", "864000", "61"))
        return Expr(f"{function}({inner} * {factor})", inner.labels, odd=inner.odd)

    def label_replace(self, of: Expr) -> Expr:
        """Call label_replace; some texts match nothing, some regexes are wrong."""
        source = self.rng.choice((*of.labels, "zone")) if of.labels else "zone"
        target = self.rng.choice((*of.labels, "copy", "copy", "copy", source))
        regex, replacement = self.rng.choice(
            (
                ("(.*)", "$1"),
                ("(.*)", "x-$1"),
                ("(.).*", "${1}_"),
                ("(?P<first>.)(.*)", "$first/$2"),
                ("nope", "y"),
                ("(.+):(.+)", "$2"),
                ("", "none"),
                (".*", ""),
                ("(.*)", "$2"),
                ("(.*)", "$$1"),
            )
        )
        if self.chance(0.02):
            regex = "(.*"
        text = f'label_replace({of}, "{target}", "{replacement}", "{source}", "{regex}")'
        return Expr(text, tuple(sorted({*of.labels, target})), rough=of.rough, odd=of.odd)

    def label_join(self, of: Expr) -> Expr:
        """Call label_join."""
        count = self.rng.randrange(min(3, len(of.labels)) + 1)
        sources = self.rng.sample(of.labels, count) + (["zone"] if self.chance(0.2) else [])
        target = self.rng.choice(("joined", "joined", *of.labels))
        separator = self.rng.choice((",", "-", "", "; "))
        names = "".join(f', "{name}"' for name in sources)
        text = f'label_join({of}, "{target}", "{separator}"{names})'
        return Expr(text, tuple(sorted({*of.labels, target})), rough=of.rough, odd=of.odd)

    def histogram_quantile(self) -> Expr:
        """Call histogram_quantile on buckets, mostly on sums of their rates."""
        metric = self.metric("bucket")
        selector = metric.name + self.braces(metric, 0.2)
        roll = self.rng.random()
        if roll < 0.7:
            function = self.rng.choice(("rate", "increase", "irate"))
            labels = self.rng.choice(("le", "le, job", "job, le", "le"))
            rated = f"{function}({selector}[{self.rng.choice(('2m', '5m', '10m'))}])"
            inner = f"sum by ({labels}) ({rated})" if self.chance(0.7) else rated
        else:
            inner = selector + self.moved()
        if self.chance(0.06):
            inner = f'label_replace({inner}, "le", "$1x", "le", "(1|.*5)")'
        return Expr(f"histogram_quantile({self.share()}, {inner})", ("job",), rough=True, odd=True)

    def grouping(self, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
        """Draw a by or without clause and the labels that it leaves."""
        roll = self.rng.random()
        fewest = 1 if labels and self.chance(0.85) else 0
        chosen = self.rng.sample(labels, self.rng.randrange(fewest, len(labels) + 1))
        if self.chance(0.08):
            chosen.append("zone")
        if roll < 0.2:
            return "", ()
        if roll < 0.7:
            return f"by ({', '.join(chosen)})", tuple(sorted(set(chosen) & set(labels)))
        return f"without ({', '.join(chosen)})", tuple(sorted(set(labels) - set(chosen)))

    def aggregation(self, operator: str, of: Expr, parameter: str = "") -> Expr:
        """Aggregate, with the clause before or behind."""
        if of.rough and operator not in _CONTINUOUS_AGGREGATIONS:
            of = self.exact(1)
        clause, labels = self.grouping(of.labels)
        arguments = f"({parameter}{of})"
        text = f"{operator} {clause} {arguments}" if self.chance(0.6) else None
        text = text or f"{operator}{arguments} {clause}"
        rough = of.rough or operator in {"stddev", "stdvar", "quantile"}
        return Expr(" ".join(text.split()), labels, rough=rough, odd=of.odd)

    def parametric(self, operator: str) -> Expr:
        """Aggregate with a parameter; limitk only where it doesn't matter which series stay."""
        of = self.exact(1)
        if operator == "limitk":
            if self.chance(0.5):
                return self.aggregation("limitk", of, f"{self.rng.choice(('50', '0', '1000'))}, ")
            inner = self.aggregation("limitk", of, f"{self.rng.choice(('1', '2', '3'))}, ")
            return Expr(f"count({inner})")
        if operator == "count_values":
            parameter = self.rng.choice(('"value"', '"value"', '"job"', '"sensor"'))
            made = self.aggregation(operator, of, f"{parameter}, ")
            return Expr(made.text, (*made.labels, parameter.strip('"')))
        if operator == "quantile":
            return self.aggregation(operator, of, f"{self.share()}, ")
        made = self.aggregation(operator, of, f"{self.parameter(*'1122234', '0', '-1', '1.9')}, ")
        return Expr(made.text, of.labels, odd=of.odd)
