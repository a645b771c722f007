"""Compiled code reads memory that no array stands for, and calls C functions."""

import ctypes

import numpy as np

from engine.kernels.foreign import call_foreign, copy_foreign, load_foreign
from engine.kernels.jit import in_place


@in_place
def call(function, first, second):
    return call_foreign(function, first, second)


def test_words_and_bytes_are_those_at_the_address():
    there = np.arange(4, dtype=np.int64) * -(2**40)
    assert [load_foreign(there.ctypes.data, place) for place in range(4)] == there.tolist()
    out = np.zeros(6, np.uint8)
    copy_foreign(np.frombuffer(b"abcd", np.uint8).ctypes.data, 3, out, 2)
    assert out.tobytes() == b"\0\0abc\0"


def test_a_c_function_gets_both_words():
    largest = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(max)
    address = ctypes.cast(largest, ctypes.c_void_p).value
    assert [call(address, -5, 2**40), call(address, 7, 3)] == [2**40, 7]
