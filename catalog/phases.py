"""Phases of a plan: a trial, a ramp; each so long, the last maybe for ever, then the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from catalog.meter_definition import check_slug
from catalog.prices import PriceTerms
from core.calendar.intervals import Interval
from core.errors import ValidationError
from core.ids import MeterId
from core.refusals import located

PHASES_MAX: Final = 20
"""Phases of one plan version."""


@dataclass(frozen=True, slots=True)
class Phase:
    """What holds in place of the plan's prices for as long as it `lasts`; None: for ever.

    A `trial` waives fees and agreed quantities, and the usage of `free_meters`. `prices` are those
    of lines, by key, one per currency; lines without one have the plan's. `quantities` are agreed,
    by key of their lines, where a subscription says no other number.
    """

    key: str
    name: str
    lasts: Interval | None = None
    trial: bool = False
    free_meters: frozenset[MeterId] = frozenset()
    prices: Mapping[str, tuple[PriceTerms, ...]] = field(default_factory=dict)
    quantities: Mapping[str, Decimal] = field(default_factory=dict)

    def hashed(self) -> dict[str, Any]:
        """What the content hash of a plan says of it."""
        return {
            "key": self.key,
            "name": self.name,
            "lasts": self.lasts and self.lasts.duration,
            "trial": self.trial,
            "free_meters": sorted(str(each) for each in self.free_meters),
            "prices": {
                key: sorted(each.content_hash for each in prices)
                for key, prices in self.prices.items()
            },
            "quantities": {key: f"{each:f}" for key, each in self.quantities.items()},
        }


def check_phases(
    phases: Sequence[Phase], meters: Mapping[str, MeterId | None], agreed: frozenset[str]
) -> None:
    """Raise `ValidationError`, naming path and fix, for phases that cannot follow each other.

    `meters` are those of the plan's lines, by key; `agreed` the keys of lines by quantity.
    """
    if len(phases) > PHASES_MAX:
        raise ValidationError(f"phases: a plan has at most {PHASES_MAX}", field="phases")
    for index, phase in enumerate(phases):
        with located(f"phases[{index}]"):
            check_slug(phase.key, "key")
            if phase.key in {each.key for each in phases[:index]}:
                raise ValidationError(
                    f"key: two phases are called {phase.key!r}; a key names one", field="key"
                )
            _check_time(phase, first=index == 0, last=index == len(phases) - 1)
            _check_lines(phase, meters, agreed)


def _check_time(phase: Phase, *, first: bool, last: bool) -> None:
    if phase.lasts is None and not last:
        raise ValidationError(
            f"lasts: phase {phase.key!r} never ends, so nothing follows it; say how long, such as"
            " P3M",
            field="lasts",
        )
    if phase.trial and phase.lasts is None:
        raise ValidationError("lasts: a trial ends; say how long, such as P14D", field="lasts")
    if phase.trial and not first:
        raise ValidationError(
            f"trial: phase {phase.key!r} is not the first; who paid once is on trial no more",
            field="trial",
        )
    if phase.free_meters and not phase.trial:
        raise ValidationError(
            "free_meters: only a trial has them; give the line a price of 0 in this phase",
            field="free_meters",
        )


def _check_lines(
    phase: Phase, meters: Mapping[str, MeterId | None], agreed: frozenset[str]
) -> None:
    for key in phase.prices:
        if key not in meters:
            raise ValidationError(
                f"prices: the plan has no line {key!r}; it has: {', '.join(meters)}",
                field="prices",
            )
    for key in phase.quantities:
        if key not in agreed:
            raise ValidationError(
                f"quantities.{key}: the plan has no agreed quantity called so; it has:"
                f" {', '.join(sorted(agreed)) or 'none'}",
                field=f"quantities.{key}",
            )
    if not phase.free_meters <= set(meters.values()):
        raise ValidationError(
            "free_meters: no line of the plan is for one of them; leave it out, or add a line",
            field="free_meters",
        )
