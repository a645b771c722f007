"""A loop by hand: confluent-kafka, msgspec, a dictionary; no order, no state on disk, no rules."""

import gc

from confluent_kafka import Producer
from job import BOUND_SQUARED, FIRST_VARIANCE, WEIGHT, alert_text, decode
from kafka_throughput import batches
from meter import OUTPUT, Meter, options


def main() -> None:
    given = options()
    gc.disable()
    meter = Meter(given.rows)
    producer = Producer({"bootstrap.servers": given.brokers})
    states: dict[tuple[str, bytes], list[float]] = {}
    for messages in batches(given.brokers, given.topic, given.rows):
        if messages:
            meter.start()
        for message in messages:
            sample = decode(message.value())
            value = sample.value
            key = (sample.name, bytes(sample.labels))
            state = states.get(key)
            if state is None:
                states[key] = [value, FIRST_VARIANCE]
                continue
            # `job.step` written out: a call for each row would cost a loop this short a tenth.
            mean, variance = state
            off = value - mean
            squared = off * off
            if squared > BOUND_SQUARED * variance:
                meter.alerts += 1
                alert = alert_text(sample.ts, sample.name, key[1], off / variance**0.5)
                producer.produce(f"{OUTPUT}.msgspec", alert)
            state[0] = mean + WEIGHT * off
            state[1] = (1.0 - WEIGHT) * (variance + WEIGHT * squared)
        meter.add(len(messages))
    producer.flush()


if __name__ == "__main__":
    main()
