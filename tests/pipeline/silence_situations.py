"""The situations: a small fleet with one incident, and what goes wrong with its data."""

import random
from dataclasses import dataclass, field, replace

from silence_world import STALE, Row

from engine.series.identity import Series

SCRAPE_S = 15
PHASE_S = 5
TRANSIT_S = 5
UNTIL_S = 1320
INCIDENT = (300, 900)
CALM, HIGH = 50.0, 90.0


@dataclass(frozen=True)
class Situation:
    """A situation.

    `says` is what some alerts must have been, as ``minute:second-minute:second`` by rule and host;
    `live` how time passes (see `World.live`); `late` and `wild` how many dead letters there are.
    """

    name: str
    says: str
    rows: list
    right: dict
    live: dict = field(default_factory=dict)
    until_s: int = UNTIL_S
    late: int = 0
    wild: int = 0


def sent(row, transit_s=TRANSIT_S):
    """A row that is written and read so long after its time."""
    return replace(row, written=row.ts + transit_s, readable=row.ts + transit_s)


def host(name, partition, *, level=None, incident=None, until_s=UNTIL_S):
    """The rows of a host: a gauge that is high in an incident, a counter that rises faster then."""
    rows, total = [], 0.0
    load, errors = Series.of("load", {"host": name}), Series.of("errors_total", {"host": name})
    for ts in range(PHASE_S, until_s, SCRAPE_S):
        is_high = incident is not None and incident[0] <= ts < incident[1]
        total += 150 if is_high else 15
        value = level(ts) if level else HIGH if is_high else CALM
        rows.append(sent(Row(load, ts, value, partition)))
        rows.append(sent(Row(errors, ts, total, partition)))
    return rows


def fleet(*, partitions=2, incident=INCIDENT, level=None):
    """A host for each partition; host a has the incident."""
    rows = host("a", 0, incident=incident, level=level)
    for number in range(1, partitions):
        rows += host("abcdefgh"[number], number)
    return rows


def is_of(row, name):
    """Whether a row is of a host."""
    return dict(row.series.labels)["host"] == name


def lagging(rows, lag_s, *, begin, end, partition=None):
    """The consumer reads rows that are written in a stretch of time so much later."""
    return [
        replace(row, readable=row.written + lag_s)
        if begin <= row.written < end and partition in (None, row.partition)
        else row
        for row in rows
    ]


def lag(lag_s):
    """The consumer falls behind within the incident, catches up, and is behind again at its end."""
    behind = lagging(fleet(), lag_s, begin=480, end=660)
    return Situation(
        f"consumer lag of {lag_s} s",
        "waits, then says it with the ticks' own times",
        lagging(behind, lag_s, begin=840, end=960),
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
    )


def stands(stand_s):
    """The process does not run for a while: a deploy, a rebalance, a full CPU."""
    return Situation(
        f"streamgauge stands for {stand_s} s",
        "takes up where it stood; no tick is left out",
        fleet(),
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
        live={"stands": [(500, 500 + stand_s)]},
    )


def one_partition_stalls():
    return Situation(
        "one partition of four stalls for 90 s",
        "all wait for it: its rows are there, but not read",
        lagging(fleet(partitions=4), 90, begin=480, end=570, partition=0),
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
    )


def producer_restarts():
    """Three scrapes are missing in the middle of a `for`, and the counter begins anew."""
    gap = range(395, 440)
    lost = max(row.value for row in fleet() if row.series.name != "load" and row.ts < gap[-1])

    def is_after(row):
        return is_of(row, "a") and row.series.name == "errors_total" and row.ts > gap[-1]

    rows = [row for row in fleet() if not (is_of(row, "a") and row.ts in gap)]
    return Situation(
        "a producer restarts: 3 scrapes missing, counters reset",
        "the reset is no rate; `gap_tolerance` carries `for` over the gap",
        [replace(row, value=row.value - lost) if is_after(row) else row for row in rows],
        {"LoadHigh a": "6:15-15:15", "ErrorsTolerant a": "7:15-15:45"},
    )


