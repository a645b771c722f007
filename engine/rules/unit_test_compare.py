"""Compares what a rule test expects with what came out, and says in which parts they differ."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

from engine.promql.matrix import Labels
from engine.rules.unit_test_model import AlertInstance, VectorSample
from engine.series.identity import NAME_LABEL, quoted

Item = TypeVar("Item", AlertInstance, VectorSample)

_PAIRED_MAX = 200  # items of each side whose nearest counterparts are looked for
_SHOWN_MAX = 72  # characters of a text
_CONTEXT = 16  # characters that are shown before the first difference of long texts
_CLOSE = 1e-6
_LABEL_WEIGHT = 1000  # more than an item has of annotations
_TOO_FEW = "which is equal, but is another one's counterpart"


def compare_alerts(expected: Sequence[AlertInstance], got: Sequence[AlertInstance]) -> list[str]:
    """Compare firing alerts, whose order doesn't matter.

    Parameters
    ----------
    expected, got : sequence of AlertInstance
        Of one alert name.

    Returns
    -------
    list of str
        Lines of text on what differs; empty if all labels and annotations are equal.

    References
    ----------
    Prometheus, ``testGroup.test`` (``cmd/promtool/unittest.go``), whose verdict is the same.
    """
    return _compare(
        _Wording("alert", "fires", "doesn't fire"),
        expected,
        got,
        equal=lambda one, other: one == other,
        differences=_alert_differences,
    )


def compare_samples(
    expected: Sequence[VectorSample], got: Sequence[VectorSample], *, fuzzy: bool = False
) -> list[str]:
    """Compare the samples of an instant vector, whose order doesn't matter.

    Parameters
    ----------
    expected, got : sequence of VectorSample
        A scalar is one sample without labels.
    fuzzy : bool
        Whether a value may be the next float64 beside the expected one (``fuzzy_compare``).

    Returns
    -------
    list of str
        Lines of text on what differs; empty if there is nothing. NaN equals no value, not even
        NaN, as in promtool.

    References
    ----------
    Prometheus, ``testGroup.test`` (``cmd/promtool/unittest.go``), whose verdict is the same.
    """

    def equal(one: VectorSample, other: VectorSample) -> bool:
        return one.labels == other.labels and _equal_values(one.value, other.value, fuzzy=fuzzy)

    def differences(one: VectorSample, other: VectorSample) -> list[str]:
        found = _label_differences("label", one.labels, other.labels)
        if not _equal_values(one.value, other.value, fuzzy=fuzzy):
            found.append(_value_difference(one.value, other.value))
        return found

    return _compare(
        _Wording("sample", "is in the result", "isn't in the result"),
        expected,
        got,
        equal=equal,
        differences=differences,
    )


@dataclass(frozen=True, slots=True)
class _Wording:
    """What an item is called, and what is said of one that is there or isn't."""

    noun: str
    present: str
    absent: str


def _compare(
    wording: _Wording,
    expected: Sequence[Item],
    got: Sequence[Item],
    *,
    equal: Callable[[Item, Item], bool],
    differences: Callable[[Item, Item], list[str]],
) -> list[str]:
    missing, unexpected = _without_equals(expected, got, equal)
    pairs = _nearest_pairs(missing, unexpected, differences)
    taken = set(pairs.values())
    lines = []
    for place, other in sorted(pairs.items()):
        item = missing[place]
        lines.append(f"{wording.noun} {_text(item.labels)} differs:")
        lines += _indented(differences(item, unexpected[other]))
    for item in (item for place, item in enumerate(missing) if place not in pairs):
        lines.append(f"{wording.noun} {_text(item.labels)} {wording.absent}, but is expected")
        near = _nearest(item, got, differences)
        if near is not None:
            lines.append(f"    nearest that {wording.present}: {_text(near.labels)}")
            lines += _indented(differences(item, near) or [_TOO_FEW])
    for item in (item for place, item in enumerate(unexpected) if place not in taken):
        lines.append(f"{wording.noun} {_text(item.labels)} {wording.present} unexpectedly")
        near = _nearest(item, expected, lambda one, other: differences(other, one))
        if near is not None:
            lines.append(f"    nearest that is expected: {_text(near.labels)}")
            lines += _indented(differences(near, item) or [_TOO_FEW])
    return lines


