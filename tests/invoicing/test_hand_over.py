"""One tenant invoices a customer of another one of the same owner; no transaction sees both.

In these worlds c0 pays 10.00 a month and 0.5 tokens at 0.01, which is 0.005: 10.01. It is due for
October and for November.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from core.acting import Acting
from core.endpoints import Endpoints
from core.errors import BusinessLogicError, ConflictError, NotFoundError
from db.outbox import changes_after
from db.postgres import Connection, Database, Role
from invoicing import payer_links
from invoicing.document import invoice_document
from invoicing.hand_over import CARRY_CHECKPOINTS
from tests.invoicing import tenants_world as both
from tests.invoicing import world
from tests.plugins.logins import plain_login

ROOT = Path(world.__file__).parents[2]
OCTOBER, NOVEMBER = "2023-10-01T00:00:00Z", "2023-11-01T00:00:00Z"
GROUPS = [
    ("own", "", OCTOBER, "10.01"),
    ("own", "", NOVEMBER, "10.01"),
    ("theirs", "", OCTOBER, "10.01"),
    ("theirs", "", NOVEMBER, "10.01"),
]
"""4 x 10.01 = 40.04."""


@pytest.mark.req("SEC-16")
def test_one_parent_pays_for_several_tenants_on_one_invoice(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home")
    world.found_tenant(url, "second", 1)
    with Database(url) as db:
        both.owned(db, "second")
    both.agree(url, "member", "home")
    both.agree(url, "second", "home")
    with Database(url) as db:
        _, waiting = both.close_both(db, "home", "member", "second")
    assert waiting == []
    [joint] = [each for each in both.told(url, "home") if each[3]]
    assert joint[2] == "60.06"  # 3 tenants x 2 months x 10.01
    [invoice] = [each for each in both.stored(url, "home") if each.received]
    document = invoice_document(invoice)
    names = [each["tenant"]["id"] for each in document["groups"] if "tenant" in each]
    assert len(set(names)) == 2
    assert document["buyer"]["name"] == "c0"
    # What the members keep: their drafts, handed over, without numbers, and c1's own invoice.
    assert both.told(url, "second") == [(None, "handed_over", "10.01", [])] * 2
    assert [each[:2] for each in both.told(url, "member")] == [
        ("INV-000001", "open"),
        (None, "handed_over"),
        (None, "handed_over"),
    ]
    with psycopg.connect(url) as conn:
        numbers = conn.execute("SELECT DISTINCT number_text FROM invoicing.hand_overs").fetchall()
    assert numbers == [(joint[0],)]
    with Database(url) as db, db.transaction(both.acting("second")) as reading:
        tenant_id = both.acting("second").tenant_id
        events = changes_after(reading, tenant_id, 0, 100).events
    subjects = [each.subject for each in events if each.subject.startswith("invoice.")]
    assert subjects == ["invoice.handed_over"] * 2 + ["invoice.taken_over"] * 2
    assert events[-1].payload["number"] == joint[0]


def test_what_arrives_says_what_is_billed_and_nothing_of_usage(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    both.agree(url, "member", "home")
    with Database(url) as db:
        both.close_both(db, "member", "home")
    with psycopg.connect(url) as conn:
        rows = conn.execute("SELECT document, total_minor FROM invoicing.received_groups")
        documents = {row[0]["id"]: row[0] for row in rows}
        drafts = conn.execute(
            "SELECT 'inv_' || replace(id::text, '-', ''), content_hash FROM invoicing.invoices"
            " WHERE status = 'handed_over'"
        ).fetchall()
    assert {name: each["content_hash"] for name, each in documents.items()} == dict(drafts)
    for document in documents.values():
        assert "cut" not in document
        assert "buyer" not in document
        assert {line["usage_digest"] for line in document["lines"] if line["meter_id"]} != {None}
        assert "c0" not in json.dumps(document), "the member's subject and customer are its own"


class Watched(Database):
    """Says of each transaction for which tenants it acted, and whose rows it could see."""

    def __init__(self, url: str) -> None:
        super().__init__(url, Role.BILLING)
        self.seen: list[set[str]] = []

    @contextmanager
    def transaction(
        self, acting: Acting | None = None, *, snapshot: bool = False
    ) -> Iterator[Connection]:
        with super().transaction(acting, snapshot=snapshot) as conn:
            yield conn
            rows = conn.execute(
                "SELECT tenant_id::text AS id FROM invoicing.invoices"
                " UNION SELECT tenant_id::text FROM invoicing.received_groups"
                " UNION SELECT tenant_id::text FROM invoicing.hand_overs"
                " UNION SELECT tenant_id::text FROM invoicing.payer_links"
            )
            self.seen.append({row["id"] for row in rows})


@pytest.mark.req("SEC-16")
def test_no_transaction_sees_two_tenants(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home")
    both.agree(url, "member", "home")
    with plain_login(url, Role.BILLING) as login, Watched(login) as db:
        both.close_both(db, "home", "member")
        seen = db.seen
    assert {len(each) for each in seen} <= {0, 1}
    assert set.union(*seen) == {str(both.acting(slug).tenant_id) for slug in ("member", "home")}
    assert [each[3] for each in both.told(url, "home") if each[3]] == [GROUPS]


def process(url: str, member: str, home: str, crash_at: int) -> tuple[int, str]:
    arguments = [url, member, home, str(crash_at)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.invoicing.tenants_world", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in {0, world.KILLED}, done.stderr
    return done.returncode, done.stdout.strip()


def test_killed_at_every_step_and_repeated_it_arrives_once(installation: Endpoints) -> None:
    url = installation.postgres
    reached: Counter[str] = Counter()
    crash_at = 0
    while True:
        crash_at += 1
        member, home = f"member-{crash_at}", f"home-{crash_at}"
        both.found_both(url, member, home, 1)
        both.agree(url, member, home)
        code, name = process(url, member, home, crash_at)
        with Database(url) as db:
            both.close_both(db, home, member)
        assert [each[1:] for each in both.told(url, home)] == [("open", "40.04", GROUPS)], name
        with psycopg.connect(url) as conn:
            left = conn.execute(
                "SELECT count(*), count(number_text) FROM invoicing.hand_overs"
                " WHERE tenant_id = %s",
                (both.acting(member).tenant_id,),
            ).fetchone()
        assert left == (2, 2), name
        if code == 0:
            break
        reached[name] += 1
    assert set(reached) == set(CARRY_CHECKPOINTS)


def test_what_comes_late_is_on_the_next_invoice(installation: Endpoints) -> None:
    """Home closes first, by itself; the two groups of 10.01 come alone afterwards: 20.02."""
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    both.agree(url, "member", "home")
    with Database(url) as db:
        both.close_both(db, "home")
        both.close_both(db, "member")
        assert [each[3] for each in both.told(url, "home")] == [[], []]
        both.close_both(db, "home")
    number, status, total, groups = both.told(url, "home")[2]
    assert (number, status, total, groups) == ("INV-000003", "open", "20.02", GROUPS[2:])


def test_a_run_of_an_earlier_instant_leaves_what_is_issued_later(installation: Endpoints) -> None:
    """The member bills November on 1 December: it is not on home's invoice of 1 November."""
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    both.agree(url, "member", "home")
    with Database(url) as db:
        both.close_both(db, "member")
        both.close_both(db, "home", as_of=world.NOVEMBER)
        assert both.told(url, "home") == [("INV-000001", "open", "10.01", [])]
        both.close_both(db, "home")
    assert both.told(url, "home")[1][3] == [GROUPS[1], *GROUPS[2:]]


