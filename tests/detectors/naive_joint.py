"""The joint score of an entity, slow and obvious: dictionaries and numpy.linalg."""

import math

import naive_surprise
import numpy as np

from engine.detectors import joint_kernels as joint
from engine.detectors import moment_kernels as moments
from engine.detectors import surprise_kernels as tail
from engine.detectors.protocol import NOT_JUDGED


class NaiveEntity:
    """One entity; metrics by number."""

    def __init__(self):
        self.products, self.learned = {}, {}
        self.known, self.precision = [], np.zeros((0, 0))
        self.follower = naive_surprise.NaiveFollower()
        self.instants = 0

    def score(self, rows):
        """Onset, state and contributions of rows (member, residual, onset, state)."""
        self.learned |= {member: 0 for member, *_ in rows if member not in self.learned}
        limit = joint.DEVIATION_MAX
        seen = {
            member: min(max(residual, -limit), limit)
            for member, residual, _, _ in rows
            if math.isfinite(residual)
        }
        norm, parts = self._norm(seen)
        rarity = None if norm is None else self.follower.follow(norm)
        onset, state = NOT_JUDGED, 0.0
        if rarity is not None:
            onsets = [min(max(onset, 0.0), joint.ONSET_MAX) for *_, onset, _ in rows if onset > 0]
            states = [min(state, joint.MEMBER_STATE_MAX) for *_, state in rows if state > 0]
            onset = sum(onsets) + max(rarity - tail.QUIET_SURPRISE, 0.0)
            state = self.follower.state + sum(states) / len(rows)
        contributions = self._split(rows, parts)
        self._learn(seen, 0.0 if norm is None else norm)
        return onset, state, contributions

    def _norm(self, seen):
        used = [member for member in self.known if member in seen]
        if not used:
            return None, {}
        deviation = np.array([seen.get(member, 0.0) for member in self.known])
        for _ in range(joint.SWEEPS):
            for place, member in enumerate(self.known):
                if member not in seen:
                    own = self.precision[place, place]
                    pull = self.precision[place] @ deviation - own * deviation[place]
                    deviation[place] = -pull / own
        solved = self.precision @ deviation
        parts = solved**2 / np.diag(self.precision)
        found = {
            member: part
            for member, part in zip(self.known, parts.tolist(), strict=True)
            if member in seen
        }
        return math.sqrt(max(float(solved @ deviation), 0.0) / len(used)), found

    def _split(self, rows, parts):
        total = sum(parts.values())
        shares = []
        for member, _, _, state in rows:
            share = min(state, joint.MEMBER_STATE_MAX) / len(rows) if state > 0 else 0.0
            if total > 0.0:
                share += self.follower.state * parts.get(member, 0.0) / total
            shares.append(share)
        return [share / sum(shares) if sum(shares) > 0.0 else 0.0 for share in shares]

    def _learn(self, seen, norm):
        scale = 1.0 if norm <= moments.NORM_MAX else (moments.NORM_MAX / norm) ** 2
        for i in seen:
            for j in seen:
                if j <= i:
                    rows = min(self.learned[i], self.learned[j])
                    before = self.products.get((i, j), 0.0)
                    change = (scale * seen[i] * seen[j] - before) / (rows + 1)
                    self.products[i, j] = float(np.float32(before + change))
        for i in seen:
            self.learned[i] = min(self.learned[i] + 1, moments.MEMORY_ROWS - 1)
        self.instants += 1
        if self.instants % joint.REFRESH_ROWS == 0:
            self._invert()

    def _invert(self):
        self.known = [
            i
            for i in sorted(self.learned)
            if self.learned[i] >= moments.WARM_UP_ROWS and self.products.get((i, i), 0.0) > 0.0
        ]
        shrunk = np.array(
            [
                [
                    self.products[i, i] + moments.FLOOR
                    if i == j
                    else (1.0 - moments.SHRINKAGE) * self.products.get((max(i, j), min(i, j)), 0.0)
                    for j in self.known
                ]
                for i in self.known
            ]
        ).reshape(len(self.known), len(self.known))
        self.precision = np.linalg.inv(shrunk).astype(np.float32).astype(float)


class NaiveJoint:
    """Many entities."""

    def __init__(self):
        self.entities = {}

    def score(self, entity, start, member, residual, onset, state):
        """float64[n] onset and state, float64[rows] contributions."""
        columns = [column.tolist() for column in (member, residual, onset, state)]
        rows = list(zip(*columns, strict=True))
        onsets, states, contributions = [], [], []
        for number, place in enumerate(entity.tolist()):
            own = self.entities.setdefault(place, NaiveEntity())
            found = own.score(rows[start[number] : start[number + 1]])
            onsets.append(found[0])
            states.append(found[1])
            contributions += found[2]
        return np.array(onsets), np.array(states), np.array(contributions)
