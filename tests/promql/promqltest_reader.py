"""Reads promqltest files, the language in which Prometheus tests its own PromQL engine.

A file is a list of statements: `clear`, `load <step>` with a series in each line below it, and
`eval instant at <time> <expression>` or `eval range from <time> to <time> step <step>
<expression>` with what is expected below it; an empty line or a comment ends each. Source of the
rules: Prometheus, ``promql/promqltest/test.go``.
"""

import re
from dataclasses import dataclass, field, replace

from engine.config.durations import parse_duration
from engine.promql.matrix import Labels
from engine.rules.go_literals import parse_number, unquote
from engine.rules.series_notation import DescribedSeries, NativeHistogramError, parse_series

_LOAD = re.compile(r"load(?:_(with_nhcb))?\s+(.+)", re.ASCII)
_INSTANT = re.compile(r"eval(?:_(fail|warn|ordered|info))?\s+instant\s+at\s+(.+?)\s+(.+)", re.ASCII)
_RANGE = re.compile(
    r"eval(?:_(fail|warn|info))?\s+range\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+?)\s+(.+)", re.ASCII
)
_EXPECT = re.compile(
    r"expect\s+(ordered|fail|warn|no_warn|info|no_info)(?:\s+(regex|msg):(.+))?", re.ASCII
)
_EXPECT_RANGE = re.compile(r"expect range vector\s+from\s+(.+)\s+to\s+(.+)\s+step\s+(.+)", re.ASCII)
_OLD_FAIL = re.compile(r"expected_fail_(message|regexp)\s+(.+)", re.ASCII)
_UNREAD_VALUES = re.compile(r"@st[ \t]|[ \t][^ \t]*\{\{")
_START_TIMES = re.compile(r"\S*@st[ \t]")

HISTOGRAMS = "native histograms"
START_TIMES = "start timestamps (@st)"