def test_without_both_words_each_tenant_invoices_by_itself(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    member, home = both.acting("member"), both.acting("home")
    with Database(url) as db:
        with pytest.raises(NotFoundError, match="for: 'c0' was not offered to this tenant"):
            payer_links.accept(db, both.CLOCK, home, "c0", member.tenant_id, "c0")
        payer_links.offer(db, both.CLOCK, member, "c0", home.tenant_id)
        closed, _ = both.close_both(db, "member", "home")
    assert [each.status for each in closed["member"].invoices] == ["open", "open"]


def test_tenants_of_different_owners_agree_on_nothing(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    member, home = both.acting("member"), both.acting("home")
    with Database(url) as db:
        for owner in ("Somebody Else", None):
            both.owned(db, "home", owner)
            with pytest.raises(BusinessLogicError, match="owner: both tenants need the same one"):
                payer_links.offer(db, both.CLOCK, member, "c0", home.tenant_id)
        both.owned(db, "home")
        both.agree(url, "member", "home")
        both.owned(db, "home", "Somebody Else")
        _, waiting = both.close_both(db, "member", "home")
        assert [each.reason for each in waiting] == ["the two tenants have no owner in common"] * 2
        both.owned(db, "home")
        _, waiting = both.close_both(db, "member", "home")
    assert waiting == []
    assert both.told(url, "home")[-1][3] == GROUPS[2:]


def test_another_currency_is_refused(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 2)
    with psycopg.connect(url) as conn:
        conn.execute(
            "UPDATE subscriptions.customers SET currency = 'CHF', recorded_from = now()"
            " WHERE tenant_id = %s AND slug = 'c1'",
            (both.acting("home").tenant_id,),
        )
    with pytest.raises(BusinessLogicError, match="currency: customer 'c1' has CHF, and 'cus_"):
        both.agree(url, "member", "home", taken="c1")


def test_after_the_end_the_member_invoices_again(installation: Endpoints) -> None:
    """October is handed over; then it ends, from either side, and November stays at home."""
    url = installation.postgres
    for side in ("member", "home"):
        names = f"member-{side}", f"home-{side}"
        both.found_both(url, *names, 1)
        both.agree(url, *names)
        with Database(url) as db:
            both.close_both(db, names[0], as_of=world.NOVEMBER)
            ended = both.acting(names[side == "home"])
            assert payer_links.end(db, both.CLOCK, ended, "c0") == 1
            with pytest.raises(NotFoundError, match="'c0' has no agreement to end"):
                payer_links.end(db, both.CLOCK, ended, "c0")
            both.close_both(db, *names)
        assert [each[1] for each in both.told(url, names[0])] == ["open", "handed_over"]
        assert both.told(url, names[1])[0][3] == [*GROUPS[:2], GROUPS[2]]
        both.agree(url, *names)


def test_one_customer_is_given_to_one_tenant_and_not_passed_on(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    world.found_tenant(url, "third", 1)
    with Database(url) as db:
        both.owned(db, "third")
    both.agree(url, "member", "home")
    both.agree(url, "member", "home")  # again changes nothing
    with pytest.raises(ConflictError, match="'c0' has an agreement with another tenant"):
        both.agree(url, "member", "third")
    with pytest.raises(ConflictError, match="'c0' has an agreement with another tenant"):
        both.agree(url, "home", "third")
    with pytest.raises(ConflictError, match="'c0' is itself offered to another tenant"):
        both.agree(url, "third", "member")
    with Database(url) as db, db.transaction(both.acting("home")) as conn:
        assert len(payer_links.links_of(conn, both.acting("home").tenant_id)) == 1


def test_what_arrived_is_never_changed(installation: Endpoints) -> None:
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    both.agree(url, "member", "home")
    with Database(url) as db:
        both.close_both(db, "member")
        for statement in (
            "UPDATE invoicing.received_groups SET total_minor = 1",
            "DELETE FROM invoicing.received_groups",
            "UPDATE invoicing.invoices SET status = 'open' WHERE status = 'handed_over'",
        ):
            with pytest.raises(psycopg.IntegrityError), psycopg.connect(url) as conn:
                conn.execute(statement.encode())
        both.close_both(db, "home")
    with pytest.raises(psycopg.IntegrityError), psycopg.connect(url) as conn:
        conn.execute("UPDATE invoicing.received_groups SET invoice_id = NULL")


def test_an_acceptance_that_was_cut_short_is_finished_by_the_next(installation: Endpoints) -> None:
    """Taken at home, and not yet written down at the member: it goes on handing over nothing."""
    url = installation.postgres
    both.found_both(url, "member", "home", 1)
    both.agree(url, "member", "home")
    with psycopg.connect(url) as conn:
        conn.execute(
            "UPDATE invoicing.payer_links SET accepted_at = NULL, other_customer_id = NULL"
            " WHERE side = 'gives'"
        )
    with Database(url) as db:
        closed, _ = both.close_both(db, "member", as_of=world.NOVEMBER)
        assert [each.status for each in closed["member"].invoices] == ["open"]
        both.agree(url, "member", "home")
        closed, _ = both.close_both(db, "member")
    assert [each.status for each in closed["member"].invoices] == ["handed_over"]
