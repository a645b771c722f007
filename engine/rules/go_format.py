"""Go's `fmt` verbs, as far as alert templates use them: `%v`, `%.2f`, `%4d`, `%q` and their kin.

A format is parsed once, when rules are loaded, and refuses then what isn't supported. Mistakes
that Go reports inside the text (``%!d(float64=1)``) are reported in the same form. Sources: Go's
documentation of `fmt` and `strconv` (verbs, flags, when `%g` turns scientific), and outputs of
Prometheus.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from engine.rules.template_values import AlertData, Arguments, Byte, Duration, Moment, SafeText

Value = str | float | int | bool | Mapping[str, Any] | Moment | Duration | AlertData | None

_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>[0-9]*)(?:(?P<point>\.)(?P<precision>[0-9]*))?(?P<verb>.?)",
    re.DOTALL,
)
_LONGEST_FIELD = 1_000  # characters; a mistyped width must not fill the memory
_SCIENTIFIC_BELOW, _SCIENTIFIC_FROM = -4, 6  # decimal exponents
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}
# What Go can print and this module can't; other wrong pairs are Go's mistakes, too.
_UNSUPPORTED_VERBS = {"float64": "bxX", "int": "qOU", "uint8": "qOU"}
_TYPE_NAMES: dict[type, str] = {
    str: "string",
    SafeText: "template.HTML",
    bool: "bool",
    int: "int",
    Byte: "uint8",
    float: "float64",
    Arguments: "map[string]interface {}",
    Moment: "*time.Time",
    Duration: "*time.Duration",
    AlertData: "struct { Labels map[string]string; ExternalLabels map[string]string; "
    "ExternalURL string; Value interface {} }",
    type(None): "<nil>",
}


@dataclass(frozen=True, slots=True)
class Directive:
    """One ``%...`` of a format: flags, least width and precision in characters, and the verb."""

    verb: str
    minus: bool = False
    plus: bool = False
    space: bool = False
    zero: bool = False
    width: int = 0
    precision: int | None = None

    def format(self, value: Value) -> str:
        """Format a value as Go's `Sprintf` does with this directive.

        Raises
        ------
        ValueError
            For the few pairs of verb and type that Go can print and this module can't.
        """
        if self.verb in _UNSUPPORTED_VERBS.get(type_name(value), ""):
            raise ValueError(f"printf's %{self.verb} of a {type_name(value)} is not supported yet")
        if value is None:
            return self._padded("<nil>") if self.verb == "v" else f"%!{self.verb}(<nil>)"
        if isinstance(value, AlertData):
            return "{" + " ".join(map(self.format, value.fields.values())) + "}"
        if isinstance(value, Mapping):
            pairs = [f"{self.format(name)}:{self.format(value[name])}" for name in sorted(value)]
            return f"map[{' '.join(pairs)}]"
        if isinstance(value, Moment | Duration):
            if self.verb not in "vsqxX":
                raise ValueError(
                    f"printf's %{self.verb} of a {type_name(value)} is not supported yet"
                )
            text = self._string(str(value))
        elif isinstance(value, bool):
            text = self._bool(value)
        elif isinstance(value, int):
            text = self._int(value)
        elif isinstance(value, float):
            text = self._float(value)
        else:
            text = self._string(value)
        if text is None:
            text = f"%!{self.verb}({type_name(value)}={replace(self, verb='v').format(value)})"
        return text

    def _bool(self, value: bool) -> str | None:
        return self._padded(str(value).lower()) if self.verb in "tv" else None

    def _string(self, value: str) -> str | None:
        if self.verb in "xX":
            raw = value.encode()[: self.precision]
            digits = raw.hex(" ") if self.space else raw.hex()
            return self._padded(digits.upper() if self.verb == "X" else digits)
        text = value[: self.precision]
        if self.verb == "q":
            return self._padded(_quoted(text, ascii_only=self.plus))
        return self._padded(text) if self.verb in "vs" else None

    def _int(self, value: int) -> str | None:
        if self.verb == "c":
            return self._padded(chr(value) if 0 <= value <= 0x10FFFF else "\ufffd")
        if self.verb not in "vbdoxX":
            return None
        digits = format(abs(value), "d" if self.verb == "v" else self.verb)
        sign = self._sign(negative=value < 0)
        if self.precision is None:
            return self._padded(digits, sign)
        # With a precision the zero flag means nothing, and 0 in no digits is no text at all.
        if value == 0 == self.precision:
            return self._padded("", zero=False)
        return self._padded(digits.zfill(self.precision), sign, zero=False)

    def _float(self, value: float) -> str | None:
        if self.verb not in "vgGeEfF":
            return None
        negative = math.copysign(1.0, value) < 0
        if math.isfinite(value):
            digits = _float_digits(abs(value), self.verb, self.precision)
            return self._padded(digits, self._sign(negative=negative))
        # NaN and Inf are never padded with zeros; Inf always has a sign, NaN only if asked for.
        if math.isnan(value):
            return self._padded("NaN", self._sign(negative=False), zero=False)
        return self._padded("Inf", self._sign(negative=negative) or "+", zero=False)

    def _sign(self, *, negative: bool) -> str:
        if negative:
            return "-"
        return "+" if self.plus else " " if self.space else ""

    def _padded(self, text: str, sign: str = "", *, zero: bool = True) -> str:
        if self.minus:
            return (sign + text).ljust(self.width)
        if self.zero and zero:
            return sign + text.rjust(self.width - len(sign), "0")
        return (sign + text).rjust(self.width)


class _Missing:
    """Stands for a value that a format asks for in vain."""


_MISSING = _Missing()
_PLAIN = Directive("v")


def parse_format(text: str) -> tuple[str | Directive, ...]:
    """Cut a format into plain text and directives.

    Raises
    ------
    ValueError
        For ``*`` and ``[n]``, the flag ``#``, the verbs ``%T`` and ``%p``, and widths and
        precisions above 1,000, none of which is supported.
    """
    parts: list[str | Directive] = []
    end = 0
    for match in _DIRECTIVE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        verb, flags = match["verb"], match["flags"]
        width, precision = int(match["width"] or 0), int(match["precision"] or 0)
        if verb == "%":
            parts.append("%")
        elif not verb:
            parts.append("%!(NOVERB)")
        elif verb in "*[Tp" or "#" in flags:
            raise ValueError(f"'{match[0]}' in a printf format is not supported yet")
        elif max(width, precision) > _LONGEST_FIELD:
            raise ValueError(f"'{match[0]}' in a printf format is longer than {_LONGEST_FIELD}")
        else:
            plus = "+" in flags and verb != "v"  # %+v means something else, for structs
            signs = ("-" in flags, plus, " " in flags, "0" in flags)
            parts.append(Directive(verb, *signs, width, precision if match["point"] else None))
    parts.append(text[end:])
    return tuple(part for part in parts if part)


def sprintf(parts: Sequence[str | Directive], *values: Value) -> str:
    """Fill a parsed format, as Go's `fmt.Sprintf`; too few or many values are named in the text."""
    texts = []
    waiting = iter(values)
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        value = next(waiting, _MISSING)
        missing = f"%!{part.verb}(MISSING)"
        texts.append(missing if isinstance(value, _Missing) else part.format(value))
    extra = ", ".join(
        "<nil>" if value is None else f"{type_name(value)}={print_value(value)}"
        for value in waiting
    )
    return "".join(texts) + (f"%!(EXTRA {extra})" if extra else "")


