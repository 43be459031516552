"""What NumPy has no name for, to be used in compiled loops: nothing here checks bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba.core import cgutils as untyped_tools
from numba.core import types
from numba.extending import intrinsic

from core.compiled import inlined

Words = npt.NDArray[np.uint64]
_Generate = Callable[[Any, Any, Any, Any], Any]
_tools: Any = untyped_tools
ir: Any = _tools.ir  # of llvmlite, as Numba has it


def _address(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where byte `arguments[1]` of the array `arguments[0]` lies."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    start = builder.bitcast(array.data, ir.IntType(8).as_pointer())
    return builder.gep(start, [arguments[1]])


def _prefetch(_typing: Any, words: Any, _at: Any) -> tuple[Any, _Generate]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address = _address(context, builder, signature, arguments)
        i32 = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), i32, i32, i32])
        function = _tools.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, i32(1), i32(3), i32(1)])  # to write, keep, data
        return context.get_dummy_value()

    return types.void(words, types.intp), generate


def _loader(bits: int) -> Callable[[Any, Any, Any], tuple[Any, _Generate]]:
    def load(_typing: Any, words: Any, _at: Any) -> tuple[Any, _Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = _address(context, builder, signature, arguments)
            typed = builder.bitcast(address, ir.IntType(bits).as_pointer())
            return _widened(builder, builder.load(typed, align=1), bits)

        return types.uint64(words, types.intp), generate

    return load


def _storer(bits: int) -> Callable[[Any, Any, Any, Any], tuple[Any, _Generate]]:
    def store(_typing: Any, words: Any, _at: Any, _value: Any) -> tuple[Any, _Generate]:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = _address(context, builder, signature, arguments)
            typed = builder.bitcast(address, ir.IntType(bits).as_pointer())
            value = arguments[2]
            if bits < 64:  # noqa: PLR2004 - of a word
                value = builder.trunc(value, ir.IntType(bits))
            builder.store(value, typed, align=1)
            return context.get_dummy_value()

        return types.void(words, types.intp, types.uint64), generate

    return store


def _widened(builder: Any, value: Any, bits: int) -> Any:
    return builder.zext(value, ir.IntType(64)) if bits < 64 else value  # noqa: PLR2004 - a word


def _trailing_zeros(_typing: Any, _word: Any) -> tuple[Any, _Generate]:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(0))

    return types.uint64(types.uint64), generate


def _folded_product(_typing: Any, _one: Any, _other: Any) -> tuple[Any, _Generate]:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word, wide = ir.IntType(64), ir.IntType(128)
        one, other = (builder.zext(argument, wide) for argument in arguments)
        product = builder.mul(one, other)
        high = builder.trunc(builder.lshr(product, wide(64)), word)
        return builder.xor(builder.trunc(product, word), high)

    return types.uint64(types.uint64, types.uint64), generate


_Memory = npt.NDArray[Any]
_Load = Callable[[_Memory, int], np.uint64]
_Store = Callable[[_Memory, int, np.uint64], None]

prefetch = cast("Callable[[_Memory, int], None]", intrinsic(_prefetch))
"""Ask for the cache line of byte `at` of the words, soon to be written."""

load64 = cast("_Load", intrinsic(_loader(64)))
"""The 8 bytes from byte `at` of the words on, which need not be aligned."""

load32 = cast("_Load", intrinsic(_loader(32)))
"""As `load64`, 4 bytes."""

load16 = cast("_Load", intrinsic(_loader(16)))
"""As `load64`, 2 bytes."""

store64 = cast("_Store", intrinsic(_storer(64)))
"""Write the 8 bytes from byte `at` of the words on, which need not be aligned."""

store32 = cast("_Store", intrinsic(_storer(32)))
"""As `store64`, the lowest 4 bytes."""

store16 = cast("_Store", intrinsic(_storer(16)))
"""As `store64`, the lowest 2 bytes."""

trailing_zeros = cast("Callable[[np.uint64], np.uint64]", intrinsic(_trailing_zeros))
"""Zero bits below the lowest one bit of a word that is not 0."""

folded_product = cast("Callable[[np.uint64, np.uint64], np.uint64]", intrinsic(_folded_product))
"""The product of two words in 128 bits, its halves joined by exclusive or."""


@inlined
def signed(word: np.unsignedinteger[Any]) -> int:
    """An unsigned number as an index: Numba makes a float of the sum of one and the other."""
    return np.int64(word)  # type: ignore[return-value]  # an int there
