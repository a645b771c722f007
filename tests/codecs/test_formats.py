"""All formats together: equal data gives equal series, and mutated messages are never too much.

Method: one data set is written in every format that can carry it; then messages are mutated, with a
fixed seed, and what a codec makes of them must be what its strict reader says. The long run of the
same is `benchmarks/fuzz_codecs.py`.
"""

import random

import numpy as np
import pytest
from made_messages import SHAPED, WRITERS, made_rows, remote_write_2

from engine.codecs.formats import FORMATS, make_codec
from engine.codecs.recognise import recognise
from engine.codecs.samples import Limits, read_all
from engine.config.connections import KafkaSource
from engine.config.schema import LimitsConfig

SECOND_NS = 10**9
SETTINGS = KafkaSource(brokers="a", topic="t")


def codec_of(name):
    settings = KafkaSource(brokers="a", topic="t", format=name)
    return make_codec(settings, LimitsConfig())


def seeds_of(name):
    if name in SHAPED:
        return [SHAPED[name]]
    writers = [WRITERS[name], remote_write_2] if name == "remote_write" else [WRITERS[name]]
    return [write(row) for write in writers for row in made_rows(series=3, steps=2)]


def test_every_format_of_the_configuration_has_a_codec_and_a_sample():
    assert set(FORMATS) == set(WRITERS) | set(SHAPED)
    for name in FORMATS:
        assert len(codec_of(name).decode(seeds_of(name)).columns)


@pytest.mark.parametrize("name", WRITERS)
def test_one_data_set_gives_the_same_rows_in_every_format(name):
    rows = made_rows()
    decoded = codec_of(name).decode([WRITERS[name](row) for row in rows])
    assert decoded.rejects == []
    series = {item.fingerprint: item for item in decoded.new_series}
    found = zip(
        (series[fingerprint] for fingerprint in decoded.columns.fingerprint.tolist()),
        decoded.columns.ts.tolist(),
        decoded.columns.value.tolist(),
        strict=True,
    )
    assert list(found) == [(series, ts_s * SECOND_NS, value) for series, ts_s, value in rows]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_recognised_by_its_messages(name):
    readers = {key: make(SETTINGS, Limits()).read for key, make in FORMATS.items()}
    assert recognise(seeds_of(name), readers) == name


def mutated(payload, seeds, generator):
    """Change a message in one to three places: bits, bytes, cuts, repeats, pieces of others."""
    data = bytearray(payload)
    for _ in range(generator.choice((1, 1, 1, 2, 3))):
        at = generator.randrange(len(data) + 1)
        end = min(len(data), at + generator.randrange(1, 12))
        match generator.choice((0, 0, 0, 0, 1, 2, 3, 4, 5, 6)):
            case 0 if at < len(data):
                data[at] ^= 1 << generator.randrange(8)
            case 1:
                data[at:end] = generator.randbytes(generator.randrange(6))
            case 2:
                del data[at:end]
            case 3:
                data[at:at] = data[at:end] * generator.randrange(1, 4)
            case 4:
                other = generator.choice(seeds)
                begin = generator.randrange(len(other) + 1)
                data[at:end] = other[begin : begin + generator.randrange(1, 40)]
            case 5:
                del data[at:]
            case _:
                numbers = (b"0", b"-1", b"1e999", b"9" * 25, b"NaN", b"\xff" * 9, b"\x00", b'"')
                data[at:end] = generator.choice(numbers)
    return bytes(data)


def check_mutants(name, count, seed):
    """Decode `count` mutants; gives how many gave rows, and how many were rejected."""
    generator = random.Random(f"{name} {seed}")
    codec, seeds = codec_of(name), seeds_of(name)
    with_rows = rejected = 0
    for begin in range(0, count, 500):
        size = min(500, count - begin)
        payloads = [mutated(generator.choice(seeds), seeds, generator) for _ in range(size)]
        fast, slow = codec.decode(payloads), read_all(codec.read, payloads)
        assert fast.columns.fingerprint.tolist() == slow.columns.fingerprint.tolist()
        assert fast.columns.ts.tolist() == slow.columns.ts.tolist()
        assert fast.columns.value.tobytes() == slow.columns.value.tobytes()
        assert fast.columns.flags.tolist() == slow.columns.flags.tolist()
        assert fast.message.tolist() == slow.message.tolist()
        assert fast.rejects == slow.rejects
        with_rows += len(np.unique(fast.message))
        rejected += len({reject.message for reject in fast.rejects})
    return with_rows, rejected


@pytest.mark.parametrize("name", FORMATS)
def test_mutated_messages_are_what_the_strict_reader_says(name):
    with_rows, rejected = check_mutants(name, 3_000, seed=1)
    assert with_rows > 50
    assert rejected > 50
