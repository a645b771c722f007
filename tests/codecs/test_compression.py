"""Every compression undone, refused when corrupt, and given up when it grows too large."""

import gzip
import tracemalloc
from contextlib import suppress

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.codecs.compression import decompress, detect
from engine.codecs.samples import RejectedError


def zstd(content):
    return bytes(cramjam.zstd.compress(content))


def zstd_without_size(content):
    """Compress as a stream, whose frame does not say how long it is."""
    compressor = cramjam.zstd.Compressor(3)
    compressor.compress(content)
    return bytes(compressor.finish())


COMPRESS = {
    "none": bytes,
    "gzip": lambda content: gzip.compress(content, 6),
    "zstd": zstd,
    "snappy": lambda content: bytes(cramjam.snappy.compress_raw(content)),
}


@pytest.fixture(params=list(COMPRESS))
def compression(request):
    return request.param


def reason_of(payload, compression, bytes_max=1 << 20):
    with pytest.raises(RejectedError) as caught:
        decompress(payload, compression, bytes_max)
    return caught.value.reason


@pytest.mark.parametrize("content", [b"", b"a", b"hello" * 1000, bytes(range(256)) * 300])
def test_content_comes_back_up_to_the_very_limit(compression, content):
    payload = COMPRESS[compression](content)
    assert decompress(payload, compression, len(content)) == content
    if content:
        assert reason_of(payload, compression, len(content) - 1) == "too_large"


@pytest.mark.parametrize("compress", [COMPRESS["gzip"], zstd, zstd_without_size])
def test_a_bomb_is_given_up_before_it_takes_memory(compress):
    payload = compress(bytes(64 << 20))
    compression = detect(payload)
    tracemalloc.start()
    assert reason_of(payload, compression, 1 << 20) == "too_large"
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 4 << 20


def test_a_snappy_length_is_not_believed():
    assert reason_of(b"\xff\xff\xff\xff\x0fabc", "snappy") == "too_large"
    assert reason_of(b"\x05\x10hell", "snappy") == "decode_error"
    assert reason_of(b"\xff\xff\xff\xff\xff\x01", "snappy") == "decode_error"


@pytest.mark.parametrize("compress", [COMPRESS["gzip"], zstd, zstd_without_size])
def test_members_and_frames_follow_each_other_but_nothing_else_does(compress):
    payload = compress(b"one ") + compress(b"") + compress(b"two")
    compression = detect(payload)
    assert decompress(payload, compression, 7) == b"one two"
    assert reason_of(payload, compression, 6) == "too_large"
    assert reason_of(payload + b"junk", compression) == "decode_error"


@pytest.mark.parametrize("content", [b"hello" * 1000, bytes(range(256)) * 200])
def test_truncated_payloads_are_refused(content):
    for compression in ("gzip", "zstd", "snappy"):
        payload = COMPRESS[compression](content)
        for length in (0, 1, 3, 5, len(payload) // 2, len(payload) - 1):
            assert reason_of(payload[:length], compression) == "decode_error"


def test_many_empty_members_take_no_long_time():
    assert decompress(gzip.compress(b"") * 20_000, "gzip", 10) == b""


def test_compression_is_detected_by_its_first_bytes():
    for compression, compress in COMPRESS.items():
        expected = "none" if compression == "snappy" else compression
        assert detect(compress(b'{"ts":1}')) == expected
    assert detect(b"") == "none"


@settings(max_examples=60)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_any_bytes_give_content_or_a_reason(junk, prefix):
    for compression in COMPRESS:
        with suppress(RejectedError):
            assert len(decompress(prefix + junk, compression, 1000)) <= 1000
