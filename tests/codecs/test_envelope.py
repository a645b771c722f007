"""Messages that are compressed inside."""

import gzip
import json

import cramjam
import pytest

from engine.codecs.envelope import Envelope
from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.samples import Limits

COMPRESS = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": lambda raw: bytes(cramjam.zstd.compress(raw)),
    "snappy": lambda raw: bytes(cramjam.snappy.compress_raw(raw)),
}


def message(*values):
    return json.dumps([{"ts": i, "name": "m", "value": v} for i, v in enumerate(values)]).encode()


def enveloped(compression, **limits):
    return Envelope(NativeJsonCodec(limits=Limits(**limits)), compression)


@pytest.mark.parametrize("compression", COMPRESS)
def test_messages_are_decompressed_and_broken_ones_rejected_whole(compression):
    compress = COMPRESS[compression]
    payloads = [compress(message(1)), b"broken \xff", compress(message(2, 3)), compress(b"no JSON")]
    codec = enveloped(compression)
    decoded = codec.decode(payloads)
    assert decoded.columns.value.tolist() == [1, 2, 3]
    assert decoded.message.tolist() == [0, 2, 2]
    assert [(r.message, r.reason, r.row) for r in decoded.rejects] == [
        (1, "decode_error", None),
        (3, "decode_error", None),
    ]
    for index, payload in enumerate(payloads):
        rows, rejects = codec.read(payload, index)
        assert [row.value for row in rows] == decoded.columns.value[
            decoded.message == index
        ].tolist()
        assert rejects == [reject for reject in decoded.rejects if reject.message == index]


@pytest.mark.parametrize("compression", ["gzip", "zstd", "snappy"])
def test_a_bomb_is_too_large(compression):
    bomb = COMPRESS[compression](b" " * 1_000_000)
    codec = enveloped(compression, max_decompressed_bytes=100_000)
    assert [reject.reason for reject in codec.decode([bomb]).rejects] == ["too_large"]
