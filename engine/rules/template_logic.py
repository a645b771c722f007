"""Comparisons, lengths and indexes in templates, with Go's rules of what goes with what.

Source: the built-in functions of Go's `text/template` (`funcs.go`). Unlike Python's, they don't
compare a float64 with an int.
"""

from collections.abc import Mapping

from engine.rules.go_format import Directive, Value, type_name
from engine.rules.template_values import Arguments, Byte, SafeText

_KINDS = {"bool": "bool", "int": "int", "uint8": "uint", "float64": "float", "string": "string"}
_KIND_OF_SAFE_TEXT = "string"
_STRING = Directive("s")
_PLAIN = Directive("v")


def is_true(value: Value) -> bool:
    """Tell whether a value counts as true: not zero, not empty, not nil; NaN does."""
    if isinstance(value, str | Mapping):
        return len(value) > 0
    if isinstance(value, bool | int | float):
        return value != 0
    return value is not None


def equal(first: Value, *others: Value) -> bool:
    """Tell whether the first is equal to any of the others (`eq`)."""
    if not others:
        raise ValueError("missing argument for comparison")
    return any(_equal_pair(first, other) for other in others)


def not_equal(first: Value, second: Value) -> bool:
    """`ne`."""
    return not equal(first, second)


def less(first: Value, second: Value) -> bool:
    """`lt`."""
    kinds = _kind(first), _kind(second)
    if not all(kinds) or kinds == ("bool", "bool"):
        raise ValueError("invalid type for comparison")
    if kinds[0] != kinds[1] and set(kinds) != {"int", "uint"}:
        raise _incompatible(first, second)
    return bool(first < second)  # type: ignore[operator] # both are numbers, or both text


def less_or_equal(first: Value, second: Value) -> bool:
    """`le`."""
    return less(first, second) or equal(first, second)


def greater(first: Value, second: Value) -> bool:
    """`gt`; as in Go not (first <= second), so that it holds for NaN."""
    return not less_or_equal(first, second)


def greater_or_equal(first: Value, second: Value) -> bool:
    """`ge`; as in Go not (first < second), so that it holds for NaN."""
    return not less(first, second)


def negated(value: Value) -> bool:
    """`not`."""
    return not is_true(value)


def length(value: Value) -> int:
    """Count a text's bytes or a map's entries (`len`)."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return len(value)
    if value is None:
        raise ValueError("reflect: call of reflect.Value.Type on zero Value")
    raise ValueError(f"len of type {type_name(value).removeprefix('*')}")


def index(item: Value, *keys: Value) -> Value:
    """Take an entry of a map, or a byte of a text."""
    if item is None:
        raise ValueError("index of untyped nil")
    for key in keys:
        item = _entry(item, key)
    return item


def sliced(item: Value, *bounds: Value) -> str:
    """Take the bytes of a text from the first bound up to, not including, the second (`slice`)."""
    if item is None:
        raise ValueError("slice of untyped nil")
    if len(bounds) > 3:
        raise ValueError(f"too many slice indexes: {len(bounds)}")
    if not isinstance(item, str):
        raise ValueError(f"can't slice item of type {type_name(item).removeprefix('*')}")  # noqa: TRY004 # its text is shown to users
    if len(bounds) == 3:
        raise ValueError("cannot 3-index slice a string")
    raw = item.encode()
    places = [_place(bound, len(raw)) for bound in bounds]
    start = places[0] if places else 0
    end = places[1] if len(places) > 1 else len(raw)
    if start > end:
        raise ValueError(f"invalid slice index: {start} > {end}")
    text = raw[start:end].decode(errors="replace")
    return SafeText(text) if isinstance(item, SafeText) else text


def _entry(item: Value, key: Value) -> Value:
    if isinstance(item, str):
        raw = item.encode()
        place = _place(key, len(raw))
        if place == len(raw):
            raise ValueError("reflect: string index out of range")
        return Byte(raw[place])
    if isinstance(item, Mapping):
        if key is None:
            raise ValueError("value is nil; should be of type string")
        if type_name(key) != "string":
            raise ValueError(f"value has type {type_name(key)}; should be string")
        return item.get(str(key), None if isinstance(item, Arguments) else "")
    if item is None:
        raise ValueError("index of nil pointer")
    raise ValueError(f"can't index item of type {type_name(item).removeprefix('*')}")


def _place(key: Value, size: int) -> int:
    if key is None:
        raise ValueError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise ValueError(f"cannot index slice/array with type {type_name(key)}")  # noqa: TRY004 # its text is shown to users
    if not 0 <= key <= size:
        raise ValueError(f"index out of range: {key}")
    return key


def _equal_pair(first: Value, second: Value) -> bool:
    kinds = _kind(first), _kind(second)
    if kinds[0] != kinds[1]:
        if first is None or second is None:
            return False
        if set(kinds) != {"int", "uint"}:
            raise _incompatible(first, second)
        return first == second
    if kinds[0]:
        return first == second
    if first is None or second is None:
        return first is second
    if type_name(first).startswith("*"):
        return first is second  # pointers are equal if they point to the same
    if type_name(first)[:3] != type_name(second)[:3]:
        raise ValueError(
            f"non-comparable types {_STRING.format(first)}: {type_name(first)}, "
            f"{type_name(second)}: {_PLAIN.format(second)}"
        )
    raise ValueError(f"non-comparable type {_STRING.format(second)}: {type_name(second)}")


def _kind(value: Value) -> str:
    return _KIND_OF_SAFE_TEXT if isinstance(value, SafeText) else _KINDS.get(type_name(value), "")


def _incompatible(first: Value, second: Value) -> ValueError:
    names = type_name(first), type_name(second)
    return ValueError(f"incompatible types for comparison: {names[0]} and {names[1]}")
