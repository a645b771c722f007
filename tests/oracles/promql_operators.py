"""Random binary operators: arithmetic, comparisons, sets, vector matching, and their failures."""

from golden_series import Metric
from promql_calls import Calls
from promql_selectors import UNMET, Expr

ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISONS = ("==", "!=", ">", "<", ">=", "<=")
SETS = ("and", "or", "unless")
_SMOOTH = ("+", "-", "*")
_ORDER = (">", "<", ">=", "<=")


class Operators(Calls):
    """Draws binary operators whose sides are made to match, mostly."""

    def operators_for(self, *sides: Expr) -> tuple[str, ...]:
        """Give the arithmetic operators that are continuous enough for these sides."""
        return _SMOOTH if any(side.rough for side in sides) else ARITHMETIC

    def scalar(self, depth: int = 1) -> Expr:
        """A scalar expression."""
        roll = self.rng.random()
        if depth <= 0 or roll < 0.35:
            return Expr(self.number(), scalar=True)
        if roll < 0.5:
            return Expr("time()", scalar=True)
        if roll < 0.58:
            return Expr("pi()", scalar=True, rough=True)
        if roll < 0.8:
            operator = self.rng.choice(("sum", "max", "min", "count", "avg"))
            inner = f"{operator}({self.exact(1)})" if self.chance(0.7) else self.instant().text
            return Expr(f"scalar({inner})", scalar=True, odd=True)
        left, right = self.scalar(depth - 1), self.scalar(depth - 1)
        return self.between(self.rng.choice(self.operators_for(left, right)), left, right)

    def between(self, operator: str, left: Expr, right: Expr, modifier: str = "") -> Expr:
        """Join two sides; the labels are those of the left vector."""
        labels = right.labels if left.scalar else left.labels
        space = " " if modifier else ""
        return Expr(
            f"{left.operand} {operator}{space}{modifier} {right.operand}",
            labels,
            scalar=left.scalar and right.scalar,
            rough=left.rough or right.rough or operator in {"^", "atan2"},
            odd=left.odd or right.odd or operator in {"/", "%", "^"},
            compound=True,
        )

    def with_scalar(self, operator: str) -> Expr:
        """Join a vector and a scalar, in either order."""
        vector = self.exact(1)
        scalar = self.scalar(1)
        if scalar.rough and operator not in _SMOOTH:
            scalar = Expr(self.number(), scalar=True)
        sides = (vector, scalar) if self.chance(0.7) else (scalar, vector)
        return self.between(operator, *sides)

    def filtered(self, operator: str, of: Expr, boolean: bool = False) -> Expr:
        """Compare a vector with a number."""
        if of.rough:
            operator = self.rng.choice(_ORDER)
        number = self.rng.choice(UNMET) if of.rough else self.number()
        scalar = Expr(number, scalar=True)
        sides = (of, scalar) if self.chance(0.8) else (scalar, of)
        drawn = self.between(operator, *sides, modifier="bool" if boolean else "")
        return Expr(drawn.text, of.labels, rough=of.rough, odd=of.odd, compound=True)

    def alike(self) -> tuple[Expr, Expr, tuple[str, ...]]:
        """Two exact vectors of matching label sets, and these labels."""
        roll = self.rng.random()
        if roll < 0.35:
            metric = self.any_metric()
            return self.form(metric), self.form(metric), tuple(metric.labels)
        left, right, shared = self.pair()
        if roll < 0.7 and shared:
            kept = self.rng.sample(shared, self.rng.randrange(len(shared) + 1))
            clause = f"by ({', '.join(kept)})"
            return (
                Expr(f"{self.sums()} {clause} ({self.form(left)})", tuple(kept)),
                Expr(f"{self.sums()} {clause} ({self.form(right)})", tuple(kept)),
                tuple(kept),
            )
        return self.form(left), self.form(right), shared

    def sums(self) -> str:
        return self.rng.choice(("sum", "avg", "max", "min", "count"))

    def pair(self) -> tuple[Metric, Metric, tuple[str, ...]]:
        """Two metrics, unlike if possible, that share many labels."""
        metrics = [metric for metric in self.data.metrics if metric.kind != "info"]
        left = self.rng.choice(metrics)
        others = [metric for metric in metrics if metric is not left]
        right = max(others, key=lambda metric: len({*metric.labels} & {*left.labels}))
        return left, right, tuple(sorted({*left.labels} & {*right.labels}))

    def form(self, metric: Metric) -> Expr:
        """Select a metric: the newest sample, or an exact function of a window."""
        roll = self.rng.random()
        if roll < 0.5:
            return self.of_metric(metric, self.named(metric) + self.moved(0.08))
        usual = ("rate", "increase") if metric.kind in {"counter", "bucket"} else ("delta",)
        function = self.rng.choice((*usual, "max_over_time", "avg_over_time", "last_over_time"))
        return self.window_call(function, self.window(metric, 0.06))

    def matched(self, operator: str, boolean: bool = False) -> Expr:
        """Join two vectors one to one, by all labels, `on` some or `ignoring` others."""
        left, right, shared = self.alike()
        extra = sorted({*left.labels, *right.labels} - set(shared))
        roll = self.rng.random()
        modifier, labels = "bool" if boolean else "", shared
        if roll < 0.35 or (extra and roll < 0.5):
            modifier += f" on ({', '.join(shared)})"
        elif extra or roll < 0.5:
            modifier += f" ignoring ({', '.join([*extra, 'zone'])})"
        elif roll < 0.6 and len(shared) > 1:
            labels = tuple(self.rng.sample(shared, 1))
            modifier += f" on ({labels[0]})"
        drawn = self.between(operator, left, right, modifier.strip())
        return Expr(drawn.text, labels, rough=drawn.rough, odd=drawn.odd, compound=True)

    def grouped(self, operator: str, side: str, matching: str = "on") -> Expr:
        """Join many to one: with a coarser aggregate, or with the info metric's labels."""
        many = self.any_metric()
        left = self.form(many)
        if self.has("info") and "instance" in many.labels and self.chance(0.5):
            one, on, include = Expr("build_info", ("instance", "version")), ["instance"], "version"
            dropped = sorted({*many.labels, "version"} - {"instance"})
        else:
            on = self.rng.sample(sorted(many.labels), self.rng.randrange(len(many.labels)))
            other = many if self.chance(0.6) else self.pair()[1]
            on = [label for label in on if label in other.labels]
            one = Expr(f"{self.sums()} by ({', '.join(on)}) ({self.form(other)})", tuple(on))
            include = self.rng.choice(("", "", "zone", *sorted({*many.labels} - {*on})))
            dropped = sorted({*many.labels} - {*on})
        clause = f"on ({', '.join(on)})" if matching == "on" else f"ignoring ({', '.join(dropped)})"
        modifier = f"{clause} {side}" + (f" ({include})" if include else self.chance(0.3) * " ()")
        if operator in COMPARISONS and self.chance(0.4):
            modifier = f"bool {modifier}"
        sides = (left, one) if side == "group_left" else (one, left)
        drawn = self.between(operator, *sides, modifier)
        return Expr(
            drawn.text, (*many.labels, *filter(None, [include])), odd=True, compound=True,
            rough=drawn.rough,
        )  # fmt: skip

    def combined(self, operator: str) -> Expr:
        """Join two vectors by a set operator."""
        left, right, shared = self.alike()
        if self.chance(0.4):
            right = self.filtered(self.rng.choice(COMPARISONS), right)
        if self.chance(0.3):
            left = self.filtered(self.rng.choice(COMPARISONS), left)
        modifier = ""
        if shared and self.chance(0.55):
            kept = self.rng.sample(shared, self.rng.randrange(len(shared) + 1))
            rest = sorted({*left.labels, *right.labels} - set(kept))
            modifier = self.rng.choice((f"on ({', '.join(kept)})", f"ignoring ({', '.join(rest)})"))
        drawn = self.between(operator, left, right, modifier)
        labels = left.labels
        if operator == "or":
            labels = tuple(sorted({*left.labels, *right.labels}))
        return Expr(drawn.text, labels, rough=drawn.rough, odd=True, compound=True)

    def chain(self) -> Expr:
        """Several operators without parentheses: precedence and associativity."""
        vector = self.instant(moved=0)
        count = self.rng.randrange(2, 5)
        others = ("2", "3", "0.5", "7", "-2", vector.text, "time()", "10")
        terms = self.rng.choices(others, k=count)
        terms.insert(self.rng.randrange(count + 1), vector.text)
        # A power's last bit decides the remainder of a large number: one of them, not both.
        without = self.rng.choice(({"%"}, {"^", "atan2"}))
        operators = [operator for operator in (*ARITHMETIC, "+", "*") if operator not in without]
        text = self.rng.choice(("", "-", "+")) + terms[0]
        for term in terms[1:]:
            text += f" {self.rng.choice(operators)} {term}"
        if self.chance(0.4):
            text += (
                f" {self.rng.choice(_ORDER)} {'bool ' * self.chance(0.3)}{self.rng.choice(UNMET)}"
            )
            text += f" {self.rng.choice(SETS)} {vector}" if self.chance(0.5) else ""
        return Expr(text, vector.labels, rough=True, odd=True, compound=True)

    def set_chain(self) -> Expr:
        """Three set operators without parentheses."""
        terms = [self.filtered(self.rng.choice(COMPARISONS), self.instant()).text for _ in range(4)]
        text = terms[0]
        for term in terms[1:]:
            text += f" {self.rng.choice(SETS)} {term}"
        return Expr(text, odd=True, compound=True)

    def failing(self) -> Expr:
        """Draw what fails at run time, often: double matches and equal label sets."""
        metric = max(self.data.metrics, key=lambda one: len(one.labels))
        label = self.rng.choice(sorted(metric.labels))
        left, right = self.form(metric), self.form(metric)
        operator = self.rng.choice((*ARITHMETIC, *COMPARISONS))
        texts = (
            f"{left} {operator} on ({label}) {right}",
            f"{left} {operator} on () {right}",
            f"{left} {operator} ignoring ({label}) {right}",
            f"{left} {operator} on ({label}) group_left () {right}",
            f"{left} {operator} on ({label}) group_right () {right}",
            f"sum by ({label}) ({left}) {operator} on () group_left () {right}",
            f'label_replace({left}, "{label}", "same", "", "")',
            f'label_join({left}, "{label}", "")',
            f'-{{__name__=~"{metric.name}|{self.any_metric().name}"}}',
            f'abs({{{label}!=""}})',
            f'rate({{{label}!=""}}[5m])',
            f'count_values("{label}", {left}) {operator} on () {right}',
        )
        return Expr(self.rng.choice(texts), (), rough=True, odd=True, compound=True)
