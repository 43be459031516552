"""Invoice lines in Postgres: those of before lines said more, and several of one key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import polars as pl
import psycopg
import pytest
from psycopg.types.json import Jsonb

import sql
from core.acting import BILLING, Acting
from core.clock import ManualClock
from core.endpoints import Endpoints
from core.ids import CustomerId, MeterId, SubscriptionId
from core.money import Currency
from core.period import Period
from db.migrations import discover
from db.postgres import Database
from infra.local.stack import LocalStack
from invoicing import runs, store
from invoicing.assemble import assemble
from invoicing.document import content_hash, document_bytes
from invoicing.model import Billable, Invoice, PlanLine
from invoicing.numbering import series_id
from invoicing.used import SUBJECT_USAGE, Used
from rating.prices import Price
from rating.proration import Share
from tests.golden.test_golden_invoices import GOLDEN, made_of
from tests.invoicing.builders import BUYER, terms
from tests.invoicing.world import CUT, DECEMBER, NOVEMBER, NOW, found_tenant, named, tenant_of

CHANGED = datetime(2023, 11, 11, tzinfo=UTC)
SHARE = Share(10 * 86_400, 30 * 86_400)
NEWER = {"service", "share", "tiers", "price_adjustments"}
NEWER_COLUMNS = (
    ",\n    for_customer_id, for_name, sandbox, credit_before_minor, credit_after_minor",
    (
        ", %(for_customer_id)s, %(for_name)s, %(sandbox)s, %(credit_before_minor)s,\n"
        "    %(credit_after_minor)s"
    ),
)
"""Of invoices."""
BEFORE = 14
HASHES = {
    "llm_month": "249290c95e9d192eab53745f81401de152efe7d30a037f0b612069fd89c0945d",
    "rounding_modes": "cecc9836739d6a8d9c636500545a689418a7fb82a328860f1698693e8874cf8a",
    "three_digits": "abedc18ab779e7cbfc8bb294b3218180080760be0aba7f135e990bebedb2058f",
}
"""Of invoices that were issued before there were other prices than flat and per-unit ones."""

OLD_LINE = """
    INSERT INTO invoicing.invoice_lines (id, tenant_id, invoice_id, position, line_key, description,
        meter_id, price_id, price_version, price_hash, price_model, price_parameters, quantity,
        unit_amount, amount_exact, amount_minor, event_count, unmeterable_count, usage_digest,
        rounding_mode, rule_version)
    VALUES (%(line_id)s, %(tenant_id)s, %(invoice_id)s, %(position)s, %(line_key)s,
        %(description)s, %(meter_id)s, %(price_id)s, %(price_version)s, %(price_hash)s,
        %(price_model)s, %(price_parameters)s, %(quantity)s, %(unit_amount)s, %(amount_exact)s,
        %(amount_minor)s, %(event_count)s, %(unmeterable_count)s, %(usage_digest)s,
        %(rounding_mode)s, %(rule_version)s)"""


@pytest.fixture
def old_database(stack: LocalStack) -> Iterator[str]:
    server = stack.endpoints().postgres
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE old_lines")
        yield urlunsplit(urlsplit(server)._replace(path="/old_lines"))
        conn.execute("DROP DATABASE old_lines WITH (FORCE)")


def golden_invoice(stem: str) -> Invoice:
    [path] = [each for each in GOLDEN if each.stem == stem]
    return made_of(tomllib.loads(path.read_text(encoding="utf-8")))


def insert_as_before(conn: psycopg.Connection[Any], invoice: Invoice, digest: str) -> None:
    """An issued invoice as it stood before migration 15, without the rows that it refers to."""
    conn.execute("SET LOCAL session_replication_role = replica")
    shared = {"billing_run_id": UUID(int=1), "series_id": UUID(int=2), "created_at": NOW}
    fields = store._invoice_values(invoice, shared)
    insert = sql.load("postgres/queries/insert_invoice")
    for newer in NEWER_COLUMNS:
        assert newer in insert
        insert = insert.replace(newer, "")
    conn.execute(insert.encode(), fields | {"content_hash": digest})
    for line in invoice.lines:
        values = {name: getattr(line, name) for name in line.__slots__ if name not in NEWER}
        values |= {"tenant_id": invoice.tenant_id, "invoice_id": invoice.invoice_id}
        values["price_parameters"] = Jsonb(values["price_parameters"])
        conn.execute(OLD_LINE.encode(), values)
    conn.execute(
        """UPDATE invoicing.invoices SET status = 'open', number = 1, number_text = 'INV-000001',
            finalised_at = issued_at"""
    )


@pytest.mark.parametrize("stem", HASHES)
def test_a_plain_invoice_is_the_document_that_it_was(stem: str) -> None:
    assert content_hash(golden_invoice(stem)) == HASHES[stem]


def test_invoices_of_before_keep_their_hashes(old_database: str) -> None:
    migrations = discover("postgres")
    invoice, digest = golden_invoice("llm_month"), HASHES["llm_month"]
    with psycopg.connect(old_database) as conn:
        for migration in migrations[:BEFORE]:
            conn.execute(migration.text.encode())
        conn.commit()
        insert_as_before(conn, invoice, digest)
        conn.commit()
        for migration in migrations[BEFORE:]:
            conn.execute(migration.text.encode())
    with Database(old_database) as db, db.transaction() as reading:
        [stored] = store.select_invoices(reading)
    assert content_hash(stored) == digest
    assert stored.lines == invoice.lines
    with (
        psycopg.connect(old_database) as conn,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="lines are never changed"),
    ):
        conn.execute("UPDATE invoicing.invoice_lines SET used_quantity = 0")


def lines_of_two_spans(slug: str) -> list[PlanLine]:
    """The world's fee and tokens, each before and after a change, and seats with a minimum."""
    parts = Period(NOVEMBER, CHANGED), Period(CHANGED, DECEMBER)
    euro, digest = Currency("EUR"), "ab" * 32
    meter_id = MeterId(named(slug, "meter"))
    fee_id, tokens_id = (str(named(slug, "price", 1, key)) for key in ("fee", "tokens"))
    seats_id = str(named(slug, "price", 2, "fee"))
    tiers = [{"up_to": "10", "unit_amount": "1", "flat_amount": "0.7"}, {"unit_amount": "0.33"}]
    lines = []
    for span in parts:
        fee = Price(fee_id, digest, "flat", {"amount": "10.00"}, euro)
        tokens = Price(tokens_id, digest, "graduated", {"tiers": tiers}, euro)
        lines += [
            PlanLine("fee", "Fee", None, fee, 1, span=span),
            PlanLine("tokens", "Tokens", meter_id, tokens, 1, span=span),
        ]
    around = {"minimum": "100"}
    seats = Price(seats_id, digest, "per_unit", {"amount": "20"}, euro, adjustments=around)
    return [*lines, replace(PlanLine("seats", "Seats", None, seats, 1), quantity=Decimal("2.5"))]