def _without_equals(
    expected: Sequence[Item], got: Sequence[Item], equal: Callable[[Item, Item], bool]
) -> tuple[list[Item], list[Item]]:
    """Take out pairs of equal items; each item is in one pair at most."""
    by_labels: dict[Labels, list[Item]] = {}
    for item in got:
        by_labels.setdefault(item.labels, []).append(item)
    missing = []
    for item in expected:
        candidates = by_labels.get(item.labels, [])
        place = next((k for k, other in enumerate(candidates) if equal(item, other)), None)
        if place is None:
            missing.append(item)
        else:
            del candidates[place]
    return missing, [item for items in by_labels.values() for item in items]


def _nearest_pairs(
    missing: list[Item], unexpected: list[Item], differences: Callable[[Item, Item], list[str]]
) -> dict[int, int]:
    """Pair items so that the pairs differ little; give places in `unexpected` by `missing`."""
    distances = [
        [_distance(differences(one, other)) for other in unexpected[:_PAIRED_MAX]]
        for one in missing[:_PAIRED_MAX]
    ]
    ranked = sorted((value, i, k) for i, row in enumerate(distances) for k, value in enumerate(row))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, k in ranked:
        if i not in pairs and k not in taken:
            pairs[i] = k
            taken.add(k)
    # The nearest first may leave the last with a far one: exchange where both together gain.
    for i, j in combinations(sorted(pairs), 2):
        before = distances[i][pairs[i]] + distances[j][pairs[j]]
        if distances[i][pairs[j]] + distances[j][pairs[i]] < before:
            pairs[i], pairs[j] = pairs[j], pairs[i]
    return pairs


def _nearest(
    item: Item, others: Sequence[Item], differences: Callable[[Item, Item], list[str]]
) -> Item | None:
    """Give the item of the other side with the fewest differences, None if there is no item."""
    candidates = others[:_PAIRED_MAX]
    return min(candidates, key=lambda other: _distance(differences(item, other)), default=None)


def _distance(differences: list[str]) -> int:
    """Weigh differences: labels say what an item is, the rest only what it tells."""
    labels = sum(line.startswith("label ") for line in differences)
    return _LABEL_WEIGHT * labels + len(differences) - labels


def _alert_differences(expected: AlertInstance, got: AlertInstance) -> list[str]:
    labels = _label_differences("label", expected.labels, got.labels)
    return labels + _label_differences("annotation", expected.annotations, got.annotations)


def _label_differences(kind: str, expected: Labels, got: Labels) -> list[str]:
    ours, theirs = dict(expected), dict(got)
    found = []
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            one, other = _shown(ours.get(name), theirs.get(name))
            found.append(f"{kind} {name}: expected {one}, got {other}")
    return found


def _value_difference(expected: float, got: float) -> str:
    line = f"value: expected {_number(expected)}, got {_number(got)}"
    if math.isnan(expected) and math.isnan(got):
        return line + " (NaN equals nothing; compare `x != bool x`, which is 1 for NaN)"
    if _equal_values(expected, got, fuzzy=True):
        return line + " (the next float64; `fuzzy_compare: true` accepts it)"
    if math.isclose(expected, got, rel_tol=_CLOSE):
        return line + f" (off by {abs(got - expected) / abs(expected):.2g} of it)"
    return line


def _equal_values(expected: float, got: float, *, fuzzy: bool) -> bool:
    if fuzzy and got in {math.nextafter(expected, -math.inf), math.nextafter(expected, math.inf)}:
        return True
    return expected == got


def _shown(expected: str | None, got: str | None) -> tuple[str, str]:
    """Quote both texts; of long ones, show where they begin to differ."""
    start = 0
    if expected is not None and got is not None and max(len(expected), len(got)) > _SHOWN_MAX:
        pairs = zip(expected, got, strict=False)
        same = next((k for k, (one, other) in enumerate(pairs) if one != other), None)
        start = max((min(len(expected), len(got)) if same is None else same) - _CONTEXT, 0)
    return _excerpt(expected, start), _excerpt(got, start)


def _excerpt(text: str | None, start: int) -> str:
    if text is None:
        return "none"
    end = start + _SHOWN_MAX
    return ("..." if start else "") + quoted(text[start:end]) + ("..." if len(text) > end else "")


def _text(labels: Labels) -> str:
    """Give a label set as PromQL writes it."""
    name = dict(labels).get(NAME_LABEL, "")
    inside = ", ".join(f"{key}={quoted(value)}" for key, value in labels if key != NAME_LABEL)
    return f"{name}{{{inside}}}" if inside or not name else name


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value).removesuffix(".0")


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