def print_value(value: Value) -> str:
    """Print a value as Go's ``%v`` does."""
    return value if isinstance(value, str) else _PLAIN.format(value)


def type_name(value: Value) -> str:
    """Give Go's name of a value's type."""
    known = _TYPE_NAMES.get(type(value))
    if known is None:
        known = "map[string]string" if isinstance(value, Mapping) else "float64"
    return known


def quote(text: str) -> str:
    """Quote text as Go's ``%q`` does."""
    return _quoted(text, ascii_only=False)


def _float_digits(value: float, verb: str, precision: int | None) -> str:
    if verb in "eEfF":
        return f"{value:.{6 if precision is None else precision}{verb}}"
    if precision is None:
        digits = _shortest_digits(value)
        return digits.upper() if verb == "G" else digits
    return f"{value:.{precision}{'G' if verb == 'G' else 'g'}}"


def _shortest_digits(value: float) -> str:
    """Write a finite number >= 0 with the fewest digits that read back."""
    decimal = Decimal(repr(value)).normalize()
    if _SCIENTIFIC_BELOW <= decimal.adjusted() < _SCIENTIFIC_FROM:
        return f"{decimal:f}"
    mantissa, exponent = f"{decimal:e}".split("e")
    return f"{mantissa}e{int(exponent):+03d}"


def _quoted(text: str, *, ascii_only: bool) -> str:
    return '"' + "".join(_escaped(character, ascii_only) for character in text) + '"'


def _escaped(character: str, ascii_only: bool) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() and (character.isascii() or not ascii_only):
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
