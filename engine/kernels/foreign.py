"""Memory and functions of C libraries, from compiled code: no Python object for what lies there."""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from engine.kernels.jit import in_place

_Typed = tuple[Any, Callable[..., Any]]  # a signature and what writes the code for it


def _pointer_to(element: Any) -> Callable[[Any, Any], _Typed]:
    """Define a function that takes an address for that of such elements."""
    pointer: Any = types.CPointer

    def define(_typing: Any, _address: Any) -> _Typed:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return pointer(element)(types.int64), generate

    return define


def _define_call(_typing: Any, _function: Any, _first: Any, _second: Any) -> _Typed:
    """Call the C function at an address with two words.

    A function that takes one only, or gives nothing back, leaves the other register alone; what
    comes back is then anything.
    """

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(types.int64, types.int64, types.int64), generate


_words: Any = intrinsic(_pointer_to(types.int64))
_bytes: Any = intrinsic(_pointer_to(types.uint8))
call_foreign: Any = intrinsic(_define_call)


@in_place
def load_foreign(address: int, place: int) -> int:
    """Read the 64-bit integer at `place` of those at an address."""
    return _words(address)[place]


@in_place
def copy_foreign(address: int, length: int, out: Any, position: int) -> None:
    """Copy bytes at an address into an array."""
    source = _bytes(address)
    for offset in range(length):
        out[position + offset] = source[offset]
