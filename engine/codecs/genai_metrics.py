"""OTLP metrics of the GenAI conventions: names are made canonical, all else is as in `otlp_points`.

So series have one name, whichever draft of the conventions their producer knows.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, MetricsData

from engine.codecs.genai_names import GenAINames
from engine.codecs.otlp_names import Names
from engine.codecs.otlp_points import read_metrics
from engine.codecs.samples import Limits, RejectedError, Sample, check_size
from engine.series.columns import Reject


def read_genai_metrics(
    payload: bytes, index: int, limits: Limits, names: Names, aliases: GenAINames
) -> tuple[list[Sample], list[Reject]]:
    """Read one message of protobuf, `MetricsData` or the same bytes as an export request.

    Parameters
    ----------
    payload : bytes
    index : int
        Number of the message, for its rejects.
    limits : Limits
    names : str
        How names are translated afterwards, see `otlp_names`.
    aliases : GenAINames
    """
    try:
        check_size(payload, limits)
        data = MetricsData.FromString(payload)
    except RejectedError as error:
        return [], [error.reject(index, None)]
    except DecodeError as error:
        return [], [RejectedError("decode_error", str(error)).reject(index, None)]
    for group in data.resource_metrics:
        _rename(group.resource.attributes, aliases)
        for scope in group.scope_metrics:
            for metric in scope.metrics:
                metric.name = aliases.metrics.get(metric.name, metric.name)
                for point in _points(metric):
                    _rename(point.attributes, aliases)
    return read_metrics(data, index, limits, names)


def _points(metric: Metric) -> Iterable[Any]:
    kind = metric.WhichOneof("data")
    return getattr(metric, kind).data_points if kind else ()


def _rename(attributes: Any, aliases: GenAINames) -> None:
    """Give attributes their canonical names; one whose name is there already keeps its own."""
    held = {attribute.key for attribute in attributes}
    for attribute in attributes:
        name = aliases.attributes.get(attribute.key, attribute.key)
        if name not in held:
            held.add(name)
            attribute.key = name