def test_several_lines_of_one_key_are_kept_and_read_back(installation: Endpoints) -> None:
    """Spans do not overlap, so what a plan change leaves of a line is two lines."""
    url, slug = installation.postgres, "spans"
    found_tenant(url, slug, 2)
    customer_id = CustomerId(named(slug, "customer", 1))
    bill = Billable(
        customer_id=customer_id,
        subscription_id=SubscriptionId(named(slug, "subscription", 1)),
        plan_version_id=named(slug, "version", 1),
        period=Period(NOVEMBER, DECEMBER),
        time_zone="UTC",
        currency=Currency("EUR"),
        buyer=BUYER,
        plan={"name": "Pay as you go", "version": 1},
        lines=tuple(lines_of_two_spans(slug)),
    )
    rows = [
        (str(bill.subscription_id), start, str(named(slug, "meter")), "c1", Decimal(used), 1, 0)
        for start, used in ((NOVEMBER, "12.5"), (CHANGED, "7"))
    ]
    used = Used(pl.DataFrame(rows, schema=SUBJECT_USAGE, orient="row"))
    clock = ManualClock(NOW)
    with tenant_of(url, slug) as (db, tenant):
        run_terms = replace(terms(DECEMBER), tenant_id=tenant.tenant_id, cut=CUT)
        [invoice] = assemble(run_terms, [bill], used)
        with db.transaction(Acting(tenant.tenant_id, BILLING)) as conn:
            runs.start_run(conn, clock, tenant.tenant_id, DECEMBER, CUT)
            [run] = runs.unfinished_runs(conn, tenant.tenant_id)
            series = series_id(conn, clock, tenant.tenant_id, "SPAN-")
            store.insert_drafts(
                conn, [invoice], billing_run_id=run.run_id, series_id=series, created_at=NOW
            )
            [stored] = store.select_invoices(conn, tenant_id=tenant.tenant_id)
    assert stored == invoice
    assert document_bytes(stored) == document_bytes(invoice)
    keys = [(line.line_key, line.kind, line.service.start) for line in stored.lines]
    assert keys == [
        ("fee", "fee", NOVEMBER),
        ("tokens", "usage", NOVEMBER),
        ("fee", "fee", CHANGED),
        ("tokens", "usage", CHANGED),
        ("seats", "agreed", NOVEMBER),
        ("seats", "true_up", NOVEMBER),
    ]
    first, true_up = stored.lines[1], stored.lines[-1]
    # 10 units at 1 with 10/30 of the flat 0.7, then 2.5 at 0.33
    rest = Fraction(first.amount_remainder, 10**36 * SHARE.denominator)
    assert Fraction(first.amount_exact) + rest == 10 + Fraction("0.825") + Fraction("0.7") / 3
    assert (first.share, first.amount_remainder > 0) == (SHARE, True)
    assert (true_up.amount_minor, true_up.true_up_of) == (5000, stored.lines[-2].line_id)
