"""Makes the codec of a format that the configuration names."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from engine.codecs.envelope import Envelope
from engine.codecs.feedback import FeedbackCodec
from engine.codecs.fluent_bit_json import read_fluent_bit
from engine.codecs.influx import InfluxCodec
from engine.codecs.metricbeat_json import read_metricbeat
from engine.codecs.native_json import NativeJsonCodec
from engine.codecs.otlp_json import read_json
from engine.codecs.otlp_proto import OtlpProtoCodec
from engine.codecs.prometheus_adapter import read_adapter
from engine.codecs.remote_write import RemoteWriteCodec
from engine.codecs.samples import Codec, Limits, PlainCodec, Read
from engine.codecs.telegraf_json import read_telegraf
from engine.codecs.vector_json import read_vector
from engine.config.connections import KafkaSource
from engine.config.schema import LimitsConfig

Make = Callable[[KafkaSource, Limits], Codec]


def _plain(read: Callable[[KafkaSource, Limits], Read]) -> Make:
    """Make codecs of a format that has only a strict reader."""
    return lambda settings, limits: PlainCodec(read(settings, limits), limits=limits)


FORMATS: Mapping[str, Make] = MappingProxyType(
    {
        "json": lambda _, limits: NativeJsonCodec(limits=limits),
        "otlp_proto": lambda settings, limits: OtlpProtoCodec(limits=limits, names=settings.names),
        "otlp_json": _plain(
            lambda settings, limits: partial(read_json, limits=limits, names=settings.names)
        ),
        "influx": lambda settings, limits: InfluxCodec(
            limits=limits, timestamp_unit=settings.timestamp_unit
        ),
        "telegraf_json": _plain(
            lambda settings, limits: partial(
                read_telegraf, limits=limits, timestamp_unit=settings.timestamp_unit
            )
        ),
        "prometheus_adapter": _plain(lambda _, limits: partial(read_adapter, limits=limits)),
        "remote_write": lambda _, limits: RemoteWriteCodec(limits=limits),
        "metricbeat": _plain(
            lambda settings, limits: partial(read_metricbeat, limits=limits, fields=settings.fields)
        ),
        "vector": _plain(lambda _, limits: partial(read_vector, limits=limits)),
        "fluent_bit": _plain(lambda _, limits: partial(read_fluent_bit, limits=limits)),
    }
)
"""How to make the codec of each format in `KafkaSource.format`."""


def limits_of(config: LimitsConfig) -> Limits:
    """Give the limits of messages."""
    return Limits(
        max_message_bytes=config.message_size_bytes,
        max_decompressed_bytes=config.decompressed_size_bytes,
        max_labels=config.labels,
        max_label_bytes=config.label_size_bytes,
    )


def make_codec(settings: KafkaSource, config: LimitsConfig) -> Codec:
    """Make the codec of a topic."""
    codec = FORMATS[settings.format](settings, limits_of(config))
    return codec if settings.compression == "none" else Envelope(codec, settings.compression)


def make_feedback_codec(
    settings: KafkaSource, config: LimitsConfig, detectors: Sequence[str]
) -> Codec:
    """Make the codec of a topic of feedback; `detectors` are the names that it may use."""
    codec = FeedbackCodec(detectors, limits=limits_of(config))
    return codec if settings.compression == "none" else Envelope(codec, settings.compression)
