"""Moving in: what comes in, what is there already, what is refused, and how a run ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.acting import Acting
from core.clock import ManualClock
from core.errors import ValidationError
from db.outbox import changes_after
from subscriptions.commands import Cancel
from subscriptions.life.operate import perform
from tests.subscriptions.moving.moving_world import EXAMPLE, MOVE, House

HEAD = "slug,customer,plan,start,billed_through,anchor,cut_period"
ADA = "slug,currency\nada,EUR\n"


def utc(month: int, day: int, hour: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


def test_the_example_moves_in_and_is_equal_afterwards(house: House) -> None:
    totals = house.move(EXAMPLE)
    assert house.told() == [
        *(f"customers:{line} created" for line in (2, 3, 4)),
        *(f"subjects:{line} created" for line in (2, 3, 4)),
        *(f"subscriptions:{line} created" for line in (2, 3, 4)),
    ]
    assert totals.clean
    contoso = house.customer("contoso")
    assert contoso.metadata == {"old_id": "cus_Na6dX7aXxi11N4"}
    assert contoso.billing_info["tax_ids"] == [{"type": "eu_vat", "value": "DE123456789"}]
    assert house.customer("contoso-labs").parent_id == contoso.id
    runs = house.subscription("contoso-team")
    # Midnight in Berlin, in winter: the period is [1 March, 1 April), and nothing before is due.
    assert (runs.billed_until, runs.period.start) == (utc(2, 28, 23), utc(2, 28, 23))
    assert runs.period.end == utc(3, 31, 22), "on 1 April it is summer"
    assert runs.standing.quantities == {"seats": Decimal(12)}
    assert list(runs.standing.addons.values()) == [Decimal(2)]
    tried = house.subscription("labs-team").standing
    assert (tried.status, tried.trial_ends_at) == ("TRIALING", utc(3, 18, 23))
    assert house.subscription("fabrikam-team").standing.cancel_at == utc(4, 15)
    before = house.rows()
    house.now += timedelta(days=20)
    again = house.move(EXAMPLE)
    assert again.clean
    assert {each.outcome for each in house.reports} == {"equal"}, house.told()
    assert house.rows() == before


def test_creation_is_told_as_every_other_one(house: House) -> None:
    house.move(EXAMPLE)
    with house.database.transaction(Acting(house.tenant_id)) as conn:
        events = changes_after(conn, house.tenant_id, 0, 1000).events
    told = [each.subject for each in events]
    assert told.count("customer.created") == 3
    assert told.count("subscription.created") == 3
    assert told.count("subscription.status.changed") == 3


def test_what_differs_is_told_and_stays(house: House) -> None:
    house.move(EXAMPLE)
    house.write(
        customers="slug,name,currency\nfabrikam,Fabrikam Ltd,USD\n",
        subjects="customer,subject,from\nfabrikam,contoso-app,\nfabrikam,fabrikam-app,2025-02-01\n",
        subscriptions=(
            "slug,customer,plan,version,start,anchor,billed_through,quantities,addons\n"
            "contoso-team,contoso,team,1,2025-05-10,2025-05-01,2026-02-01,seats=13,extra=1\n"
        ),
    )
    before = house.rows()
    totals = house.move()
    assert house.told() == [
        "customers:2 different name currency",
        "subjects:2 refused subject",
        "subjects:3 refused subject",
        "subscriptions:2 different quantities billed_until advance_billed_until addons",
    ]
    assert "contoso" in house.reports[1].message
    assert not totals.clean
    assert house.rows() == before


def test_a_subscription_that_lived_on_is_still_what_was_moved_in(house: House) -> None:
    house.move(EXAMPLE)
    house.now = utc(4, 2)
    with house.database.transaction(Acting(house.tenant_id)) as conn:
        perform(conn, ManualClock(house.now), house.tenant_id, "contoso-team", Cancel("now"))
    assert house.move(EXAMPLE).clean, house.told()


def test_a_dry_run_says_the_same_and_changes_nothing(house: House) -> None:
    before = house.rows()
    tried = house.move(EXAMPLE, dry_run=True)
    would = house.told()
    assert (house.rows(), tried.kept) == (before, False)
    done = house.move(EXAMPLE)
    assert (house.told(), done.counts) == (would, tried.counts)


def test_all_or_nothing_keeps_nothing_where_a_row_is_refused(house: House) -> None:
    house.write(customers="slug,currency\nada,EUR\nbob,NONE\neve,EUR\n")
    before = house.rows()
    totals = house.move(all_or_nothing=True)
    assert (totals.kept, totals.refused, house.rows()) == (False, 1, before)
    assert house.move().kept
    assert [each.outcome for each in house.reports] == ["created", "refused", "created"]
    house.write(customers="slug,currency\nada,EUR\nivy,EUR\n")
    assert house.move(all_or_nothing=True).kept
    assert house.customer("ivy")


@pytest.mark.parametrize(
    ("cells", "field", "said"),
    [
        ("2026-01-01,,,", "billed_through", "would be billed. Say up to when"),
        ("2026-01-01,2026-03-10,,", "billed_through", "2026-03-01T00:00:00+00:00 or 2026-04-01"),
        ("2026-01-01,2025-12-01,,", "billed_through", "lies before the start"),
        ("2026-01-01,2036-03-01,,", "billed_through", "lies behind the period that lasts"),
        ("2026-01-01,01.03.2026,,", "billed_through", "write a date or a time"),
        ("1926-01-01,2026-03-01,,", "start", "from 1970 to 2199"),
        ("2026-01-01,2026-03-01,,maybe", "cut_period", "is not true or false"),
        ("2026-01-01,2026-03-01,", "line", "has 6 cells, the first line 7"),
        (",2026-03-01,,", "start", "missing; add it"),
    ],
)
def test_a_subscription_that_would_be_billed_wrongly_is_refused(
    house: House, cells: str, field: str, said: str
) -> None:
    house.write(customers=ADA, subscriptions=f"{HEAD}\nsub,ada,team,{cells}\n")
    house.move()
    report = house.reports[-1]
    assert (report.line, report.outcome, report.fields) == (2, "refused", (field,))
    assert said in report.message, report.message


def test_a_period_is_cut_only_when_the_row_says_so(house: House) -> None:
    house.write(customers=ADA, subscriptions=f"{HEAD}\nsub,ada,team,2026-01-01,2026-03-10,,true\n")
    assert house.move().clean, house.reports
    found = house.subscription("sub")
    assert (found.period.start, found.period.end) == (utc(3, 10), utc(4, 1))


@pytest.mark.parametrize(
    ("more", "standing"),
    [
        ({"paused_since": "2026-03-02"}, ("ACTIVE", None, utc(3, 2))),
        ({"cancel_at": "2026-03-05"}, ("CANCELED", utc(3, 5), None)),
        ({"cancel_at": "2026-04-05"}, ("ACTIVE", utc(4, 5), None)),
        ({"expires_at": "2026-03-10"}, ("EXPIRED", utc(3, 10), None)),
        ({"trial_ends_at": "2026-03-10", "trial_converts": False}, ("EXPIRED", utc(3, 10), None)),
    ],
)
def test_what_was_done_elsewhere_holds_here(
    house: House, more: dict[str, Any], standing: tuple[Any, ...]
) -> None:
    row = {"slug": "sub", "customer": "ada", "plan": "team", "start": "2026-01-01"}
    row |= {"billed_through": "2026-03-01"} | more
    house.write(customers=ADA, subscriptions=[row])
    assert house.move().clean, house.reports
    stands = house.subscription("sub").standing
    paused = None if stands.pause is None else stands.pause.start
    assert (stands.status, stands.end, paused) == standing
    assert house.move().clean
    assert house.told()[-1] == "subscriptions:1 equal"


def test_one_that_ended_before_billed_through_is_never_due(house: House) -> None:
    row = {"slug": "sub", "customer": "ada", "plan": "team", "start": "2026-01-01"}
    row |= {"billed_through": "2026-03-01", "cancel_at": "2026-02-10"}
    house.write(customers=ADA, subscriptions=[row])
    assert house.move().clean
    found = house.subscription("sub")
    assert found.period.start == utc(3, 1) > utc(2, 10)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"current_period_start": "2026-03-02"}, "current_period_start"),
        ({"cancel_at_period_end": True}, "current_period_start"),
        ({"paused_until": "2026-05-01"}, "paused_since"),
        ({"paused_since": "2026-05-01"}, "pause"),
        ({"quantities": {"chairs": "1"}}, "quantities.chairs"),
        ({"addons": {"team": "1"}}, "addons"),
        ({"addons": {"none": "1"}}, "plan"),
        ({"plan": "gone"}, "plan"),
        ({"version": 7}, "plan"),
        ({"billing_cycle": "often"}, "billing_cycle"),
        ({"customer": "nobody"}, "customer"),
        ({"colour": "red"}, "colour"),
        ({"slug": "Sub 1"}, "slug"),
    ],
)
def test_a_wrong_field_is_named(house: House, more: dict[str, Any], field: str) -> None:
    row = {"slug": "sub", "customer": "ada", "plan": "team", "start": "2026-01-01"}
    good = row | {"slug": "good", "customer": "eve", "billed_through": "2026-03-01"}
    wrong = row | {"billed_through": "2026-03-01"} | more
    house.write(customers="slug,currency\nada,EUR\neve,EUR\n", subscriptions=[wrong, good])
    house.move()
    assert house.told()[-2:] == [f"subscriptions:1 refused {field}", "subscriptions:2 created"]


def test_two_subscriptions_that_price_the_same_are_refused(house: House) -> None:
    row = {"slug": "a", "customer": "ada", "plan": "team", "start": "2026-01-01"}
    row |= {"billed_through": "2026-03-01"}
    house.write(customers=ADA, subscriptions=[row, row | {"slug": "b"}])
    house.move()
    assert house.told()[-2:] == ["subscriptions:1 created", "subscriptions:2 refused plan"]
    assert "'a' and 'b'" in house.reports[-1].message


def test_billed_through_holds_against_commands_too(house: House) -> None:
    house.move(EXAMPLE)
    with (
        pytest.raises(Exception, match="invoiced up to 2026-02-28T23:00"),
        house.database.transaction(Acting(house.tenant_id)) as conn,
    ):
        perform(
            conn, ManualClock(MOVE), house.tenant_id, "contoso-team", Cancel("now"),
            as_of=utc(2, 1),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "there is nothing in it"),
        ({"customer": ADA}, "customer.csv: is none of customers.csv"),
        ({"customers": ""}, "is empty; its first line names the columns"),
        ({"customers": "slug,curency\n"}, "no column 'curency'; did you mean 'currency'?"),
        ({"customers": "slug;currency\n"}, "there is no column 'slug;currency'"),
        ({"customers": "slug,slug,currency\n"}, "the column 'slug' is there twice"),
        ({"customers": "slug,name\n"}, "the column 'currency' is missing"),
        ({"customers": ",".join(["slug"] * 10**6)}, "line 1 is longer than"),
        ({"customers": ADA, "subjects": "customer,subject,since\n"}, "subjects.csv: there is no"),
    ],
)
def test_a_folder_that_is_not_ours_is_refused_before_anything(
    house: House, tables: dict[str, str], said: str
) -> None:
    house.write(**tables)
    before = house.rows()
    with pytest.raises(ValidationError) as refused:
        house.move()
    assert said in refused.value.message
    assert house.rows() == before


def test_broken_rows_end_with_their_line(house: House) -> None:
    house.write(customers="")
    lines = [
        b"\xef\xbb\xbfslug,name,currency,time_zone\r\n",
        b'ada,"Ada, too",EUR,Europe/Berlin\r\n',
        b"\r\n",
        b'bob,"Bob,EUR,\r\n',
        b"bill,B\xff,EUR,\r\n",
        b"long," + b"x" * (1 << 20) + b",EUR,\r\n",
        b"mars,Mars,EUR,Mars/Base\r\n",
        b"nul,N\x00l,EUR,\r\n",
        b"ada,Other,EUR,Europe/Berlin\r\n",
        b'ada,"Ada, too",EUR,Europe/Berlin\r\n',
        b"eve,Eve,EUR,",
    ]
    (house.folder / "customers.csv").write_bytes(b"".join(lines))
    house.move()
    assert house.told() == [
        "customers:2 created",
        "customers:4 refused line",
        "customers:5 refused line",
        "customers:6 refused line",
        "customers:7 refused time_zone",
        "customers:8 refused name",
        "customers:9 different name",
        "customers:10 equal",
        "customers:11 created",
    ]
    assert house.customer("ada").name == "Ada, too"


def test_broken_lines_of_json_are_refused_one_by_one(house: House) -> None:
    house.write(customers="")
    (house.folder / "customers.csv").unlink()
    lines = [
        '{"slug": "ada", "currency": "EUR", "metadata": {"a": "b"}}',
        "{",
        "[1]",
        "[" * 100_000,
        '{"slug": 5, "currency": "EUR"}',
        '{"slug": "x", "currency": "EUR", "name": "\\ud800"}',
        '{"slug": "eve", "currency": "EUR", "parent": "nobody"}',
        '{"slug": "eve", "currency": "EUR", "billing_info": {"email": "none"}}',
    ]
    (house.folder / "customers.ndjson").write_text("\n".join(lines))
    house.move()
    assert house.told() == [
        "customers:1 created",
        *(f"customers:{line} refused line" for line in (2, 3, 4)),
        "customers:5 refused slug",
        "customers:6 refused name",
        "customers:7 refused parent",
        "customers:8 refused billing_info.email",
    ]
