"""The reference of all configuration keys, for the README."""

from collections.abc import Iterator

from engine.config.schema import Config
from engine.config.shapes import Field, ListShape, ScalarShape, StructShape, shape_of


def config_reference() -> str:
    """Give a Markdown table with a row for each key: path, default, meaning.

    ``[]`` in a path stands for each item of a list.
    """
    head = "| key | default | meaning |\n|---|---|---|\n"
    return head + "".join(_rows(shape_of(Config), ""))


def _rows(shape: StructShape, path: str) -> Iterator[str]:
    for field in shape.fields:
        key = f"{path}{field.key}"
        inner = field.shape
        # A section that is always there needs no row of its own.
        if inner.nullable or not isinstance(inner, StructShape):
            meaning = field.meaning.replace("|", "\\|")
            yield f"| `{key}` | {_default(field)} | {meaning} |\n"
        if isinstance(inner, StructShape):
            yield from _rows(inner, f"{key}.")
        elif isinstance(inner, ListShape) and isinstance(inner.item, StructShape):
            yield from _rows(inner.item, f"{key}[].")


def _default(field: Field) -> str:
    if field.required:
        return "required"
    if field.default_text:
        return field.default_text
    if field.default is None or field.default in ((), {}):
        return "none"
    if isinstance(field.shape, ScalarShape):
        return f"`{field.shape.scalar.show(field.default)}`"
    return f"`{field.default}`"
