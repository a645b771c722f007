"""Two distributions in small, as bars beside each other: an SVG picture without any script."""

from engine.events.drift import SmallPicture
from engine.replay.report_html import Html, element, joined, percent_text, shortened

_WIDTH = 640
_BARS_LEFT, _BARS_RIGHT = 170, 510
_BIN_HEIGHT, _BAR_HEIGHT = 28, 10
_LEGEND_HEIGHT = 26
_LABEL_MAX = 24


def picture_of(picture: SmallPicture, title: str, identity: str) -> Html:
    """Draw both distributions, a pair of bars for each bin.

    The sides are told apart by place, filling and colour: the reference's bars are hollow and lie
    above the window's.

    Parameters
    ----------
    picture : SmallPicture
    title : str
        What the distributions are of, for those who hear the page.
    identity : str
        Of the picture within the page.
    """
    pairs = list(zip(picture.reference, picture.window, strict=True))
    longest = max((share for pair in pairs for share in pair), default=0.0) or 1.0
    scale = (_BARS_RIGHT - _BARS_LEFT) / longest
    heard = "; ".join(
        f"{shortened(label, _LABEL_MAX)}: {percent_text(reference)} to {percent_text(window)}"
        for label, (reference, window) in zip(picture.bins, pairs, strict=True)
    )
    bins = [
        _bin(label, _LEGEND_HEIGHT + _BIN_HEIGHT * place, pair, scale)
        for place, (label, pair) in enumerate(zip(picture.bins, pairs, strict=True))
    ]
    height = _LEGEND_HEIGHT + _BIN_HEIGHT * len(bins)
    return element(
        "svg",
        element("title", title, id=f"{identity}-title"),
        element("desc", heard, id=f"{identity}-text"),
        _legend(),
        *bins,
        viewBox=f"0 0 {_WIDTH} {height}",
        role="img",
        aria_labelledby=f"{identity}-title {identity}-text",
    )


def _legend() -> Html:
    """Say which bars are whose."""
    return joined(
        joined(
            (
                _bar(side, left, 4, 18),
                element("text", side, x=left + 26, y=13),
            )
        )
        for side, left in (("reference", _BARS_LEFT), ("window", _BARS_LEFT + 130))
    )


def _bin(label: str, top: int, shares: tuple[float, float], scale: float) -> Html:
    middle = top + _BAR_HEIGHT + 4
    reference, window = shares
    return joined(
        (
            element(
                "text",
                shortened(label, _LABEL_MAX),
                x=_BARS_LEFT - 8,
                y=middle,
                text_anchor="end",
            ),
            _bar("reference", _BARS_LEFT, top, reference * scale),
            _bar("window", _BARS_LEFT, top + _BAR_HEIGHT + 1, window * scale),
            element(
                "text",
                f"{100 * reference:.1f} → {100 * window:.1f} %",
                x=_BARS_RIGHT + 8,
                y=middle,
            ),
        )
    )


def _bar(side: str, left: int, top: int, width: float) -> Html:
    return element(
        "rect",
        x=left,
        y=top,
        width=f"{max(width, 0.0):.1f}",
        height=_BAR_HEIGHT,
        class_=f"bar-{side}",
    )
