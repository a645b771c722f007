"""Protobuf message classes of Prometheus remote write, made at run time without protoc.

Field numbers are those of the remote write 1.0 and 2.0 specifications. What no codec looks into
(exemplars, histograms, metadata) is declared as bytes: it has the same place on the wire, and what
it holds can't make a message bad.
"""

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

__all__ = ["DecodeError", "Request", "Sample", "TimeSeries", "TimeSeries2", "WriteRequest"]

_PACKAGE = "streamgauge.remote_write"

_Field = descriptor_pb2.FieldDescriptorProto
_BYTES, _DOUBLE, _INT64, _STRING, _UINT32 = (
    _Field.TYPE_BYTES,
    _Field.TYPE_DOUBLE,
    _Field.TYPE_INT64,
    _Field.TYPE_STRING,
    _Field.TYPE_UINT32,
)

_SCHEMA: dict[str, list[tuple[str, int, int | str, bool]]] = {
    # name, number, scalar type or message name, repeated
    "Label": [("name", 1, _STRING, False), ("value", 2, _STRING, False)],
    "Sample": [
        ("value", 1, _DOUBLE, False),
        ("timestamp", 2, _INT64, False),
        ("start_timestamp", 3, _INT64, False),  # only in 2.0
    ],
    "TimeSeries": [
        ("labels", 1, "Label", True),
        ("samples", 2, "Sample", True),
        ("exemplars", 3, _BYTES, True),
        ("histograms", 4, _BYTES, True),
    ],
    "WriteRequest": [("timeseries", 1, "TimeSeries", True), ("metadata", 3, _BYTES, True)],
    "TimeSeries2": [
        ("labels_refs", 1, _UINT32, True),
        ("samples", 2, "Sample", True),
        ("histograms", 3, _BYTES, True),
        ("exemplars", 4, _BYTES, True),
        ("metadata", 5, _BYTES, False),
    ],
    "Request": [("symbols", 4, _STRING, True), ("timeseries", 5, "TimeSeries2", True)],
}


def _file() -> Any:
    """Describe the schema as protoc would."""
    file = descriptor_pb2.FileDescriptorProto(
        name="streamgauge/remote_write.proto", package=_PACKAGE, syntax="proto3"
    )
    for message_name, fields in _SCHEMA.items():
        message = file.message_type.add(name=message_name)
        for name, number, kind, repeated in fields:
            field = message.field.add(
                name=name,
                number=number,
                label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
            )
            if isinstance(kind, str):
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    return file


# A pool of its own, so that nothing else in the process can have the same names.
_pool = descriptor_pool.DescriptorPool()
_pool.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


WriteRequest = _class("WriteRequest")
"""Remote write 1.0, ``prometheus.WriteRequest``."""
TimeSeries = _class("TimeSeries")
Request = _class("Request")
"""Remote write 2.0, ``io.prometheus.write.v2.Request``."""
TimeSeries2 = _class("TimeSeries2")
Sample = _class("Sample")
