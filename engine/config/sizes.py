"""Sizes in bytes: ``1MiB``, ``64KiB``, ``500kB``, ``1000000``."""

import re

_UNITS_BYTES = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
SIZE_PATTERN = f"[0-9]+({'|'.join(unit for unit in _UNITS_BYTES if unit)})?"
_SIZE = re.compile("([0-9]+)([A-Za-z]*)", re.ASCII)
_INT64_MAX = 2**63 - 1


def parse_size(text: str) -> int:
    """Read a size: a whole number, alone (bytes) or with a unit of 1000 (kB) or 1024 (KiB).

    Raises
    ------
    ValueError
        If `text` is anything else. The message does not repeat `text`.
    """
    match = _SIZE.fullmatch(text.replace("_", ""))
    if not match or match[2] not in _UNITS_BYTES:
        raise ValueError(f"units are {', '.join(filter(None, _UNITS_BYTES))}")
    size_bytes = int(match[1]) * _UNITS_BYTES[match[2]]
    if size_bytes > _INT64_MAX:
        raise ValueError("it takes 8 EiB at most")
    return size_bytes


def format_size(size_bytes: int) -> str:
    """Write a size with the largest unit of 1024 that says it exactly."""
    for unit in ("GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % _UNITS_BYTES[unit] == 0:
            return f"{size_bytes // _UNITS_BYTES[unit]}{unit}"
    return str(size_bytes)
