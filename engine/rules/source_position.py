"""Finds a character of a YAML scalar's value again in the file that it was written in."""

from engine.config.positions import Position


def position_inside(lines: list[str], start: Position, value: str, offset: int) -> Position:
    r"""Give the place in the file of ``value[offset]``.

    Plain, quoted, literal (``|``) and folded (``>``) scalars differ from their value in white
    space, quotes and backslashes only, so that the characters in between can be paired.

    Parameters
    ----------
    lines : list of str
        The file.
    start : Position
        Where the scalar begins.
    value : str
        What it means.
    offset : int
        A character of it.

    Returns
    -------
    Position
        `start` where the pairing fails, as it does for escapes such as ``\n``.
    """
    wanted = len("".join(value[:offset].split()))
    characters = "".join(value.split())
    if wanted >= len(characters):
        return start
    line, column = start.line - 1, start.column - 1
    head = lines[line][column : column + 1]
    if head in {"|", ">"}:
        line, column = line + 1, 0
    elif head in {'"', "'"}:
        column += 1
    index = 0
    while line < len(lines):
        for place in range(column, len(lines[line])):
            character = lines[line][place]
            if character.isspace():
                continue
            if character != characters[index]:
                if character == "\\" and head == '"':
                    continue
                return start
            if index == wanted:
                return Position(line + 1, place + 1)
            index += 1
        line, column = line + 1, 0
    return start
