"""HTML of reports: elements whose texts are escaped, tables, and the page around them.

Names of features and their values are what users send: all text is escaped, but for what is `Html`
already. The page loads and runs nothing, and says so to the browser.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

NAME_MAX = 50
"""Characters of a name or value that are shown, so that a page stays small."""

_TEXT_MAX = 2_000
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, those that turn the direction of what follows, and halves of characters."""

_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fdfdfc; --ink: #1c1d21; --faint: #5b616b; --line: #d9dbdf; --panel: #f3f4f5;
  --reference: #7b828d; --window: #b5460f; --link: #1a5fb4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --ink: #e8e7e3; --faint: #a3a9b3; --line: #383c44; --panel: #1f2228;
    --reference: #949ba6; --window: #ff9f5a; --link: #8ab8ff;
  }
}
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 .25rem; }
h1, h2, h3, td, th, dd, p { overflow-wrap: anywhere; unicode-bidi: isolate; }
a { color: var(--link); }
.reason { font-size: 1.1rem; border-left: .25rem solid var(--window); padding-left: .75rem; }
.faint, caption, footer { color: var(--faint); font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0; }
dt { color: var(--faint); }
dd { margin: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; }
thead th { border-bottom: 1px solid var(--ink); }
tbody tr > * { border-bottom: 1px solid var(--line); font-weight: normal; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: .75rem 0; padding: .75rem; background: var(--panel); overflow-x: auto; }
svg { display: block; width: 100%; min-width: 30rem; max-width: 42rem; height: auto; }
svg text { fill: currentColor; font-size: 12px; }
.bar-reference { fill: var(--panel); stroke: var(--reference); stroke-width: 1.5; }
.bar-window { fill: var(--window); stroke: var(--window); stroke-width: 1.5; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; }
@media print { main { max-width: none; } figure { break-inside: avoid; } }
"""


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def html(value: object) -> Html:
    """Escape a text that stands in an element; `Html` is given back as it is."""
    return value if isinstance(value, Html) else Html(escape(_showable(value), quote=False))


def shortened(name: str, length_max: int = NAME_MAX) -> str:
    """Cut a name that is longer than anyone reads."""
    return name if len(name) <= length_max else name[: length_max - 1] + "…"


def joined(parts: Iterable[object]) -> Html:
    """Put parts one after the other."""
    return Html("".join(map(html, parts)))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """Make an element.

    Parameters
    ----------
    tag : str
    *content : object
        Text, which is escaped, and `Html`.
    **attributes : object
        Text, which is escaped in any case. ``class_`` stands for ``class``, ``aria_label`` for
        ``aria-label``.
    """
    shown = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_showable(value))}"'
        for name, value in attributes.items()
    )
    return Html(f"<{tag}{shown}>{joined(content)}</{tag}>")


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Make a list of names with their values."""
    return element(
        "dl", *(joined((element("dt", name), element("dd", value))) for name, value in pairs)
    )


def table(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    numbers: frozenset[int] = frozenset(),
) -> Html:
    """Make a table whose rows are headed by their first cells.

    Parameters
    ----------
    caption : str
        What it is a table of.
    headings : sequence of str
    rows : iterable of sequence
        As many cells in each as there are headings.
    numbers : frozenset of int
        Columns, from 0, that hold numbers.
    """

    def cell(tag: str, place: int, content: object, **attributes: object) -> Html:
        if place in numbers:
            attributes["class_"] = "number"
        return element(tag, content, **attributes)

    head = [cell("th", place, text, scope="col") for place, text in enumerate(headings)]
    body = [
        element(
            "tr",
            *(
                cell("td", place, content) if place else cell("th", place, content, scope="row")
                for place, content in enumerate(row)
            ),
        )
        for row in rows
    ]
    return element(
        "div",
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", *head)),
            element("tbody", *body),
        ),
        class_="wide",
    )


def page(title: str, *content: object) -> str:
    """Make a whole page of its content."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"{element('title', title)}\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{element('main', *content)}\n</body>\n</html>\n"
    )


def _showable(value: object) -> str:
    text = str(value)
    if len(text) > _TEXT_MAX:
        text = text[: _TEXT_MAX - 1] + "…"
    return _UNSHOWABLE.sub("\ufffd", text)


def number_text(value: float | str) -> str:
    """Write a number for people: three digits; texts of numbers without JSON are kept."""
    return value if isinstance(value, str) else f"{value:.3g}"


def percent_text(share: float) -> str:
    """Write a share as percent."""
    return f"{100 * share:.3g} %"
