"""OTLP protobuf messages to columns: OtlpProtoCodec against its slow twin and the bare library.

Messages of two hosts' gauges and sums over series that the codec knows after the first round. The
contenders take turns, so that both meet the same state of the machine:

- ``OtlpProtoCodec``: times, values, flags and fingerprints as columns;
- ``library twin``: the same rows by `opentelemetry-proto` objects (`read_all` over `codec.read`);
- ``FromString only``: the library's parser alone, without a look at its objects.

Run: ``python benchmarks/decode_otlp.py --help``
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData, NumberDataPoint

from engine.codecs.otlp_proto import OtlpProtoCodec
from engine.codecs.samples import Limits, read_all

START_NS = 1_760_000_000_000_000_000
HOSTS_PER_MESSAGE = 2
METRICS = (
    ("system.cpu.utilization", "1", False),
    ("system.network.io", "By", True),
    ("http.server.active_requests", "{request}", False),
    ("system.disk.operations", "{operation}", True),
)
STATES = ("idle", "user", "system", "wait", "nice", "interrupt", "softirq", "steal")


def message(tick: int, hosts: int, points: int, rng: random.Random) -> bytes:
    """Make a message of `points` points, evenly over two hosts and the metrics."""
    data = MetricsData()
    per_metric = points // (HOSTS_PER_MESSAGE * len(METRICS))
    for _ in range(HOSTS_PER_MESSAGE):
        host = f"web-{rng.randrange(hosts):05}"
        resource_metrics = data.resource_metrics.add()
        for key, text in (
            ("host.name", host),
            ("service.name", "checkout"),
            ("deployment.environment", "production"),
        ):
            resource_metrics.resource.attributes.add(key=key).value.string_value = text
        scope_metrics = resource_metrics.scope_metrics.add()
        scope_metrics.scope.name = "otelcol/hostmetricsreceiver"
        scope_metrics.scope.version = "0.130.0"
        for name, unit, is_sum in METRICS:
            metric = scope_metrics.metrics.add(name=name, unit=unit, description=f"The {name}.")
            if is_sum:
                metric.sum.aggregation_temporality = 2
                metric.sum.is_monotonic = True
            kind = metric.sum if is_sum else metric.gauge
            for number in range(per_metric):
                add_point(kind.data_points.add(), number, tick, is_sum, rng)
    return data.SerializeToString()


def add_point(
    point: NumberDataPoint, number: int, tick: int, is_sum: bool, rng: random.Random
) -> None:
    """Fill a point with four attributes."""
    point.time_unix_nano = START_NS + tick * 10_000_000_000
    if is_sum:
        point.start_time_unix_nano = START_NS
        point.as_int = rng.randrange(1 << 40)
    else:
        point.as_double = rng.random()
    for key, text in (
        ("cpu", f"cpu{number // len(STATES)}"),
        ("state", STATES[number % len(STATES)]),
        ("region", "eu-west-1"),
    ):
        point.attributes.add(key=key).value.string_value = text
    point.attributes.add(key="number").value.int_value = number


def rate(
    decode: Callable[[Sequence[bytes]], object], batches: list[list[bytes]], rows: int
) -> float:
    """Give points per second of CPU time in one round."""
    begin = time.process_time()
    for batch in batches:
        decode(batch)
    return rows / (time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--points", type=int, default=200, help="points per message")
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--batch", type=int, default=50, help="messages per call")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    rng = random.Random(arguments.seed)
    messages = [
        message(tick, arguments.hosts, arguments.points, rng) for tick in range(arguments.messages)
    ]
    batches = [
        messages[start : start + arguments.batch]
        for start in range(0, len(messages), arguments.batch)
    ]
    codec = OtlpProtoCodec(limits=Limits(), names="as_is")
    decoded = codec.decode(messages)
    rows = len(decoded.columns)
    contenders: dict[str, Callable[[Sequence[bytes]], object]] = {
        "OtlpProtoCodec": codec.decode,
        "library twin": lambda batch: read_all(codec.read, batch),
        "FromString only": lambda batch: [MetricsData.FromString(one) for one in batch],
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(arguments.rounds):
        for name, decode in contenders.items():
            rates[name].append(rate(decode, batches, rows))
    print(
        f"{len(messages):,} messages of {len(messages[0]):,} B and {arguments.points} points, "
        f"{len(decoded.new_series):,} series"
    )
    print(f"{'decoder':<18}{'M points/s of CPU':>18}{'best':>8}{'ratio':>8}")
    twin = statistics.median(rates["library twin"])
    for name, each in rates.items():
        median = statistics.median(each)
        print(f"{name:<18}{median / 1e6:>18.3f}{max(each) / 1e6:>8.3f}{median / twin:>8.1f}")


if __name__ == "__main__":
    main()
