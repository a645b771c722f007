"""The watermark of a shard: how far all source partitions have promised to be."""

from engine.series.pieces import Progress

NOT_YET = -(2**63)
"""Watermark before every partition has said something."""


class Watermark:
    """The least of all partitions' claims.

    A partition that has ended no longer counts. When all have ended, the watermark is the newest
    timestamp of all: ticks up to the last sample are evaluated and none after (design 3.1).

    Parameters
    ----------
    partitions : int
        Number of partitions of the flow; none may be missing, or a slow one would be overrun.
    """

    def __init__(self, partitions: int) -> None:
        self.claims = [NOT_YET] * partitions
        self.newest = [NOT_YET] * partitions
        self.ended = [False] * partitions
        self.value = NOT_YET

    def update(self, progress: Progress) -> None:
        """Take a partition's progress in; claims never go back."""
        number = progress.partition
        self.claims[number] = max(self.claims[number], progress.claim)
        self.newest[number] = max(self.newest[number], progress.newest)
        self.ended[number] = self.ended[number] or progress.ended

    def advance(self) -> int:
        """The watermark now; it never goes back."""
        open_claims = [
            claim for claim, ended in zip(self.claims, self.ended, strict=True) if not ended
        ]
        self.value = max(self.value, min(open_claims, default=max(self.newest, default=NOT_YET)))
        return self.value
