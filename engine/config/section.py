"""What all parts of the configuration have in common."""

from collections.abc import Iterator

from msgspec import Struct


def _key(name: str) -> str:
    return name.removesuffix("_ns").removesuffix("_bytes")


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_key):
    """Base of all parts of the configuration.

    A field's YAML key is its name without the unit: the key ``lateness`` (``5s``) is the field
    `lateness_ns`, the key ``message_size`` (``1MiB``) the field `message_size_bytes`.
    """

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Give the key (or "" for the part as a whole) and the message of each contradiction.

        Messages name keys, never values: those may come from the environment and be secret.
        """
        return iter(())