@dataclass(frozen=True, kw_only=True)
class Clear:
    """Forget all series."""

    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Load:
    """Store series, whose values stand at 0, step, 2 steps, ...

    `nhcb` (`load_with_nhcb`) asks for native histograms of the classic ones, too. `unsupported`
    says what of it could not be read, such as "native histograms"; `unread` says it of each label
    set. Both are empty otherwise.
    """

    file: str
    line: int
    step_ns: int
    series: tuple[DescribedSeries, ...] = ()
    nhcb: bool = False
    unsupported: str = ""
    unread: dict[Labels, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Expectation:
    """A line `expect fail`, `warn`, `no_warn`, `info`, `no_info` or `ordered`.

    With neither a message (to be met exactly) nor a regular expression (to be found somewhere in
    it), any message is fine.
    """

    kind: str
    message: str = ""
    regex: str = ""

    def accepts(self, message):
        if self.message:
            return message == self.message
        return re.search(self.regex, message) is not None


@dataclass(frozen=True, kw_only=True)
class Eval:
    """Evaluate an expression and compare.

    An instant query is evaluated at `end_ns`, and `step_ns` is 0, except where a range vector is
    expected. The values of `series` stand at `start_ns`, `start_ns + step_ns`, ...; those of an
    instant vector are one each. `scalar` and `string` are None where none is expected.
    """

    file: str
    line: int
    expression: str
    is_range: bool
    start_ns: int
    end_ns: int
    step_ns: int
    expectations: tuple[Expectation, ...] = ()
    series: tuple[DescribedSeries, ...] = ()
    scalar: float | None = None
    string: str | None = None
    range_vector: bool = False
    unsupported: str = ""

    def expected(self, kind):
        """Give the expectations of a kind."""
        return [item for item in self.expectations if item.kind == kind]

    @property
    def fails(self):
        return bool(self.expected("fail"))

    @property
    def ordered(self):
        return bool(self.expected("ordered"))


def read_promqltest(text, file):
    """Give the statements of a file; a mistake is a ValueError with file and line."""
    lines = [_without_comment(line) for line in text.split("\n")]
    statements, at = [], 0
    while at < len(lines):
        if lines[at]:
            first = at
            try:
                statement, at = _statement(lines, at, file)
            except ValueError as error:
                raise ValueError(f"{file}:{first + 1}: {error}") from error
            statements.append(statement)
        else:
            at += 1
    return statements


def _without_comment(line):
    stripped = line.strip()
    return "" if stripped.startswith("#") else stripped


def _statement(lines, at, file):
    """Read the statement that begins at a line; give the line behind it, too."""
    word = lines[at].split(maxsplit=1)[0].lower()
    if word == "clear":
        return Clear(file=file, line=at + 1), at + 1
    if word.startswith("load"):
        return _load(lines, at, file)
    if word.startswith("eval"):
        return _eval(lines, at, file)
    raise ValueError(f"unknown statement {lines[at]!r}")


def _load(lines, at, file):
    found = _LOAD.fullmatch(lines[at])
    if found is None:
        raise ValueError("write `load <step>`")
    line, series, unread = at + 1, {}, {}
    at += 1
    while at < len(lines) and lines[at]:
        reason = START_TIMES if _START_TIMES.match(lines[at]) else _add_series(lines[at], series)
        if reason:
            unread[_labels_of_unread(lines[at])] = reason
        at += 1
    return Load(
        file=file,
        line=line,
        step_ns=parse_duration(found[2]),
        series=tuple(series.values()),
        nhcb=found[1] is not None,
        unsupported=", ".join(sorted(set(unread.values()))),
        unread=unread,
    ), at


def _add_series(text, series):
    """Add a series by its labels; of two with equal labels, the later one counts.

    Gives what isn't supported about it, or nothing.
    """
    try:
        found = parse_series(text)
    except NativeHistogramError:
        return HISTOGRAMS
    series.pop(found.labels, None)
    series[found.labels] = found
    return ""


def _labels_of_unread(text):
    """Give the labels in front of values that can't be read."""
    return parse_series(_UNREAD_VALUES.split(text, maxsplit=1)[0] + " _").labels


def _eval(lines, at, file):
    statement = _query(lines[at], at + 1, file)
    series, unsupported, at = {}, "", at + 1
    while at < len(lines) and lines[at]:
        line = lines[at]
        at += 1
        if statement.fails and (found := _OLD_FAIL.fullmatch(line)):
            key = {"message": "message", "regexp": "regex"}[found[1]]
            statement = _expecting(statement, Expectation("fail", **{key: found[2]}))
            break
        if line.startswith("expect range vector"):
            statement = _with_range_vector(statement, line)
        elif line.startswith("expect string"):
            statement = replace(
                statement, string=unquote(line.removeprefix("expect string").strip())
            )
        elif line.split(" ")[0] == "expect":
            statement = _expecting(statement, _expectation(line))
        elif (number := _number(line)) is not None:
            statement = replace(statement, scalar=number)
            break
        else:
            unsupported = _add_series(line, series) or unsupported
    _check_lengths(statement, series.values())
    return replace(statement, series=tuple(series.values()), unsupported=unsupported), at


def _query(text, line, file):
    """Read the line of an eval."""
    if found := _INSTANT.fullmatch(text):
        old, at, expression = found.groups()
        start_ns = end_ns = parse_duration(at)
        step_ns = 0
    elif found := _RANGE.fullmatch(text):
        old, *times, expression = found.groups()
        start_ns, end_ns, step_ns = _times(*times)
    else:
        raise ValueError(
            "write `eval instant at <time> ...` or `eval range from ... to ... step ...`"
        )
    return Eval(
        file=file,
        line=line,
        expression=expression,
        is_range=found.re is _RANGE,
        start_ns=start_ns,
        end_ns=end_ns,
        step_ns=step_ns,
        expectations=(Expectation(old),) if old else (),
    )


def _times(start, end, step):
    start_ns, end_ns, step_ns = (parse_duration(time) for time in (start, end, step))
    if end_ns < start_ns:
        raise ValueError(f"the end {end} is before the start {start}")
    return start_ns, end_ns, step_ns


def _with_range_vector(statement, line):
    found = _EXPECT_RANGE.fullmatch(line)
    if found is None or statement.is_range:
        raise ValueError("write `expect range vector from ... to ... step ...` of an instant query")
    start_ns, end_ns, step_ns = _times(*found.groups())
    return replace(statement, start_ns=start_ns, end_ns=end_ns, step_ns=step_ns, range_vector=True)


def _expectation(line):
    found = _EXPECT.fullmatch(line)
    if found is None:
        raise ValueError(f"unknown expectation {line!r}")
    kind, match, text = found[1], found[2], (found[3] or "").strip()
    return Expectation(
        kind, message=text if match == "msg" else "", regex=text if match == "regex" else ""
    )


def _expecting(statement, expectation):
    # What says more takes the place of what an old `eval_fail` says.
    kept = [
        item
        for item in statement.expectations
        if item.kind != expectation.kind or item.message or item.regex
    ]
    kinds = {item.kind for item in kept} | {expectation.kind}
    for kind in ("warn", "info"):
        if {kind, f"no_{kind}"} <= kinds:
            raise ValueError(f"{kind} and no_{kind} cannot be expected together")
    if expectation.kind == "fail" and any(item.kind == "fail" for item in kept):
        raise ValueError("only one failure can be expected")
    return replace(statement, expectations=(*kept, expectation))


def _number(line):
    try:
        return parse_number(line)
    except ValueError:
        return None


def _check_lengths(statement, series):
    """Refuse more values than the query can have; Prometheus does so when it compares."""
    steps = 0
    if statement.step_ns:
        steps = (statement.end_ns - statement.start_ns) // statement.step_ns
    for item in series:
        if len(item.kind) > steps + 1:
            raise ValueError(f"{len(item.kind)} values are expected, {steps + 1} can be")
