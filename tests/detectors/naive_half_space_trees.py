"""Half-space trees, slow and obvious: nested boxes, and masses counted when they are asked."""

import math
from dataclasses import dataclass

import numpy as np
from naive_spread import NaiveScorer, NaiveSpread, unjudged

from engine.detectors import half_space_trees


@dataclass
class Node:
    """A half-space; a leaf has no children."""

    depth: int
    lag: int = 0
    split: float = 0.0
    children: tuple = ()

    def child_of(self, point):
        return self.children[0 if point[self.lag] < self.split else 1]

    def within(self, points, side):
        """Those of some points (an array) that lie in a child."""
        below = points[:, self.lag] < self.split
        return points[below if side is self.children[0] else ~below]


def grow(ranges, draws, number, depth, height):
    """Node `number` (in heap order) over these work ranges; `draws` are the tree's numbers."""
    if depth == height:
        return Node(depth)
    lag = int(draws[number] * len(ranges))
    low, high = ranges[lag]
    middle = (low + high) / 2
    halves = [[*ranges[:lag], half, *ranges[lag + 1 :]] for half in ((low, middle), (middle, high))]
    children = tuple(
        grow(half, draws, 2 * number + side, depth + 1, height)
        for side, half in enumerate(halves, start=1)
    )
    return Node(depth, lag, middle, children)


def grow_all(params):
    inner = 2**params.height - 1
    raw = np.random.PCG64(half_space_trees.SEED).random_raw(params.trees * (params.lags + inner))
    numbers = iter([(number // 2048) / 2**53 for number in raw.tolist()])
    trees = []
    for _ in range(params.trees):
        centres = [next(numbers) for _ in range(params.lags)]
        reaches = [2 * max(centre, 1 - centre) for centre in centres]
        ranges = [(s - reach, s + reach) for s, reach in zip(centres, reaches, strict=True)]
        trees.append(grow(ranges, [next(numbers) for _ in range(inner)], 0, 0, params.height))
    return trees


class NaiveSeries:
    def __init__(self, params, trees):
        self.params, self.trees = params, trees
        self.known = NaiveSpread(params.memory_rows)
        self.values = []
        self.reference, self.latest = None, []
        self.state = 0.0

    def score(self, value):
        self.values.append(value)
        verdict = unjudged()
        if self.known.rows >= self.params.window_rows:
            newest = self.values[: -self.params.lags - 1 : -1]
            point = [self._coordinate(value) for value in newest]
            if self.reference is not None:
                verdict = self._judge(point)
            self.latest.append(point)
            if len(self.latest) == self.params.window_rows:
                self.reference, self.latest = np.array(self.latest), []
        self.known.learn(value)
        return verdict

    def _coordinate(self, value):
        deviation, width = value - self.known.level, 5 * self.known.spread
        if deviation == 0.0:
            return 0.5
        if width == 0.0:
            return 0.5 + math.copysign(3.0, deviation)
        return 0.5 + min(max(deviation / width, -3.0), 3.0)

    def _judge(self, point):
        mass = sum(self._mass(tree, point) for tree in self.trees) / len(self.trees)
        sparsity = self.params.window_rows / mass
        onset = sparsity / 25 / (1 + self.state)
        self.state = 0.9 * self.state + 0.1 * min(sparsity, 50.0)
        return onset, self.state / 4, math.nan, math.nan, math.nan, math.nan

    def _mass(self, node, point):
        """Score(x, T) of the paper, with half a point more."""
        there = self.reference
        while node.children and len(there) > self.params.size_limit * self.params.window_rows:
            child = node.child_of(point)
            there = node.within(there, child)
            node = child
        return (len(there) + 0.5) * 2**node.depth


def naive_half_space_trees(params):
    trees = grow_all(params)
    return NaiveScorer(lambda: NaiveSeries(params, trees))
