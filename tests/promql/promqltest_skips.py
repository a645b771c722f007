"""Why a statement of a promqltest file is out of reach, told by the constructs it uses.

A construct of the text counts only where the expression is refused: what is understood has to be
right. Native histograms and start timestamps count where a selector takes a series that has some.
"""

import re

from promqltest_reader import HISTOGRAMS

from engine.promql.syntax import VectorSelector, walk
from engine.series.identity import NAME_LABEL

DELAYED = "delayed name removal"
NOT_UTF8 = "texts that aren't UTF-8"
CHANGED = "changed since Prometheus 3.14"

_TEXT = re.compile(r"""`[^`]*`|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""")
_CONSTRUCTS = {
    "anchored and smoothed": r"\b(?:anchored|smoothed)\b",
    "fill modifiers": r"\bfill(?:_left|_right)?\s*\(",
    "info()": r"\binfo\s*\(",
    "limit_ratio": r"\blimit_ratio\b",
    "histogram_quantiles()": r"\bhistogram_quantiles\s*\(",
    HISTOGRAMS: r"</|>/",
    "start_timestamp()": r"\bstart_timestamp\s*\(",
    "duration expressions": r"(?i)\[[^\]]*[-+*/%^(][^\]]*\]|\boffset\s+[-+]?\s*(?:\(|[a-z_]+\()",
    "start(), end(), range(), step()": r"(?<!@ )\b(?:start|end|range|step)\s*\(\)",
    "min_of() and max_of()": r"\b(?:min|max)_of\s*\(",
}
_BYTES = re.compile(r"\\x[89a-fA-F]")  # the only such escapes in the files

# What Prometheus' tests expect of an engine whose names are removed from results only at the end,
# which is not the default. Golden answers hold what the default gives.
_DELAYED = frozenset(
    {
        'label_replace(rate({env="1"}[10m]), "my_name", "rate_$1", "__name__", "(.+)")',
        'label_replace(rate({env="1"}[10m]), "__name__", "rate_$1", "__name__", "(.+)")',
        'label_join(rate({env="1"}[10m]), "my_name", "_", "__name__")',
        'label_join(rate({env="1"}[10m]), "__name__", "_", "__name__", "env")',
        'sum(rate({env="1"}[10m])) by (env)',
        (
            'label_replace(sum by (__name__) (rate(metric_total{env="2"}[5m])), '
            '"__name__", "$1", "__name__", "(.+)")'
        ),
        'sum by (__name__) (metric_total{env="1"} or rate(metric_total{env="2"}[5m]))',
        'sum by (__name__) (rate(metric_total{env="2"}[5m]) or metric_total{env="1"})',
    }
)

# The files are of 3.14; in 3.16 and here, `ignoring` ignores __type__ and __unit__ like the name.
_IGNORING = (
    "type_and_unit.test",
    'http_requests_total{group="canary"} / ignoring(group) http_requests_total{group="production"}',
    (),
)


def of_refused(text):
    """Give the reason for which a refused expression may be, or nothing."""
    if _BYTES.search(text):
        return NOT_UTF8
    blanked = _TEXT.sub('""', text)
    return next((why for why, found in _CONSTRUCTS.items() if re.search(found, blanked)), "")


def of_unread(expression, unread):
    """Give the reason for which samples that an expression selects weren't read, or nothing."""
    selectors = [node.selector for node in walk(expression) if isinstance(node, VectorSelector)]
    for labels, reason in unread.items():
        others = dict(labels)
        name = others.pop(NAME_LABEL, "")
        if any(selector.matches(name, others) for selector in selectors):
            return reason
    return ""


def of_different(statement):
    """Give the reason for which an answer isn't the one that is expected, or nothing."""
    if statement.file == "name_label_dropping.test" and statement.expression in _DELAYED:
        return DELAYED
    changed = (statement.file, statement.expression, statement.series) == _IGNORING
    return CHANGED if changed else ""
