"""Functions of one vector at one tick, slow and obvious: dictionaries from labels to values."""

import datetime as dt
import math

FAILED = "failed"
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ERA_S = 146_097 * 86_400  # 400 years
# Go's time package: years from -292277022400 on, in unsigned seconds.
GO_FIRST_S = (292_277_022_400 // 400) * ERA_S + 306 * 86_400 + 62_135_596_800


def unnamed(vector):
    """Drop metric names; two rows with the same labels are an error."""
    out = {}
    for labels, value in vector.items():
        rest = tuple(item for item in labels if item[0] != "__name__")
        if rest in out:
            return FAILED
        out[rest] = value
    return out


def mapped(function, vector):
    return unnamed({labels: function(value) for labels, value in vector.items()})


def quiet(function, at_limit=None):
    """C's results where Python raises: NaN outside of the domain, infinity beyond the range."""

    def call(x):
        try:
            return float(function(x))
        except ValueError:
            return at_limit(x) if at_limit is not None else math.nan
        except OverflowError:
            return math.copysign(math.inf, x) if function is math.sinh else math.inf

    return call


def log_limit(x):
    return -math.inf if x == 0 else math.nan


def rounding(function):
    return lambda x: math.copysign(function(x), x) if math.isfinite(x) else x


MATHS = {
    "abs": abs,
    "ceil": rounding(math.ceil),
    "floor": rounding(math.floor),
    "sgn": lambda x: x if math.isnan(x) or x == 0 else math.copysign(1.0, x),
    "sqrt": quiet(math.sqrt),
    "exp": quiet(math.exp),
    "ln": quiet(math.log, log_limit),
    "log2": quiet(math.log2, log_limit),
    "log10": quiet(math.log10, log_limit),
    "deg": lambda x: x * (180 / math.pi),
    "rad": lambda x: x * (math.pi / 180),
    "sin": quiet(math.sin),
    "cos": quiet(math.cos),
    "tan": quiet(math.tan),
    "asin": quiet(math.asin),
    "acos": quiet(math.acos),
    "atan": math.atan,
    "sinh": quiet(math.sinh),
    "cosh": quiet(math.cosh),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": quiet(math.acosh),
    "atanh": quiet(math.atanh, lambda x: math.copysign(math.inf, x) if abs(x) == 1 else math.nan),
}


def go_max(a, b):
    if math.inf in {a, b}:
        return math.inf
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return max((a, math.copysign(1, a)), (b, math.copysign(1, b)))[0]


def go_min(a, b):
    return -go_max(-a, -b)


def clamp(vector, minimum, maximum):
    if maximum < minimum:
        return {}
    return mapped(lambda x: go_max(minimum, go_min(maximum, x)), vector)


def rounded(vector, to):
    inverse = math.copysign(math.inf, to) if to == 0 else 1 / to

    def of(x):
        product = x * inverse + 0.5
        below = float(math.floor(product)) if math.isfinite(product) else product
        if below == 0:
            below = math.copysign(0.0, product)
        if inverse == 0:
            if below == 0 or math.isnan(below):
                return math.nan
            return math.copysign(math.inf, below) * math.copysign(1, inverse)
        return below / inverse

    return mapped(of, vector)


def scalar(vector):
    return next(iter(vector.values())) if len(vector) == 1 else math.nan


def calendar_part(name, seconds):
    inside = not math.isnan(seconds) and -(2.0**63) <= seconds < 2.0**63
    whole = int(seconds) if inside else -(2**63)
    whole = (whole + GO_FIRST_S) % 2**64 - GO_FIRST_S
    eras, rest = divmod(whole, ERA_S)
    time = EPOCH + dt.timedelta(seconds=rest)
    first = time.replace(day=1)
    following = (first + dt.timedelta(days=32)).replace(day=1)
    return float(
        {
            "minute": time.minute,
            "hour": time.hour,
            "day_of_week": time.isoweekday() % 7,
            "day_of_month": time.day,
            "day_of_year": time.timetuple().tm_yday,
            "days_in_month": (following - first).days,
            "month": time.month,
            "year": time.year + 400 * eras,
        }[name]
    )


def with_label(labels, name, value):
    return tuple(sorted({**dict(labels), name: value}.items()))


def relabelled(vector, change):
    out = {}
    for labels, value in vector.items():
        changed = tuple(item for item in change(labels) if item[1])
        if changed in out:
            return FAILED
        out[changed] = value
    return out


def histograms(vector):
    """The buckets of each histogram, by its labels without ``le``; bounds must be plain."""
    found = {}
    for labels, count in vector.items():
        bound = dict(labels).get("le")
        if bound is None or (not bound.lstrip("+-")[:1].isdigit() and bound != "+Inf"):
            continue
        buckets = found.setdefault(tuple(item for item in labels if item[0] != "le"), {})
        buckets[float(bound)] = buckets.get(float(bound), 0.0) + count
    return {labels: sorted(buckets.items()) for labels, buckets in found.items()}


def histogram_quantile(q, vector):
    return unnamed(
        {labels: bucket_quantile(q, buckets) for labels, buckets in histograms(vector).items()}
    )


def histogram_fraction(lower, upper, vector):
    return unnamed(
        {
            labels: bucket_fraction(lower, upper, buckets)
            for labels, buckets in histograms(vector).items()
        }
    )


def bucket_quantile(q, buckets):
    if math.isnan(q):
        return math.nan
    if not 0 <= q <= 1:
        return math.copysign(math.inf, q)
    if buckets[-1][0] != math.inf or len(buckets) < 2:
        return math.nan
    counts = [buckets[0][1]]
    for _, count in buckets[1:]:
        noise = counts[-1] == count or (
            counts[-1]
            and count
            and abs(counts[-1] - count) / (abs(counts[-1]) + abs(count)) < 1e-12
        )
        counts.append(counts[-1] if noise or count < counts[-1] else count)
    if counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    inside = next((n for n, count in enumerate(counts) if count >= rank), len(counts) - 1)
    if inside == len(counts) - 1:
        return buckets[-2][0]
    upper = buckets[inside][0]
    if inside == 0:
        return upper if upper <= 0 else divided(upper, rank, counts[0])
    lower, below = buckets[inside - 1][0], counts[inside - 1]
    return lower + (upper - lower) * ((rank - below) / (counts[inside] - below))


def divided(width, rank, count):
    return width * (rank / count) if count else math.nan


def bucket_fraction(lower, upper, buckets):
    total = buckets[-1][1]
    if buckets[-1][0] != math.inf or total == 0 or math.isnan(lower) or math.isnan(upper):
        return math.nan
    if lower >= upper:
        return 0.0
    edges = [-math.inf if buckets[0][0] <= 0 else 0.0, *(bound for bound, _ in buckets)]
    counts = [0.0, *(count for _, count in buckets)]

    def below(number):
        for n in range(len(buckets)):
            if edges[n] >= number:
                return min(counts[n], total)
            if edges[n + 1] > number:
                if edges[n] == -math.inf:
                    return min(counts[n + 1], total)
                share = (counts[n + 1] - counts[n]) * (number - edges[n])
                return min(counts[n] + share / (edges[n + 1] - edges[n]), total)
        return total

    return (below(upper) - below(lower)) / total
