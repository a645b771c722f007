"""What a series is: a metric name with labels, and the 64-bit fingerprint of both."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

NAME_LABEL = "__name__"


def fingerprint_of(labels: Iterable[tuple[str, str]]) -> int:
    r"""Give the stable 64-bit fingerprint of a full label set.

    BLAKE2b with an 8-byte digest (RFC 7693) over ``name\xffvalue\xff`` of the labels sorted by
    name, the metric name being the label ``__name__``; read as a big-endian integer, so that its
    16 hex digits are the digest's.
    """
    # The surrogate stands for the byte 0xff, which no UTF-8 text holds.
    parts = [text for label in sorted(labels) for text in label]
    raw = ("\udcff".join(parts) + "\udcff").encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big")


def quoted(value: str) -> str:
    r"""Quote a label value as Prometheus' text format does: escapes for ``\``, ``"``, newline."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


@dataclass(frozen=True)
class Series:
    """A metric name and its labels, sorted by label name, without empty values.

    `labels` does not hold ``__name__``. Build one with `Series.of`, which sorts and cleans.
    """

    name: str
    labels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, name: str, labels: Mapping[str, str]) -> "Series":
        """Make a series; a label with an empty value is the same as no label."""
        return cls(name, tuple(sorted((k, v) for k, v in labels.items() if v and k != NAME_LABEL)))

    @cached_property
    def fingerprint(self) -> int:
        """The 64-bit fingerprint over the name and all labels."""
        return fingerprint_of(((NAME_LABEL, self.name), *self.labels))

    @cached_property
    def text(self) -> str:
        """Canonical text, ``name{a="1",b="2"}``; the order between series is by this text."""
        inside = ",".join(f"{name}={quoted(value)}" for name, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name

    @property
    def all_labels(self) -> tuple[tuple[str, str], ...]:
        """The labels with ``__name__``, sorted."""
        return tuple(sorted(((NAME_LABEL, self.name), *self.labels)))

    def __str__(self) -> str:
        return self.text
