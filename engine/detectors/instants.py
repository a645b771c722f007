"""Series seen together: the latest values of a group's members at each instant of event time.

Samples of a group within one second are one instant; members without a sample in it take part
with their latest one, if that is recent. Blocks must end at whole seconds, so that no instant is
cut. A member gets its number at its first value, members of one instant in the order of their
fingerprints: so numbers depend on event time alone and not on the order of arrival.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place
from engine.series.reserved import SlotArrays
from engine.series.snapshot import Table

INSTANT_NS = 1_000_000_000
MEMBERS_MAX = 64
"""Series of an entity that are judged together; those that come later are on their own."""

NEVER_NS = np.iinfo(np.int64).min
NO_GROUP, NO_MEMBER, LEFT_OUT = -1, -1, -2


@dataclass(frozen=True, slots=True)
class Instants:
    """Groups at instants, by group and time.

    Attributes
    ----------
    group : int32[n]
    ts : int64[n]
        Of the newest sample in the instant.
    start : int64[n + 1]
        The members of instant i are ``start[i]:start[i + 1]`` of what follows.
    member : int32[m]
        Number within the group, ascending.
    slot : int32[m]
        Series.
    row : int64[m]
        The block's row that the values are from; -1 if they are from an earlier instant.
    values : float64[m, width]
    """

    group: NDArray[np.int32]
    ts: NDArray[np.int64]
    start: NDArray[np.int64]
    member: NDArray[np.int32]
    slot: NDArray[np.int32]
    row: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.group)


@in_place
def admit(
    slot: NDArray[np.int32],
    group_of_slot: NDArray[np.int32],
    member_of_slot: NDArray[np.int32],
    slots_of_group: NDArray[np.int32],
    members: NDArray[np.int32],
) -> int:
    """Number the series of some rows that have no number yet; give how many were left out."""
    left_out = 0
    for i in range(len(slot)):
        s = slot[i]
        if member_of_slot[s] != NO_MEMBER:
            continue
        group = group_of_slot[s]
        if members[group] == slots_of_group.shape[1]:
            member_of_slot[s] = LEFT_OUT
            left_out += 1
            continue
        member_of_slot[s] = members[group]
        slots_of_group[group, members[group]] = s
        members[group] += 1
    return left_out


@in_place
def gather(
    first: NDArray[np.int64],
    order: NDArray[np.int64],
    slot: NDArray[np.int32],
    ts: NDArray[np.int64],
    values: NDArray[np.float64],
    group_of_slot: NDArray[np.int32],
    slots_of_group: NDArray[np.int32],
    members: NDArray[np.int32],
    latest: NDArray[np.float64],
    latest_ts: NDArray[np.int64],
    latest_row: NDArray[np.int64],
    recent_ns: int,
    group: NDArray[np.int32],
    instant_ts: NDArray[np.int64],
    start: NDArray[np.int64],
    member_out: NDArray[np.int32],
    slot_out: NDArray[np.int32],
    row_out: NDArray[np.int64],
    values_out: NDArray[np.float64],
) -> int:
    """Let each instant's rows take effect, then write its members; give how many values.

    Parameters
    ----------
    first : int64[n + 1]
        The rows of instant i are ``order[first[i]:first[i + 1]]``, a series' in order of time.
    slot, ts, values
        The block: int32[rows], int64[rows], float64[rows, width].
    group_of_slot, slots_of_group, members, latest, latest_ts
        State of the groups.
    latest_row : int64[slots]
        Room; -1 everywhere, before and after.
    recent_ns : int
        A value older than this at an instant does not take part.
    group, instant_ts, start, member_out, slot_out, row_out, values_out
        Filled, see `Instants`.
    """
    written = 0
    for i in range(len(first) - 1):
        newest = NEVER_NS
        for k in range(first[i], first[i + 1]):
            row = order[k]
            s = slot[row]
            newest = max(newest, ts[row])
            for column in range(values.shape[1]):
                latest[s, column] = values[row, column]
            latest_ts[s] = ts[row]
            latest_row[s] = row
        own = group_of_slot[slot[order[first[i]]]]
        group[i] = own
        instant_ts[i] = newest
        start[i] = written
        for number in range(members[own]):
            s = slots_of_group[own, number]
            if latest_ts[s] == NEVER_NS or newest - latest_ts[s] > recent_ns:
                continue
            member_out[written] = number
            slot_out[written] = s
            row_out[written] = latest_row[s]
            for column in range(values.shape[1]):
                values_out[written, column] = latest[s, column]
            written += 1
        for k in range(first[i], first[i + 1]):
            latest_row[slot[order[k]]] = -1
    start[len(first) - 1] = written
    return written


class Groups:
    """Which series are seen together, and what was seen last of each.

    Parameters
    ----------
    width : int
        Values of a series that are seen.
    recent_ns : int
        A value takes part for so long.
    members_max : int
        Members of a group that are seen together; those that come later are on their own.
    """

    def __init__(self, width: int, recent_ns: int, members_max: int = MEMBERS_MAX) -> None:
        self._recent_ns = recent_ns
        self.slots = SlotArrays(
            {
                "group": np.array(NO_GROUP, np.int32),
                "member": np.array(NO_MEMBER, np.int32),
                "fingerprint": np.zeros((), np.uint64),
                "latest": np.zeros(width),
                "latest_ts": np.array(NEVER_NS),
            }
        )
        self.groups = SlotArrays(
            {
                "slots": np.zeros(members_max, np.int32),
                "members": np.zeros((), np.int32),
            }
        )
        self.left_out = 0

    def grow(
        self, group: NDArray[np.int32], fingerprint: NDArray[np.uint64], groups: int, limit: int
    ) -> None:
        """Take on new slots, given the group of each; there are so many groups now."""
        first = len(self.slots)
        self.slots.grow(first + len(group), limit)
        self.slots["group"][first:] = group
        self.slots["fingerprint"][first:] = fingerprint
        self.groups.grow(groups)

    def tables(self) -> list[Table]:
        """The live arrays."""
        return [
            Table(self.slots.arrays()),
            Table(self.groups.arrays(), self.slots["group"], is_shared=True),
        ]

    def restore(self, arrays: dict[str, NDArray[Any]]) -> bool:
        """Go on from a checkpoint; False if its groups were others."""
        if not np.array_equal(arrays["group"], self.slots["group"]):
            return False
        self.slots.restore({name: arrays[name] for name in self.slots.arrays()})
        self.groups.restore({name: arrays[name] for name in self.groups.arrays()})
        return True

    def instants(
        self,
        rows: NDArray[np.int64],
        slot: NDArray[np.int32],
        ts: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> Instants:
        """Let rows of a block take effect; give the instants that they make.

        Parameters
        ----------
        rows : int64[k]
            Those of the block that count; their series have a group.
        slot, ts, values
            The block: int32[n], int64[n], float64[n, width].
        """
        own, groups = self.slots, self.groups
        group = own["group"][slot[rows]]
        instant = -(-ts[rows] // INSTANT_NS)
        order = np.lexsort((ts[rows], own["fingerprint"][slot[rows]], instant, group))
        self.left_out += admit(
            slot[rows[order]], own["group"], own["member"], groups["slots"], groups["members"]
        )
        order = order[own["member"][slot[rows[order]]] >= 0]
        group, instant, order = group[order], instant[order], rows[order]
        changes = (group[1:] != group[:-1]) | (instant[1:] != instant[:-1])
        first = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(order)]])
        first = first[: len(first) if len(order) else 1]
        count = len(first) - 1
        room = int(groups["members"][group[first[:-1]]].sum())
        found = Instants(
            np.empty(count, np.int32),
            np.empty(count, np.int64),
            np.zeros(count + 1, np.int64),
            np.empty(room, np.int32),
            np.empty(room, np.int32),
            np.empty(room, np.int64),
            np.empty((room, values.shape[1])),
        )
        written = gather(
            first, order, slot, ts, values,
            own["group"], groups["slots"], groups["members"],
            own["latest"], own["latest_ts"], np.full(len(own), -1), self._recent_ns,
            found.group, found.ts, found.start,
            found.member, found.slot, found.row, found.values,
        )  # fmt: skip
        return Instants(
            found.group, found.ts, found.start, found.member[:written], found.slot[:written],
            found.row[:written], found.values[:written],
        )  # fmt: skip
