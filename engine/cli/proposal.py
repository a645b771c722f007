"""The configuration that ``streamgauge init`` proposes, as text with comments."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from engine.config.durations import MINUTE_NS, SECOND_NS, format_duration
from engine.config.schema import RulesConfig, TimeConfig

# Steps that people would choose. A larger lateness holds every alert back as long.
_LATENESS_STEPS_NS = (
    *(5 * SECOND_NS, 10 * SECOND_NS, 15 * SECOND_NS, 30 * SECOND_NS),
    *(MINUTE_NS, 2 * MINUTE_NS, 5 * MINUTE_NS),
)
_MARGIN = 1.5  # a look does not see the worst
_LOOKBACK_INTERVALS = 3  # two samples may be missing
_BARE_NAME = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What was seen, as far as the configuration depends on it.

    Attributes
    ----------
    file : str
        Name of the configuration, for the commands in its comments.
    source, sink : tuple of str
        Lines of the entry in `sources` and in `sinks`.
    seen : tuple of (str, str)
        What was seen, for people: names and values.
    metrics : tuple of str
        Metric names.
    interval_ns : int or None
        Usual distance of samples in a series.
    out_of_order_ns : int
        How far samples lay behind earlier ones at most.
    """

    file: str
    source: tuple[str, ...]
    sink: tuple[str, ...]
    seen: tuple[tuple[str, str], ...]
    metrics: tuple[str, ...]
    interval_ns: int | None
    out_of_order_ns: int

    def text(self) -> str:
        """Give the whole file."""
        return text_of(
            head_lines(self.file, self.seen),
            ["sources:", *entry(self.source)],
            time_lines(self.out_of_order_ns),
            self._detectors(),
            self._rules(),
            ["sinks:", *entry(self.sink)],
            state_lines(),
        )

    def _detectors(self) -> list[str]:
        return [
            "detectors:",
            "  - match: '{__name__=~\".+\"}'   # a PromQL selector; this one takes every series",
            "    false_alarms_per_day: 1     # for all of them together",
            *self._lookback(4),
        ]

    def _rules(self) -> list[str]:
        example = _selector(self.metrics[0]) if self.metrics else "up"
        return [
            "rules:",
            "  interval: 1m                  # for rule groups that name none",
            *self._lookback(2),
            *example_lines(f"avg_over_time({example}[5m]) > 0.9"),
        ]

    def _lookback(self, indent: int) -> list[str]:
        """Give the key that lets samples count until the next one, where they are rare."""
        if self.interval_ns is None or self.interval_ns <= RulesConfig().lookback_ns:
            return []
        lookback_ns = round(_LOOKBACK_INTERVALS * self.interval_ns / SECOND_NS) * SECOND_NS
        return [f"{'':{indent}}lookback: {format_duration(lookback_ns)}  # samples are rare"]


def text_of(*parts: Sequence[str]) -> str:
    """Put the parts of a file together."""
    return "\n".join("\n".join(part) + "\n" for part in parts)


def head_lines(file: str, seen: Sequence[tuple[str, str]]) -> list[str]:
    """Give the comment that a file begins with."""
    return [
        "# Written by `streamgauge init` after a look at what is there:",
        "#",
        *(f"#   {name}: {shown(value)}" for name, value in seen),
        "#",
        f"# Check it with `streamgauge check {shown(file)}`. Every key has a default;",
        "# `streamgauge schema` prints them all, as JSON Schema that editors complete from.",
        "# ${NAME} in a value is taken from the environment, ${NAME:-default}, too.",
    ]


def time_lines(out_of_order_ns: int) -> list[str]:
    """Give the section of event time."""
    lateness_ns = suggested_lateness_ns(out_of_order_ns)
    comment = "  # What comes later than this goes to the dead letters; alerts wait as long."
    lines = ["time:", comment, f"  lateness: {format_duration(lateness_ns)}"]
    if out_of_order_ns >= lateness_ns:
        behind = format_duration(-(-out_of_order_ns // SECOND_NS) * SECOND_NS)
        lines.insert(2, f"  # Some samples came up to {behind} late: they are lost, as it stands.")
    return lines


def example_lines(expression: str) -> list[str]:
    """Give an example of a rule file, as a comment."""
    return [
        "  # Prometheus rule files, as globs relative to this file's folder:",
        "  # files: [rules/*.yaml]",
        "  #",
        "  # with, for example, in rules/first.yaml:",
        "  #   groups:",
        "  #     - name: first",
        "  #       rules:",
        "  #         - alert: FirstRule",
        f"  #           expr: {quoted(expression)}",
        "  #           for: 2m",
    ]


def state_lines() -> list[str]:
    """Give the section of the state."""
    return ["state:", "  dir: var/state                # relative to the working directory"]


def suggested_lateness_ns(out_of_order_ns: int) -> int:
    """Give a lateness that loses nothing of what was seen, up to the longest that is sensible."""
    if out_of_order_ns < TimeConfig().lateness_ns / _MARGIN:
        return TimeConfig().lateness_ns
    wanted_ns = out_of_order_ns * _MARGIN
    return next((step for step in _LATENESS_STEPS_NS if step > wanted_ns), _LATENESS_STEPS_NS[-1])


def kafka_lines(brokers: str, *lines: str) -> tuple[str, ...]:
    """Give the lines of a Kafka source or sink; `lines` are those beside the brokers."""
    return (
        "kafka:",
        f"  brokers: {quoted(brokers)}",
        *(f"  {line}" for line in lines),
    )


def path_lines(kind: str, path: str, comment: str) -> tuple[str, ...]:
    """Give the lines of a recording or folder."""
    return (f"{kind}:", f"  path: {quoted(path)}   # {comment}")


def entry(lines: tuple[str, ...]) -> list[str]:
    """Indent the lines as an entry of a list."""
    return [f"  {'  ' if number else '- '}{line}" for number, line in enumerate(lines)]


def quoted(text: str) -> str:
    """Quote text for YAML; a $ in it stands for itself."""
    return json.dumps(text.replace("$", "$$"), ensure_ascii=not text.isprintable())


def shown(text: str) -> str:
    """Give text that is safe in a comment: no line breaks and no control characters."""
    return text if text.isprintable() else json.dumps(text)


def _selector(name: str) -> str:
    return name if _BARE_NAME.fullmatch(name) else f"{{__name__={json.dumps(name)}}}"
