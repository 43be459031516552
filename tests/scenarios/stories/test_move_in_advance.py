"""Who paid in advance elsewhere moves in on 17 March 2026: no fee comes twice, and none is lost.

March has 31 days, so that a day of a fee of 31.00 is 1.00; 2026 has 365. Everybody lives in UTC.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from core.endpoints import Endpoints
from core.errors import BusinessLogicError, ValidationError
from db.postgres import Database
from subscriptions.commands import Cancel, Change, Reactivate
from subscriptions.moving.move_in import RowReport
from tests.scenarios.stories.teller import Line, Town, card, lines_of
from tests.scenarios.stories.test_in_advance import fee, seats
from tests.scenarios.stories.test_move_in import bring, day

LICENSE = fee("365.00", "license", every="yearly")
AUDIT = card("audit", {"model": "flat", "amount": "365.00"}, every="yearly")
PLANS = {
    "all": [fee("31.00"), seats("1.00"), LICENSE, AUDIT],
    "dear": [fee("310.00"), LICENSE, fee("62.00", "support")],
    "plain": [card("fee", {"model": "flat", "amount": "31.00"})],
}
HEAD = (
    "slug,customer,plan,start,billed_through,advance_billed_until,cut_period,quantities,"
    "trial_ends_at,paused_since,paused_until"
)


@pytest.fixture
def town(installation: Endpoints, seed: int) -> Iterator[Town]:
    with Database(installation.postgres) as database:
        yield Town.build(installation, database, random.Random(seed), PLANS)


def moved(town: Town, folder: Path, **cells: Any) -> list[RowReport]:
    row = {"slug": "sub", "customer": "ada", "plan": "all", "start": "2026-01-01"}
    row |= {"billed_through": "2026-03-01"} | cells
    if row["plan"] == "all":
        row["quantities"] = "seats=4"
    written = ",".join(row.get(name, "") for name in HEAD.split(","))
    (folder / "subscriptions.csv").write_text(f"{HEAD}\n{written}\n")
    return bring(town, folder, day(3, 17, 9))[1]


def billed(town: Town, at: datetime) -> dict[str, list[Line]]:
    """What a run makes, by the first day of the periods."""
    found: dict[str, list[Line]] = {}
    for invoice in town.close(at):
        assert len(lines_of(invoice)) == len(set(lines_of(invoice)))
        found[f"{invoice.kind} {invoice.period.start:%m-%d}"] = lines_of(invoice)
    return found


def month(number: int) -> list[Line]:
    """What a month costs in advance."""
    span = f"{number:02}-01..{number % 12 + 1:02}-01"
    return [("fee", span, 31_00), ("seats", span, 4_00)]


def share(amount: int, days: int, whole: int) -> int:
    """Of an amount in cents, half away from zero."""
    return int(Fraction(amount * days, whole) + Fraction(1, 2))


def test_what_was_billed_in_advance_elsewhere_goes_on_here_afterwards(
    town: Town, tmp_path: Path
) -> None:
    [report] = moved(town, tmp_path)
    assert report.outcome == "created", report.message
    assert town.close(day(3, 31, 23)) == [], "March and the license are billed elsewhere"
    assert billed(town, day(4, 1)) == {"period 03-01": month(4)}
    rest = billed(town, datetime.fromisoformat("2027-01-01T00:00Z"))
    assert list(rest) == [f"period {number:02}-01" for number in range(4, 13)]
    for number in range(4, 12):
        assert rest[f"period {number:02}-01"] == month(number + 1)
    assert sorted(rest["period 12-01"]) == [
        ("audit", "03-01..01-01", share(365_00, 306, 365)),  # nothing before it came
        ("fee", "01-01..02-01", 31_00),
        ("license", "01-01..01-01", 365_00),
        ("seats", "01-01..02-01", 4_00),
    ]
    [again] = bring(town, tmp_path, day(4, 2))[1]
    assert again.outcome == "equal", again.fields


def test_what_was_due_and_not_billed_elsewhere_is_an_opening(town: Town, tmp_path: Path) -> None:
    moved(town, tmp_path, advance_billed_until="2026-03-01")
    # The license began in January, before 1 March.
    assert billed(town, day(3, 17)) == {"opening 03-01": month(3)}
    assert billed(town, day(4, 1)) == {"period 03-01": month(4)}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("", {"period 02-01": month(3), "period 03-01": month(4)}),
        ("2026-02-01", {"opening 02-01": month(2), "period 02-01": month(3)}),
        ("2026-03-01", {"period 02-01": month(3), "period 03-01": month(4)}),
        ("2026-04-01", {"period 03-01": month(4)}),
    ],
)
def test_the_other_system_may_have_billed_further_ahead(
    town: Town, tmp_path: Path, told: str, expected: dict[str, list[Line]]
) -> None:
    moved(town, tmp_path, billed_through="2026-02-01", advance_billed_until=told)
    found = billed(town, day(4, 1))
    assert expected.items() <= found.items()
    assert sum(len(lines) for lines in found.values()) == 2 * len(expected | found)


def test_a_period_that_is_cut_is_billed_for_its_rest(town: Town, tmp_path: Path) -> None:
    moved(town, tmp_path, billed_through="2026-03-10", cut_period="true")
    assert billed(town, day(3, 17)) == {
        "opening 03-10": [
            ("fee", "03-10..04-01", share(31_00, 22, 31)),
            ("seats", "03-10..04-01", share(4_00, 22, 31)),
        ]
    }
    assert billed(town, day(4, 1)) == {"period 03-10": month(4)}


def test_who_has_paid_for_the_period_that_lasts_gets_the_next_one_here(
    town: Town, tmp_path: Path
) -> None:
    moved(town, tmp_path, billed_through="2026-04-01")
    assert billed(town, day(4, 1)) == {"opening 04-01": month(4)}
    assert billed(town, day(5, 1)) == {"period 04-01": month(5)}


@pytest.mark.parametrize(
    ("cells", "license_"),
    [
        ({"trial_ends_at": "2026-03-16"}, [("license", "03-16..01-01", 291_00)]),
        # It was billed in January, before the pause.
        ({"paused_since": "2026-02-20", "paused_until": "2026-03-16"}, []),
    ],
)
def test_a_trial_and_a_pause_had_nothing_to_bill_in_advance(
    town: Town, tmp_path: Path, cells: dict[str, str], license_: list[Line]
) -> None:
    moved(town, tmp_path, **cells)
    assert sorted(billed(town, day(4, 1))["period 03-01"]) == sorted(
        [
            ("fee", "03-16..04-01", share(31_00, 16, 31)),
            ("seats", "03-16..04-01", share(4_00, 16, 31)),
            *month(4),
            *license_,
        ]
    )


def test_who_is_tried_until_the_day_it_came_from_was_billed_that_day(
    town: Town, tmp_path: Path
) -> None:
    moved(town, tmp_path, trial_ends_at="2026-03-01")
    assert billed(town, day(4, 1)) == {"period 03-01": month(4)}


def test_an_upgrade_is_billed_where_lines_are_new_and_from_the_next_period_on(
    town: Town, tmp_path: Path
) -> None:
    moved(town, tmp_path)
    town.do(day(3, 20), Change(town.desk(day(3, 20)).version("dear")))
    # The fee for March is the other system's to settle; support was not there.
    found = billed(town, day(4, 1))["period 03-01"]
    assert sorted(line for line in found if line[0] != "audit") == [
        ("fee", "04-01..05-01", 310_00),
        ("support", "03-20..04-01", share(62_00, 12, 31)),
        ("support", "04-01..05-01", 62_00),
    ]


def test_an_end_credits_nothing_and_who_returns_has_paid_already(
    town: Town, tmp_path: Path
) -> None:
    moved(town, tmp_path)
    town.do(day(3, 20), Cancel("now"))
    [last] = town.close(day(3, 20))
    # A year's audit in arrears, from 1 March on: 365.00 x 19/365.
    assert lines_of(last) == [("audit", "03-01..03-20", share(365_00, 19, 365))]
    assert last.credit_after_minor == 0
    town.do(day(3, 25), Reactivate())
    assert town.close(day(3, 25)) == []
    assert sorted(billed(town, day(4, 1))["period 03-25"]) == sorted(month(4))


def test_what_held_when_it_came_is_held_fast(town: Town, tmp_path: Path) -> None:
    moved(town, tmp_path)
    plan = town.desk(day(3, 18)).version("dear")
    with pytest.raises(BusinessLogicError, match="is invoiced in advance from 2026-03-01"):
        town.desk(day(3, 18)).do(Change(plan), as_of=day(3, 1))
    assert town.desk(day(3, 18)).do(Change(plan), as_of=day(3, 1, 1))


def test_a_plan_without_lines_in_advance_may_get_them(town: Town, tmp_path: Path) -> None:
    moved(town, tmp_path, plan="plain")
    town.do(day(3, 20), Change(town.desk(day(3, 20)).version("dear")))
    found = billed(town, day(4, 1))["period 03-01"]
    assert sorted(found) == [
        ("fee", "03-01..03-20", share(31_00, 19, 31)),
        ("fee", "03-20..04-01", share(310_00, 12, 31)),
        ("fee", "04-01..05-01", 310_00),
        ("license", "03-20..01-01", share(365_00, 287, 365)),
        ("support", "03-20..04-01", share(62_00, 12, 31)),
        ("support", "04-01..05-01", 62_00),
    ]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"advance_billed_until": "2026-02-01"}, "lies before billed_through; give 2026-03-01"),
        ({"advance_billed_until": "2026-05-01"}, "lies behind the period that lasts; give 2026-04"),
        ({"advance_billed_until": "2026-03-15"}, "boundary 2026-03-01T00:00:00+00:00 or 2026-04"),
        ({"advance_billed_until": "soon"}, "write a date or a time"),
    ],
)
def test_an_instant_that_cannot_be_is_refused(
    town: Town, tmp_path: Path, cells: dict[str, str], said: str
) -> None:
    [report] = moved(town, tmp_path, **cells)
    assert (report.outcome, report.fields) == ("refused", ("advance_billed_until",))
    assert said in report.message


def test_it_says_nothing_without_billed_through(town: Town) -> None:
    with pytest.raises(ValidationError, match="of no use by itself; give billed_through"):
        town.subscribe(day(3, 17), "all", advance_billed_until=day(4, 1))
