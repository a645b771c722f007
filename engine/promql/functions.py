"""Which functions of vectors and scalars there are, and their evaluation on blocks of ticks."""

from engine.promql import calendar, elementwise
from engine.promql.absence import Absent, absence, absent_labels
from engine.promql.conversions import OneRow, OnlyValue, Pi, Time, Timestamp
from engine.promql.errors import ExpressionError
from engine.promql.histogram import HistogramFraction, HistogramQuantile, OfNativeHistograms
from engine.promql.label_functions import LabelJoin, LabelReplace
from engine.promql.matrix import Block, Matrix, Scalar
from engine.promql.sorting import Sorted, result_order
from engine.promql.syntax import Call
from engine.promql.values import Function, Value

__all__ = [
    "VECTOR_FUNCTIONS",
    "FunctionCall",
    "Value",
    "absence",
    "absent_labels",
    "result_order",
]

_FUNCTIONS: dict[str, type[Function]] = {
    **dict.fromkeys(elementwise.CODES, elementwise.Elementwise),
    **dict.fromkeys(calendar.CODES, calendar.CalendarPart),
    **dict.fromkeys(("clamp", "clamp_min", "clamp_max"), elementwise.Clamp),
    **dict.fromkeys(("sort", "sort_desc", "sort_by_label", "sort_by_label_desc"), Sorted),
    **dict.fromkeys(
        (f"histogram_{name}" for name in ("avg", "count", "stddev", "stdvar", "sum")),
        OfNativeHistograms,
    ),
    "round": elementwise.Round,
    "pi": Pi,
    "time": Time,
    "scalar": OnlyValue,
    "vector": OneRow,
    "timestamp": Timestamp,
    "absent": Absent,
    "label_replace": LabelReplace,
    "label_join": LabelJoin,
    "histogram_quantile": HistogramQuantile,
    "histogram_fraction": HistogramFraction,
}

VECTOR_FUNCTIONS = frozenset(_FUNCTIONS)
"""Names of the functions that `FunctionCall` takes."""


class FunctionCall:
    """A call of a function of instant vectors and scalars.

    Parameters
    ----------
    call : Call
        The expression. A ``timestamp`` of a plain selector isn't for here: it needs the samples'
        own times.

    Raises
    ------
    ExpressionError
        If the function can't be evaluated, or Prometheus refuses its arguments at any tick.
    """

    __slots__ = ("_function",)

    def __init__(self, call: Call) -> None:
        make = _FUNCTIONS.get(call.function)
        if make is None:
            raise ExpressionError(f"the function {call.function}() is not supported yet")
        self._function = make(call)

    def apply(self, arguments: list[Value], block: Block) -> Matrix | Scalar:
        """Evaluate the call at a block of ticks.

        Parameters
        ----------
        arguments : list of Value
            Values of the call's arguments, in their order; scalars may differ between ticks.
        block : Block
            Notes the ticks at which two rows get equal labels.
        """
        return self._function.apply(arguments, block)
