"""Columns that hold nothing, over one stretch of zeros that none of them owns.

Most columns of most usage rows are empty: nobody needs a maximum, no event was too long. Zeros that
are never written cost no memory and next to no time.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from catalog.metering.rows import USAGE_SCHEMA

_WIDTH: Final = 16
"""Bytes of the widest value."""

_NULLS: Final[dict[type[pl.DataType], pa.DataType]] = {
    pl.Decimal: pa.decimal128(38, 12),
    pl.Datetime: pa.timestamp("us", "UTC"),
}
_NUMBERS: Final[dict[type[pl.DataType], pa.DataType]] = {
    pl.UInt64: pa.uint64(),
    pl.Int64: pa.int64(),
}


class Blank:
    """Empty columns of `many` rows."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._zeros = pa.py_buffer(np.zeros((many + 1) * _WIDTH, np.uint8).data)

    def column(self, name: str) -> pl.Series:
        """A column of a usage row: counts 0, numbers and times null, texts '', lists []."""
        dtype = USAGE_SCHEMA[name]
        kind = type(dtype) if isinstance(dtype, pl.DataType) else dtype
        children: list[pa.Array[Any]] = []
        validity = None
        if kind in _NULLS:
            arrow, validity = _NULLS[kind], self._zeros
        elif kind in _NUMBERS:
            arrow = _NUMBERS[kind]
        elif kind == pl.String:
            arrow = pa.string_view()
        else:
            # Not `pa.array([])`: to look at a Python list, Arrow imports pandas, for a second.
            none = pa.Array.from_buffers(pa.string_view(), 0, [None, self._zeros])
            arrow, children = pa.large_list(pa.string_view()), [none]
        buffers = [validity, self._zeros]
        array = pa.Array.from_buffers(arrow, self._many, buffers, children=children)
        return pl.Series(name, array, dtype=dtype)