def delivered_twice():
    rows = fleet()
    again = [
        replace(row, written=row.written + SCRAPE_S, readable=row.written + SCRAPE_S, true=False)
        for row in rows
    ]
    return Situation(
        "every batch is delivered twice",
        "a sample counts once",
        rows + again,
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
    )


def out_of_order():
    """Rows of a partition arrive in another order, none further back than the lateness."""
    generator = random.Random(6)
    return Situation(
        "out of order within `lateness`",
        "put in order first",
        [sent(row, generator.randrange(1, 19)) for row in fleet()],
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
    )


def too_late():
    """Every fourth sample of the gauge of host b is held up for a minute; it is high there."""
    rows = fleet()
    held_up = [row for row in rows if is_of(row, "b") and row.series.name == "load"][:80:4]
    return Situation(
        "out of order beyond `lateness`",
        "dead letters `late`; the alerts are as without them",
        [row for row in rows if row not in held_up]
        + [replace(sent(row, 60), value=HIGH, true=False) for row in held_up],
        {"LoadHigh a": "6:15-15:15", "LoadHigh b": ""},
        late=len(held_up),
    )


def source_dies():
    """Host a says nothing any more; its partition is idle, the other one goes on."""
    return Situation(
        "a source dies without a word, others go on",
        "idle: `absent` fires after the lookback; then `on_absent` resolves, holds or fires",
        [row for row in fleet() if not (is_of(row, "a") and row.ts > 500)],
        {
            "LoadHigh a": "6:15-13:30", "HostGone a": "14:00-", "HostSilent a": "9:00-",
            "LoadHeld a": "6:15-", "LoadMissing a": "6:15-",
        },
    )  # fmt: skip


def all_sources_die():
    return Situation(
        "all sources die",
        "time goes on from where it stood, by elapsed time",
        [row for row in fleet() if row.ts <= 500],
        {
            "LoadHigh a": "6:15-13:30", "HostGone a": "14:00-", "LoadHeld a": "6:15-",
            "LoadMissing a": "6:15-", "LoadMissing b": "14:30-",
        },
    )  # fmt: skip


def calm_source_dies():
    """A host that was well falls silent: only `on_absent: fire` makes that an alert."""
    return Situation(
        "a source that was well dies",
        "`on_absent: fire` fires, for the host that is gone",
        [row for row in fleet() if not (is_of(row, "b") and row.ts > 500)],
        {"LoadHigh b": "", "LoadMissing b": "14:30-", "LoadHeld b": ""},
    )


def marked_end():
    """The source says that the series of host a end."""
    rows = [row for row in fleet() if not (is_of(row, "a") and row.ts > 500)]
    last = [row for row in rows if is_of(row, "a")][-2:]
    rows += [sent(replace(row, ts=row.ts + SCRAPE_S, value=STALE)) for row in last]
    return Situation(
        "stale marker on a firing alert",
        "ends at once; `hold` does not hold what its source has ended",
        rows,
        {
            "LoadHigh a": "6:15-8:45", "LoadHeld a": "6:15-8:45", "LoadMissing a": "6:15-8:45",
            "LoadTolerant a": "7:15-9:15", "HostGone a": "9:15-",
        },
    )  # fmt: skip


def failed_scrape():
    """One scrape fails in the middle of a `for`: stale markers, then the values are back."""
    rows = [
        replace(row, value=STALE) if is_of(row, "a") and row.ts == 380 else row for row in fleet()
    ]
    return Situation(
        "a failed scrape's stale marker within `for`",
        "`for` begins anew as in Prometheus; with `gap_tolerance` it goes on",
        rows,
        {"LoadHigh a": "6:15-6:30 7:45-15:15", "LoadTolerant a": "7:15-15:15"},
    )


