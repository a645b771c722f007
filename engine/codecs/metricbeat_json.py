"""Metricbeat's events: nested documents, each number of whose metricset is a sample.

``{"@timestamp": "2025-10-09T08:53:20.000Z", "event": {"dataset": "system.cpu"}, "host": {"name":
"web-1"}, "system": {"cpu": {"total": {"norm": {"pct": 0.93}}}}}``.

Names
    ``event.dataset`` names the tree that the event measures, here ``system.cpu``; if there is no
    such object, it is the whole module, here ``system``. (Without a dataset, Beats 6, ``module``
    and ``name`` of the metricset do.) Each number in it is a series named by its dotted path
    with ``_`` for dots, ``system_cpu_total_norm_pct``; truth values are 1 and 0.
Labels
    ``host`` (``host.name``), ``service_type``, ``service_address``, ``process_name``,
    ``process_pid``, and what tells the tree's objects apart: its strings down to three levels,
    named by their path below the tree (``mount_point``), as well as integers called ``id`` or
    ``pid``. The first five win over strings of the tree.
Passed over
    Nulls and arrays. An event without numbers gives no rows and is no fault.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

import re2

from engine.codecs.json_documents import (
    Document,
    Row,
    checked_labels,
    is_number,
    is_text,
    leaves_of,
    read_documents,
    rfc3339_timestamp_ns,
)
from engine.codecs.samples import Limits, RejectedError, Sample
from engine.series.columns import Reject

_LABEL_DEPTH_MAX = 3
_IDENTITY_KEYS = ("id", "pid")
_SHARED_LABELS = {
    "host": ("host", "name"),
    "service_type": ("service", "type"),
    "service_address": ("service", "address"),
    "process_name": ("process", "name"),
    "process_pid": ("process", "pid"),
}


def read_metricbeat(
    payload: bytes, index: int, limits: Limits, fields: tuple[str, ...] = ()
) -> tuple[list[Sample], list[Reject]]:
    """Read one message strictly.

    Parameters
    ----------
    payload : bytes
    index : int
        What the rejects say of the message's place.
    limits : Limits
    fields : tuple of str
        If given, the numbers to take from anywhere in the event, instead of those of the dataset's
        tree: dotted paths, each with all below it, where ``*`` stands for any characters. Labels
        stay those of the tree.
    """
    return read_documents(payload, index, limits, partial(_read_event, fields=fields))


def _read_event(event: Document, limits: Limits, *, fields: tuple[str, ...]) -> list[Row]:
    path = _tree_path(event)
    timestamp_ns = rfc3339_timestamp_ns(event.get("@timestamp"), "@timestamp")
    tree = _at(event, path)
    leaves = list(leaves_of(tree, limits, path)) if isinstance(tree, dict) else []
    labels: dict[str, str] = {}
    numbers: list[tuple[tuple[str, ...], Any]] = []
    for leaf, value in leaves:
        below = leaf[len(path) :]
        if _is_identity(below, value):
            labels["_".join(below)] = str(value)
        elif is_number(value):
            numbers.append((leaf, value))
    if fields:
        numbers = list(_allowed(event, limits, fields))
    if not numbers:
        return []
    shared = checked_labels(labels | _shared_labels(event), limits)
    return [Row("_".join(leaf), shared, timestamp_ns, value) for leaf, value in numbers]


def _tree_path(event: Document) -> tuple[str, ...]:
    """Find where the event's numbers are."""
    dataset = _at(event, ("event", "dataset"))
    if not is_text(dataset):
        parts = _at(event, ("metricset", "module")), _at(event, ("metricset", "name"))
        if not all(map(is_text, parts)):
            raise RejectedError("schema_error", "event.dataset is missing or no string")
        dataset = ".".join(parts)
    path = tuple(dataset.split("."))
    return path if isinstance(_at(event, path), dict) else path[:1]


def _at(event: Document, path: tuple[str, ...]) -> Any:
    """Give what is at a path, None if there is nothing."""
    value: Any = event
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _is_identity(below: tuple[str, ...], value: object) -> bool:
    """Tell whether a leaf names its object rather than measures it."""
    if len(below) > _LABEL_DEPTH_MAX:
        return False
    return is_text(value) or (type(value) is int and below[-1] in _IDENTITY_KEYS)


def _shared_labels(event: Document) -> dict[str, str]:
    """Give the labels that events of every module may have."""
    found = {label: _at(event, path) for label, path in _SHARED_LABELS.items()}
    return {
        label: str(value) for label, value in found.items() if is_text(value) or type(value) is int
    }


def _allowed(
    event: Document, limits: Limits, fields: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give the numbers of an event whose paths are allowed."""
    matches = _matcher(fields)
    for leaf, value in leaves_of(event, limits):
        if is_number(value) and matches(".".join(leaf)):
            yield leaf, value


@lru_cache(maxsize=64)
def _matcher(fields: tuple[str, ...]) -> Callable[[str], object]:
    """Make one pattern of the paths; what is below a path matches too."""
    paths = "|".join(re2.escape(field).replace(r"\*", ".*") for field in fields)
    # RE2, since a key of an event may be so long that backtracking would not end.
    matches: Callable[[str], object] = re2.compile(rf"(?s)(?:{paths})(?:\..*)?").fullmatch
    return matches
