"""Groups of events: equal codes in several columns, numbered in the order of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from catalog.metering.accumulate import code_texts, group_words
from catalog.metering.json_paths import Ints
from catalog.metering.measuring import text_buffers

_WORD_BITS: Final = 63
_EMPTY: Final = -1


@dataclass(frozen=True, slots=True)
class Codes:
    """A column as int64 codes below `many` that order as what they stand for."""

    codes: Ints
    many: int


def code_strings(column: pl.Series) -> Codes:
    """Code a String column without nulls."""
    text, ends = text_buffers(column)
    codes, firsts = np.empty(len(column), np.int64), np.empty(len(column), np.int64)
    many = code_texts(text, ends, _table(len(column)), codes, firsts)
    order = column.gather(firsts[:many]).arg_sort().to_numpy()
    ranks = np.empty(many, np.int64)
    ranks[order] = np.arange(many)
    return Codes(ranks[codes], max(1, many))


def code_integers(column: Ints) -> Codes:
    """Code integers by their distance from the least, if that is not far."""
    if not len(column):
        return Codes(column, 1)
    least, most = int(column.min()), int(column.max())
    if most - least <= 2 * len(column) + 1024:
        return Codes(column - least, most - least + 1)
    values, codes = np.unique(column, return_inverse=True)
    return Codes(codes.astype(np.int64), len(values))


def code(column: pl.Series) -> Codes:
    """Code a column without nulls."""
    if column.dtype == pl.String:
        return code_strings(column)
    if column.dtype.is_integer():
        return code_integers(column.cast(pl.Int64).to_numpy())
    ranks = column.rank("dense").cast(pl.Int64).to_numpy() - 1
    return code_integers(ranks)


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups in the order of their codes: the group of each row, and a row of each group."""

    group_of: Ints
    firsts: Ints


def find_groups(columns: Sequence[Codes], rows: Ints | None = None) -> Groups:
    """Group `rows` (None: all) by several columns. `firsts` are places in `rows`."""
    word, size = np.zeros(0, np.int64), 1
    for number, column in enumerate(columns):
        codes = column.codes if rows is None else column.codes[rows]
        if number == 0:
            word, size = codes, column.many
            continue
        if (size * column.many).bit_length() > _WORD_BITS:
            values, word = np.unique(word, return_inverse=True)
            word, size = word.astype(np.int64), len(values)
        word, size = word * column.many + codes, size * column.many
    group_of, firsts = np.empty(len(word), np.int64), np.empty(len(word), np.int64)
    many = group_words(word, _table(len(word)), group_of, firsts)
    firsts = firsts[:many]
    order = np.argsort(word[firsts])
    ranks = np.empty(many, np.int64)
    ranks[order] = np.arange(many)
    return Groups(ranks[group_of], firsts[order])


def _table(entries: int) -> Ints:
    return np.full(1 << (2 * entries + 1).bit_length(), _EMPTY, np.int64)
