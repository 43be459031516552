"""People move in on 17 March 2026, in a ramp, with a pause before; March and April close.

What each should pay is counted day by day with fractions, by rules written down here alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import pytest

from core.endpoints import Endpoints
from db.postgres import Database
from tests.scenarios.stories.teller import PLANS, Line, Town, lines_of, tokens
from tests.scenarios.stories.test_move_in import bring
from tests.scenarios.stories.test_phases import FEE, TOKENS, flat, phase

RAMP = phase("ramp", "P3M", fee=flat("10.00"), tokens=tokens("0.02")["price"])
PRICES = {True: (1000, Fraction(2)), False: (3000, Fraction(1))}
"""In the ramp, or behind it: the fee of a month and the price of a token, in cents."""

MOVE = datetime(2026, 3, 17, 9, tzinfo=UTC)
MONTHS = ((date(2026, 3, 1), date(2026, 4, 1)), (date(2026, 4, 1), date(2026, 5, 1)))
PEOPLE = 12
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Person:
    """Somebody with a subscription elsewhere: days, and what they use on each."""

    slug: str
    start: date
    pause: tuple[date, date]
    billed_through: date
    uses: dict[date, int]

    @property
    def ramp_ends(self) -> date:
        """The same day three months later; a pause takes nothing away from it."""
        months = self.start.month + 2
        return date(self.start.year + months // 12, months % 12 + 1, self.start.day)

    def row(self) -> str:
        since, until = self.pause
        cut = "" if self.billed_through.day == 1 else "true"
        return (
            f"{self.slug},{self.slug},grow,{self.start},2026-01-01,{self.billed_through},{cut},"
            f"{since},{until}\n"
        )

    def due(self, month: tuple[date, date]) -> list[Line]:
        """The lines of a month."""
        first, end = month
        length = (end - first).days
        days = [first + number * DAY for number in range(length)]
        found: list[Line] = []
        for (billed, ramp), span in groupby(days, key=self._held):
            if not billed:
                continue
            held = list(span)
            fee, token = PRICES[ramp]
            name = f"{held[0]:%m-%d}..{held[-1] + DAY:%m-%d}"
            used = sum(self.uses.get(day, 0) for day in held)
            found.append(("fee", name, cents(Fraction(fee * len(held), length))))
            found.append(("tokens", name, cents(used * token)))
        return sorted(found)

    def _held(self, day: date) -> tuple[bool, bool]:
        since, until = self.pause
        return day >= self.billed_through and not since <= day < until, day < self.ramp_ends


def cents(exact: Fraction) -> int:
    """Half away from zero; nothing here is negative."""
    return int(exact + Fraction(1, 2))


def somebody(number: int, rng: random.Random) -> Person:
    start = date(2025, 12, 15) + rng.randrange(60) * DAY
    if start.day > 28:
        start = start.replace(day=28)  # so that each month has the day
    since = max(start + DAY, date(2026, 3, 17) - rng.randrange(1, 40) * DAY)
    until = since + rng.randrange(1, 25) * DAY
    through = rng.choice([date(2026, 3, 1), date(2026, 3, 1) + rng.randrange(1, 17) * DAY])
    days = [date(2026, 2, 20) + rng.randrange(65) * DAY for _ in range(8)]
    return Person(
        f"p{number}", start, (since, until), max(through, start),
        {day: rng.randrange(1, 400) for day in days},
    )  # fmt: skip


@pytest.fixture
def ramped(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        grow = {"rate_cards": [FEE, TOKENS], "phases": [RAMP]}
        yield Town.build(installation, database, random.Random(seed), PLANS | {"grow": grow})


def test_a_ramp_that_goes_on_and_a_pause_before_are_billed_to_the_cent(
    ramped: Town, tmp_path: Path, seed: int
) -> None:
    people = [somebody(number, random.Random(f"{seed} {number}")) for number in range(PEOPLE)]
    for name, head, rows in (
        ("customers", "slug,currency", [f"{each.slug},EUR\n" for each in people]),
        ("subjects", "customer,subject,from", [f"{p.slug},{p.slug}-app,\n" for p in people]),
        (
            "subscriptions",
            "slug,customer,plan,start,anchor,billed_through,cut_period,paused_since,paused_until",
            [each.row() for each in people],
        ),
    ):
        (tmp_path / f"{name}.csv").write_text(f"{head}\n{''.join(rows)}")
    for each in people:
        for day, quantity in each.uses.items():
            at = datetime(day.year, day.month, day.day, 13, tzinfo=UTC)
            ramped.use(f"{each.slug}-app", at, str(quantity))
    totals, reports = bring(ramped, tmp_path, MOVE)
    assert totals.clean, [each for each in reports if each.outcome != "created"]
    for month in MONTHS:
        end = month[1]
        billed: dict[str, list[Line]] = defaultdict(list)
        for invoice in ramped.close(datetime(end.year, end.month, end.day, tzinfo=UTC)):
            billed[invoice.buyer["name"]] += lines_of(invoice)
        for each in people:
            assert sorted(billed[each.slug]) == each.due(month), (seed, each)
    assert bring(ramped, tmp_path, MOVE + timedelta(days=50))[0].clean
