"""Environment variables in the configuration: ``${NAME}`` and ``${NAME:-default}``."""

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\{))",
    re.ASCII,
)


def refers(text: str) -> bool:
    """Tell whether `text` takes something from the environment, so that it may be secret."""
    return any(match["name"] for match in _REFERENCE.finditer(text))


def substitute(text: str, environment: Mapping[str, str]) -> str:
    """Put the variables' values in their places; ``$$`` gives ``$``, a lone ``$`` stays.

    The default holds for a variable that is unset or empty, as in a POSIX shell.

    Raises
    ------
    ValueError
        If a variable without default is unset, or a reference is malformed. The message names
        variables, never values.
    """
    return _REFERENCE.sub(lambda match: _value(match, environment), text)


def _value(match: re.Match[str], environment: Mapping[str, str]) -> str:
    if match["dollar"]:
        return "$"
    if match["bad"]:
        raise ValueError("'${' begins no reference; write ${NAME}, ${NAME:-default} or $${")
    name, default = match["name"], match["default"]
    value = environment.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise ValueError(
            f"the environment variable {name} isn't set; set it or write ${{{name}:-default}}"
        )
    return value
