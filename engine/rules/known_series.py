"""Which series there are, for telling selectors that select none of them."""

from collections.abc import Iterable, Iterator, Mapping

from engine.promql.selector import Selector
from engine.series.identity import NAME_LABEL, Series

_OF_THE_ENGINE = "anomaly_"
_OF_RULES = frozenset({"ALERTS", "ALERTS_FOR_STATE"})


class KnownSeries:
    """Series by their names.

    Parameters
    ----------
    series : iterable of Series
        What a recording holds.
    made : iterable of str
        Names of series that recording rules make, with labels that aren't known.
    """

    def __init__(self, series: Iterable[Series], made: Iterable[str] = ()) -> None:
        self._by_name: dict[str, list[Mapping[str, str]]] = {}
        for one in series:
            self._by_name.setdefault(one.name, []).append(dict(one.labels))
        self._made = frozenset(made) | _OF_RULES

    def why_nothing(self, selector: Selector) -> str:
        """Say why a selector selects nothing; an empty text if it may select something."""
        if selector.name is not None and self._is_made(selector.name):
            return ""
        names = list(self._names(selector))
        if not names:
            if selector.name is not None:
                return f"no series is called {selector.name}"
            return f"no series has a name for {selector}"
        if any(self._is_made(name) for name in names):
            return ""
        for name in names:
            if any(selector.matches(name, labels) for labels in self._by_name[name]):
                return ""
        return f"no series matches {selector}"

    def _names(self, selector: Selector) -> Iterator[str]:
        if selector.name is not None:
            if selector.name in self._by_name:
                yield selector.name
            return
        conditions = [item for item in selector.matchers if item.name == NAME_LABEL]
        for name in (*self._by_name, *self._made):
            if all(condition.matches(name) for condition in conditions):
                yield name

    def _is_made(self, name: str) -> bool:
        return name in self._made or name.startswith(_OF_THE_ENGINE)
