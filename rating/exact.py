"""Exact numbers in columns: limbs of base 10^12, whole in Int128, never rounded and never wrapped.

Polars rounds `Decimal(38,12) x Decimal(38,12)` to 12 decimals in silence, and Int128 wraps in
silence. So a number is `whole + part_1 / 10^12 + part_2 / 10^24 + …`: `whole` of either sign, each
part at least 0 and below 10^12, like a floor. All limbs are Int128 columns `NAME_0`, `NAME_1`, …

| number | whole below | why nothing wraps (Int128 holds 1.7 x 10^38) |
|---|---|---|
| a quantity, or what is multiplied | 10^26 | times a part of 12 digits: below 10^38 |
| a factor: a price, a rate; not negative | 10^15 | times a part of 12 digits: below 10^27 |
| an amount that is added, compared, rounded | 10^18 | 10^20 of them fit |

A product of the two first may reach 10^41; it is clipped where it is over 10^20, so a check for
amounts of 10^18 and more still sees it. Whoever uses an amount further checks it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Final

import polars as pl

from rating.frames import QUANTITY_DTYPE

LIMB: Final = 10**12
UNITS_LIMIT: Final = 10**38
"""A quantity in units of 10^-12 stays below: 38 digits."""

_CLIP: Final = 10**20


def int128(value: int) -> pl.Expr:
    """A literal."""
    return pl.lit(value, dtype=pl.Int128)


def units_of(quantity: pl.Expr) -> pl.Expr:
    """Decimal(38,12) as an Int128 of units of 10^-12."""
    return quantity.to_physical()


def decimal_of(units: pl.Expr) -> pl.Expr:
    """Int128 units of 10^-12, below `UNITS_LIMIT`, as Decimal(38,12)."""
    return units.reinterpret(dtype=QUANTITY_DTYPE)


def divided(units: pl.Expr, size: pl.Expr, *, up: pl.Expr) -> pl.Expr:
    """How often a size above zero fits into units that are not negative; `up` counts a begun one.

    Clipped at 10^26, from where on a number has no 12 decimals left: to be refused.
    """
    whole = units // size
    begun = up & (whole * size != units)
    return (whole + begun.cast(pl.Int128)).clip(upper_bound=int128(UNITS_LIMIT // LIMB))


@dataclass(frozen=True, slots=True)
class Exact:
    """A number as expressions: `limbs[0]` whole, `limbs[i]` in units of 10^-12i."""

    limbs: tuple[pl.Expr, ...]
    signed: bool = True
    """Whether any row may be below zero."""

    @classmethod
    def seen(cls, frame: pl.DataFrame, name: str, parts: int) -> Exact:
        """As `named`, without the last parts that are zero in all rows, and with what signs are.

        Looking costs a tenth of what an empty part costs wherever the number is used.
        """
        limbs = cls.named(name, parts).limbs
        below, *some = frame.select(
            (limbs[0] < 0).any(), *((limb != 0).any() for limb in limbs[1:])
        ).row(0)
        while parts and not some[parts - 1]:
            parts -= 1
        return replace(cls.named(name, parts), signed=below)

    @classmethod
    def named(cls, name: str, parts: int) -> Exact:
        """The columns `name_0` to `name_parts`."""
        return cls(tuple(pl.col(f"{name}_{index}") for index in range(parts + 1)))

    @classmethod
    def of_units(cls, units: pl.Expr) -> Exact:
        """A number of 12 decimals, in units of 10^-12."""
        return cls((units // int128(LIMB), units % int128(LIMB)))

    @property
    def negative(self) -> pl.Expr:
        """Whether it is below zero."""
        return self.limbs[0] < 0

    def widened(self, parts: int) -> Exact:
        """The same number with at least so many parts."""
        missing = parts + 1 - len(self.limbs)
        return Exact((*self.limbs, *[int128(0)] * missing))

    def below(self, other: Exact) -> pl.Expr:
        """Whether it is less than another number."""
        size = max(len(self.limbs), len(other.limbs)) - 1
        pairs = list(zip(self.widened(size).limbs, other.widened(size).limbs, strict=True))
        answer = pl.lit(value=False)
        for mine, theirs in reversed(pairs):
            answer = (mine < theirs) | ((mine == theirs) & answer)
        return answer

    def chosen(self, condition: pl.Expr, other: Exact) -> Exact:
        """This number where the condition holds, else the other."""
        size = max(len(self.limbs), len(other.limbs)) - 1
        pairs = zip(self.widened(size).limbs, other.widened(size).limbs, strict=True)
        return Exact(
            tuple(pl.when(condition).then(mine).otherwise(theirs) for mine, theirs in pairs)
        )


def with_number(frame: pl.LazyFrame, name: str, raw: Sequence[pl.Expr]) -> pl.LazyFrame:
    """Add the number `name` from limbs of any size and sign, carried in stages.

    Each stage is of its own columns: as one expression, every carry would be worked out twice by
    the next.
    """
    names = [f"{name}_{index}" for index in range(len(raw))]
    frame = frame.with_columns(limb.alias(each) for each, limb in zip(names, raw, strict=True))
    for low, high in zip(names[:0:-1], names[-2::-1], strict=True):
        frame = frame.with_columns(
            pl.col(high) + pl.col(low) // int128(LIMB), pl.col(low) % int128(LIMB)
        )
    return frame


def with_split(frame: pl.LazyFrame, name: str, value: pl.Expr, parts: int) -> pl.LazyFrame:
    """Add the number `name` from one Int128 in units of its last part."""
    names = [f"{name}_{index}" for index in range(parts + 1)]
    frame = frame.with_columns(value.alias(names[-1]))
    for low, high in zip(names[:0:-1], names[-2::-1], strict=True):
        frame = frame.with_columns(
            (pl.col(low) // int128(LIMB)).alias(high), pl.col(low) % int128(LIMB)
        )
    return frame


def with_sum(
    frame: pl.LazyFrame, name: str, plus: Sequence[Exact], minus: Sequence[Exact] = ()
) -> pl.LazyFrame:
    """Add the column of a sum and difference of amounts."""
    size = max(len(each.limbs) for each in (*plus, *minus)) - 1
    raw = []
    for index in range(size + 1):
        limb = int128(0)
        for each in plus:
            limb += each.widened(size).limbs[index]
        for each in minus:
            limb -= each.widened(size).limbs[index]
        raw.append(limb)
    return with_number(frame, name, raw)


def product(left: Exact, factor: Exact) -> list[pl.Expr]:
    """Raw limbs of a product: `left` below 10^26, `factor` not negative and below 10^15.

    It has the parts of both together. Where it reaches 10^20 it is only known to do so.
    """
    clipped = left.limbs[0].clip(int128(-_CLIP), int128(_CLIP))
    raw = [clipped * factor.limbs[0]]
    for place in range(1, len(left.limbs) + len(factor.limbs) - 1):
        terms = [
            mine * factor.limbs[place - index]
            for index, mine in enumerate(left.limbs)
            if 0 <= place - index < len(factor.limbs)
        ]
        raw.append(reduce(add, terms))
    return raw


def with_product(frame: pl.LazyFrame, name: str, left: Exact, factor: Exact) -> pl.LazyFrame:
    """Add the column of a `product`."""
    return with_number(frame, name, product(left, factor))


def total(name: str, parts: int) -> list[pl.Expr]:
    """Aggregates of a group that are the raw limbs of its sum, for `with_number`."""
    return [limb.sum() for limb in Exact.named(name, parts).limbs]


def limbs_of(value: int, scale: int) -> list[int]:
    """A Python integer in units of 10^-12·scale as limbs; clipped as a product is."""
    limbs: list[int] = []
    for _ in range(scale):
        value, limb = divmod(value, LIMB)
        limbs.insert(0, limb)
    return [max(-_CLIP, min(value, _CLIP)), *limbs]
