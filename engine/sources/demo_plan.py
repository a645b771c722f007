"""The plan of the demo fleet: its hosts, how each metric behaves, and what goes wrong when."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

START = datetime(2025, 10, 4, tzinfo=UTC)  # a Saturday: a weekend is known before the first trouble
DAYS = 8
WEEKEND_DAYS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How a metric behaves on each of its hosts.

    The level is `base`, plus `daily` at the peak hour of a working day and `weekend` times that
    on Saturday and Sunday, plus noise of standard deviation `noise`, half of it slow.
    A counter counts its level per second and begins anew when its host restarts.
    """

    name: str
    hosts: tuple[str, ...]
    base: float
    daily: float
    noise: float
    digits: int
    peak_hour: float = 15.0
    weekend: float = 0.6
    nightly: float = 0.0
    high: float = np.inf
    counter: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that goes wrong on one host, from and to in days since the start.

    `size` is added to the level, in the shape that belongs to the kind; `alerts` are the rules of
    ``demo/rules.yaml`` that see it, the others are left to the detectors.
    """

    kind: str
    host: str
    metrics: tuple[str, ...]
    begin_day: float
    end_day: float
    size: float = 0.0
    alerts: tuple[str, ...] = ()
    description: str


WEB = ("web-1", "web-2", "web-3")
API = ("api-1", "api-2", "api-3")
DATABASE = ("db-1", "db-2")
CACHE = ("cache-1",)
WORKER = ("worker-1", "worker-2")
RACK = ("rack-1", "rack-2", "rack-3")
HOSTS = (*WEB, *API, *DATABASE, *CACHE, *WORKER, *RACK)
PARTITIONS = {"frontend": (*WEB, *API), "backend": (*DATABASE, *CACHE, *WORKER), "edge": RACK}
EDGE = "edge"

METRICS = (
    Metric(name="cpu_usage", hosts=WEB + API, base=0.2, daily=0.4, noise=0.03, digits=3, high=1.0),
    Metric(name="cpu_usage", hosts=WORKER, base=0.3, daily=0.1, noise=0.04, digits=3, high=1.0),
    Metric(
        name="request_latency_seconds", hosts=WEB + API, base=0.08, daily=0.06, noise=0.01, digits=3
    ),
    Metric(
        name="requests_total", hosts=WEB + API, base=4, daily=26, noise=2, digits=0, counter=True
    ),
    Metric(
        name="memory_usage",
        hosts=DATABASE + CACHE + WORKER,
        base=0.55,
        daily=0.06,
        noise=0.008,
        digits=3,
        high=1.0,
    ),
    Metric(name="db_connections", hosts=DATABASE, base=30, daily=90, noise=5, digits=0),
    Metric(
        name="cache_hit_ratio", hosts=CACHE, base=0.94, daily=-0.06, noise=0.01, digits=3, high=1.0
    ),
    Metric(
        name="queue_depth",
        hosts=WORKER,
        base=20,
        daily=60,
        noise=8,
        digits=0,
        nightly=250,
        weekend=1,
    ),
    Metric(
        name="temperature_celsius", hosts=RACK, base=24, daily=4, noise=0.5, digits=1, weekend=0.9
    ),
    Metric(
        name="fan_speed_rpm", hosts=RACK, base=2400, daily=600, noise=40, digits=-1, weekend=0.9
    ),
)

NIGHTLY_BEGIN_DAY, NIGHTLY_END_DAY = 2 / 24, 3.5 / 24
RESTARTS_DAY = {host: 2 + 11 / 24 + number / 480 for number, host in enumerate(WEB + API)}

INCIDENTS = (
    Incident(
        kind="spike",
        host="api-2",
        metrics=("request_latency_seconds",),
        begin_day=3 + 14.2 / 24,
        end_day=3 + 14.7 / 24,
        size=0.9,
        alerts=("SlowRequests",),
        description="A slow downstream call holds requests up for half an hour.",
    ),
    Incident(
        kind="level_shift",
        host="web-2",
        metrics=("cpu_usage",),
        begin_day=4 + 12 / 24,
        end_day=4 + 17 / 24,
        size=0.45,
        alerts=("HighCPU",),
        description="A bad release burns a core until it is rolled back.",
    ),
    Incident(
        kind="flat",
        host="rack-2",
        metrics=("temperature_celsius",),
        begin_day=4 + 20 / 24,
        end_day=5 + 2 / 24,
        alerts=("StuckSensor",),
        description="The sensor hangs and repeats its last reading.",
    ),
    Incident(
        kind="rhythm_break",
        host="worker-1",
        metrics=("queue_depth",),
        begin_day=5 + NIGHTLY_BEGIN_DAY,
        end_day=5 + NIGHTLY_END_DAY,
        size=-250,
        description="The nightly batch does not start.",
    ),
    Incident(
        kind="slow_leak",
        host="db-1",
        metrics=("memory_usage",),
        begin_day=5 + 6 / 24,
        end_day=6 + 5 / 24,
        size=0.42,
        alerts=("MemoryAlmostFull",),
        description="Memory leaks for a day until the database is restarted.",
    ),
    Incident(
        kind="rhythm_break",
        host="worker-1",
        metrics=("queue_depth",),
        begin_day=5 + 11 / 24,
        end_day=5 + 12.5 / 24,
        size=250,
        description="The nightly batch is started by hand at eleven in the morning.",
    ),
    Incident(
        kind="level_shift",
        host="cache-1",
        metrics=("cache_hit_ratio",),
        begin_day=5 + 16 / 24,
        end_day=5 + 17.5 / 24,
        size=-0.4,
        alerts=("ColdCache",),
        description="The cache was emptied by mistake and stays cold.",
    ),
    Incident(
        kind="outage",
        host="db-2",
        metrics=("db_connections", "memory_usage"),
        begin_day=6 + 10 / 24,
        end_day=6 + 11 / 24,
        alerts=("HostSilent",),
        description="The host is silent for an hour.",
    ),
    Incident(
        kind="ramp",
        host="worker-2",
        metrics=("queue_depth",),
        begin_day=6 + 15 / 24,
        end_day=6 + 16.5 / 24,
        size=1500,
        alerts=("QueueBacklog",),
        description="A consumer hangs and its queue grows until it is restarted.",
    ),
)
