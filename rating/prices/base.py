"""What a price is, and what a price model promises.

A model reads the parameters of a price once, into tiers. All lines of all its prices are then rated
in one pass over columns: each row finds its run of tiers, its tier, its amount.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import polars as pl

from core.money import Currency
from rating.bands import BandBook, Banded
from rating.errors import PriceParameterError
from rating.events import Events
from rating.price_units.unit import PriceUnit
from rating.prices.reading import Fields
from rating.rounding import DEFAULT_ROUNDING_MODE, RoundingMode
from rating.tiers import OPEN, Run, Tier, TierBook, with_tier

TIERS_MAX: Final = 1_000
"""Tiers, and cells of a matrix: a price that needs more is a table of another kind."""

DIMENSIONS_MAX: Final = 3
GROUPS_MAX: Final = 1_000
"""Groups that a price lists, so that they are billed although nothing was used."""


@dataclass(frozen=True, slots=True)
class Price:
    """One price as it is sold: immutable, known by its id, proved by its content hash.

    The hash is its maker's, over all that stands here but the id.
    """

    price_id: str
    content_hash: str
    model: str
    parameters: Mapping[str, Any]
    currency: Currency | PriceUnit
    rounding_mode: RoundingMode = DEFAULT_ROUNDING_MODE
    adjustments: Mapping[str, Any] = field(default_factory=dict)
    """What stands around the model, as `rating.around` reads it."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the parameters of a price say, checked."""

    runs: tuple[Run, ...]
    group_by: tuple[str, ...] = ()
    """The dimensions by which usage comes apart, sorted; none: as one quantity."""
    groups: tuple[str, ...] = ()
    """Groups that are rated even where they used nothing."""
    lines: tuple[str, ...] = ()
    """Keys of lines that it is a percentage of, or their beginnings with a star."""
    banded: Banded | None = None
    """Of a model over single events."""


class PriceModel(ABC):
    """One way to turn quantities into amounts. Stateless; one instance in the registry."""

    name: ClassVar[str]
    metered: ClassVar[bool] = True
    """Whether the price needs a meter; a model that does not is for one unit of a period."""
    of_lines: ClassVar[bool] = False
    """Whether its quantity is what other lines bill; then it needs no meter."""
    one_unit: ClassVar[bool] = True
    """Whether its quantities are of one unit, which may be converted, or free."""
    marginal: ClassVar[bool] = False
    """Whether a quantity fills tier after tier, or takes the price of one for all of it."""
    curve_over: ClassVar[str] = "quantity"
    """What its cost is drawn over."""

    @property
    def fixed(self) -> bool:
        """Whether the price is that of a period, whatever was used."""
        return not self.metered and not self.of_lines

    over_events: ClassVar[bool] = False
    """Whether it reads single events: an `EventPriceModel`."""

    @abstractmethod
    def read(self, fields: Fields) -> Terms:
        """The model's own parameters. Raises `PriceParameterError` naming the field."""

    def terms(self, parameters: Mapping[str, Any]) -> Terms:
        """All parameters of a price. Raises `PriceParameterError` naming the field and the fix."""
        fields = Fields(parameters)
        terms = self.read(fields)
        fields.done()
        return terms

    def with_tiers(self, rows: pl.LazyFrame, book: TierBook) -> pl.LazyFrame:
        """Rows with their `tier`, of `line`, `price`, `group`, `run` and `units`.

        A model may drop rows that do not count.
        """
        return with_tier(rows, book)


class EventPriceModel(PriceModel):
    """A model over single events: each becomes parts inside bands, which are summed by line."""

    one_unit: ClassVar[bool] = False
    over_events: ClassVar[bool] = True
    curve_over: ClassVar[str] = "value of one event"

    @abstractmethod
    def parts(self, events: Events, book: BandBook) -> pl.LazyFrame:
        """Parts of the events of all prices, as `bands.charged` reads them."""


def over_events(fields: Fields, banded: Banded) -> Terms:
    """Terms of a price over single events, which takes `group_by`: each group counts for itself."""
    group_by = fields.names("group_by", DIMENSIONS_MAX) if fields.has("group_by") else ()
    return Terms((Run(banded.tiers()),), group_by, banded=banded)


def one_run(fields: Fields, tiers: tuple[Tier, ...]) -> Terms:
    """Terms of a price that takes `group_by`: tiers start again with each group."""
    if not fields.has("group_by"):
        if fields.has("groups"):
            raise PriceParameterError("groups", "needs group_by, the dimensions that they name")
        return Terms((Run(tiers),))
    group_by = fields.names("group_by", DIMENSIONS_MAX)
    listed = fields.tables("groups", GROUPS_MAX) if fields.has("groups") else []
    groups = tuple(each.as_group(group_by) for each in listed)
    if len(set(groups)) < len(groups):
        raise PriceParameterError("groups", "lists a group twice")
    return Terms((Run(tiers),), group_by, groups)


def read_bounds(fields: Fields) -> Iterator[tuple[Fields, int]]:
    """The list `tiers`, each with its bound: they rise, and the last one is open."""
    written = fields.tables("tiers", TIERS_MAX)
    last = 0
    for each in written[:-1]:
        up_to = each.size("up_to")
        if up_to <= last:
            raise PriceParameterError(each.path("up_to"), "must be above that of the tier before")
        last = up_to
        yield each, up_to
    if written[-1].has("up_to"):
        raise PriceParameterError(
            written[-1].path("up_to"), "the last tier must be open: leave it out, or add a tier"
        )
    yield written[-1], OPEN


def read_tiers(
    fields: Fields,
    *,
    unit: bool = True,
    flat: bool = True,
    packages: bool = False,
    percent: bool = False,
) -> tuple[Tier, ...]:
    """The list `tiers`, at least one amount each; `percent`: what a unit costs is a `rate`."""
    price = "rate" if percent else "unit_amount"
    names = [name for name, wanted in ((price, unit), ("flat_amount", flat)) if wanted]
    tiers: list[Tier] = []
    for number, (each, up_to) in enumerate(read_bounds(fields), start=1):
        if not any(each.has(name) for name in names):
            raise PriceParameterError(
                each.path(names[0]), 'missing; give a decimal in quotes such as "0.50"'
            )
        of_unit = 0
        if unit and each.has(price):
            of_unit = each.share(price, 100) if percent else each.amount(price)
        tier = Tier(
            number,
            up_to,
            unit_amount=of_unit,
            flat_amount=each.amount("flat_amount", "0") if flat else 0,
            size=each.size("size") if packages else 0,
        )
        each.done()
        tiers.append(tier)
    return tuple(tiers)
