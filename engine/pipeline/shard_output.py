"""What a series shard says."""

from dataclasses import dataclass, field

from engine.events import DeadLetter, ScoreBlock
from engine.rules.queries import Closed


@dataclass(slots=True)
class ShardOutput:
    """What a shard says after some pieces.

    `closed` holds, for each rule lane, the leaves' results; `counts` what was noticed, by
    name; `detector_ns` the time that detectors took.
    """

    closed: dict[int, Closed] = field(default_factory=dict)
    scores: list[ScoreBlock] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    detector_ns: int = 0

    def count(self, name: str, number: int) -> None:
        """Add to a count."""
        if number:
            self.counts[name] = self.counts.get(name, 0) + number
