"""What is news: a distance that stands out from the recent ones as well, so incidents begin once.

Within an incident distances scatter about a high level, and each record among them would be another
onset. An echo follows the distances up at once and down slowly; only what exceeds it clearly is
news.
"""

from engine.kernels.jit import in_place

NEWS = 1.5
"""A distance is news if it exceeds the echo by this factor."""

ECHO_WEIGHT = 1.0 / 32.0
"""Of a row in the echo, while distances are below it."""


@in_place
def is_news(distance: float, echo: float) -> bool:
    """Whether a distance stands out from those before it."""
    return distance > NEWS * echo


@in_place
def echo_after(distance: float, echo: float) -> float:
    """The echo once a distance has been heard."""
    if distance >= echo:
        return distance
    return echo + ECHO_WEIGHT * (distance - echo)