def skewed_clocks():
    """The clock of host a is 15 s slow, that of host b 20 s fast; both within `max_skew`."""
    rows = [sent(row, TRANSIT_S + (15 if is_of(row, "a") else -20)) for row in fleet()]
    return Situation(
        "clocks of hosts differ by 35 s",
        "each in its own time; the slower one sets the pace",
        [row for row in rows if row.written >= 0],
        {"LoadHigh a": "6:15-15:15", "LoadHigh b": "", "HostSilent a": ""},
    )


def wild_clock():
    """For two minutes the clock of host b is 10 minutes ahead, and its gauge is high."""
    rows = fleet()
    wild = [row for row in rows if is_of(row, "b") and 400 <= row.ts < 520]

    def wrong(row):
        value = HIGH if row.series.name == "load" else row.value
        return replace(row, ts=row.ts + 600, value=value, true=False)

    return Situation(
        "a wild clock, 10 minutes ahead",
        "dead letters `bad_timestamp`; nothing is moved by them",
        [wrong(row) if row in wild else row for row in rows],
        {"LoadHigh a": "6:15-15:15", "LoadHigh b": "", "HostSilent a": ""},
        wild=len(wild),
    )


def series_moves():
    """From one moment on, host a is in the other partition."""
    return Situation(
        "a series moves to another partition",
        "the same series goes on",
        [
            replace(row, partition=1) if is_of(row, "a") and row.ts > 500 else row
            for row in fleet(partitions=3)
        ],
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
    )


def partition_pauses():
    """Host c is away for five minutes; nothing asks for it."""
    return Situation(
        "a partition is idle for 5 minutes and comes back",
        "the others go on without it after `idle_timeout`",
        [row for row in fleet(partitions=3) if not (is_of(row, "c") and 250 < row.ts < 550)],
        {"LoadHigh a": "6:15-15:15", "LoadMissing c": ""},
    )


def crash():
    return Situation(
        "crash in the middle of a pending `for`",
        "goes on from the checkpoint: nothing is lost or said twice",
        fleet(),
        {"LoadHigh a": "6:15-15:15", "LoadTolerant a": "7:15-15:15", "Errors a": "6:15-15:45"},
        live={"crash": (330, 420), "stands": [(365, 420)]},
    )


def backlog():
    """All is written in time and read at once, after 20 minutes."""
    return Situation(
        "20 minutes of backlog at full speed",
        "the same alerts as live, with their own times",
        [replace(row, readable=1200) for row in fleet()],
        {"LoadHigh a": "6:15-15:15", "Errors a": "6:15-15:45", "HostSilent a": ""},
        until_s=UNTIL_S,
    )


def flapping():
    """The gauge is high for two minutes and a little lower for half a minute, again and again."""

    def level(ts):
        if not INCIDENT[0] <= ts < INCIDENT[1]:
            return CALM
        return HIGH if (ts - INCIDENT[0]) % 150 < 120 else 70.0

    return Situation(
        "a value that flaps around the threshold",
        "`resolve_below` makes it one alert",
        fleet(level=level),
        {
            "LoadHigh a": "6:15-7:15 8:45-9:45 11:15-12:15 13:45-14:45",
            "LoadSteady a": "6:15-15:15",
        },
    )  # fmt: skip


def slow_series():
    """A series every five minutes, the lookback; it takes a quarter of a minute to arrive."""
    load = Series.of("load", {"host": "a"})
    rows = [sent(Row(load, ts, HIGH, 0), 16) for ts in range(PHASE_S, UNTIL_S, 300)]
    return Situation(
        "a series every 5 minutes, as long as the lookback",
        "never absent in event time",
        rows + host("b", 1),
        {"LoadHigh a": "1:15-", "HostGone a": ""},
    )


SITUATIONS = [
    lag(30), lag(60), lag(120), stands(120), one_partition_stalls(), producer_restarts(),
    delivered_twice(), out_of_order(), too_late(), source_dies(), all_sources_die(),
    calm_source_dies(), marked_end(), failed_scrape(), skewed_clocks(), wild_clock(),
    series_moves(), partition_pauses(), crash(), backlog(), flapping(), slow_series(),
]  # fmt: skip
