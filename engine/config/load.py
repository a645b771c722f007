"""Read the configuration file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from engine.config.convert import Converter
from engine.config.positions import Position, YamlMapping, load_yaml, position_of
from engine.config.schema import Config
from engine.config.shapes import shape_of
from engine.errors import ConfigError, Problem

_NOWHERE = Position(0, 0)  # the whole file is meant


def load_config(
    path: Path | str, *, environment: Mapping[str, str], need_sources: bool = False
) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path : Path or str
        The YAML file, in UTF-8.
    environment : mapping
        Variables for ``${NAME}``; usually `os.environ`.
    need_sources : bool, optional
        Whether a configuration without sources is a mistake: it is for ``run``, not for ``replay``.

    Raises
    ------
    ConfigError
        With all mistakes at once.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, f"can't be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise ConfigError([Problem(str(path), 0, 0, "isn't UTF-8 text")]) from None
    return parse_config(
        text,
        file=str(path),
        environment=environment,
        folder=path.parent,
        need_sources=need_sources,
    )


def parse_config(
    text: str,
    *,
    file: str,
    environment: Mapping[str, str],
    folder: Path,
    need_sources: bool = False,
) -> Config:
    """Read a configuration from its text; see `load_config`.

    Parameters
    ----------
    text : str
        YAML 1.2.
    file : str
        The file's name, for messages.
    environment : mapping
        Variables for ``${NAME}``.
    folder : Path
        What rule files and recordings are relative to.
    need_sources : bool, optional
        Whether a configuration without sources is a mistake.

    Raises
    ------
    ConfigError
        With all mistakes at once.
    """
    node, problems = load_yaml(text, file)
    if problems and node is None:
        raise ConfigError(problems)
    converter = Converter(file=file, environment=environment)
    config = _config(converter, YamlMapping(_NOWHERE) if node is None else node, need_sources)
    # A value that YAML could not read has its problem already; what follows from it says nothing.
    known = {(problem.line, problem.column) for problem in problems}
    problems += [each for each in converter.problems if (each.line, each.column) not in known]
    if problems:
        raise ConfigError(problems)
    return replace(config, folder=folder, file=file)


def _config(converter: Converter, node: Any, need_sources: bool) -> Any:
    if not isinstance(node, YamlMapping):
        return converter.report(Position(1, 1), "", "takes keys with values, such as `sources: []`")
    if need_sources and node.get("sources", []) == []:
        place = position_of(node, "sources") if "sources" in node else _NOWHERE
        converter.report(place, "sources", "is empty; name a topic or a recording to read")
    return converter.section(shape_of(Config), node, "")
