"""What Postgres itself refuses, whoever asks."""

from __future__ import annotations

import psycopg
import pytest

from core.endpoints import Endpoints
from tests.invoicing import world

COLUMNS = {
    "id": "uuid",
    "customer_id": "uuid",
    "subscription_id": "uuid",
    "stripe_invoice_id": "text",
    "subtotal_minor": "bigint",
    "total_minor": "bigint",
    "amount_due_minor": "bigint",
    "currency": "text",
    "status": "text",
}


@pytest.mark.req("INV-12")
def test_the_invoices_table_has_its_columns(installation: Endpoints) -> None:
    with psycopg.connect(installation.postgres) as conn:
        found = conn.execute(
            """SELECT column_name, data_type FROM information_schema.columns
               WHERE table_schema = 'invoicing' AND table_name = 'invoices'"""
        ).fetchall()
    assert COLUMNS.items() <= dict(found).items()


def test_a_numbered_invoice_and_its_lines_refuse_every_change(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "final", 2)
    world.close(url, "final")
    before = world.summary(url, "final")
    refused = [
        "UPDATE invoicing.invoices SET total_minor = 1",
        "UPDATE invoicing.invoices SET number = number + 10",
        "UPDATE invoicing.invoices SET status = 'draft'",
        "UPDATE invoicing.invoices SET buyer = '{}'",
        "DELETE FROM invoicing.invoices",
        "UPDATE invoicing.invoice_lines SET amount_minor = 1",
        "DELETE FROM invoicing.invoice_lines",
        """INSERT INTO invoicing.invoice_lines SELECT (jsonb_populate_record(
               NULL::invoicing.invoice_lines, to_jsonb(l) || jsonb_build_object(
                   'id', gen_random_uuid(), 'position', 9, 'line_key', 'late'))).*
           FROM invoicing.invoice_lines AS l LIMIT 1""",
        "TRUNCATE invoicing.invoice_lines",
        "TRUNCATE invoicing.invoices CASCADE",
    ]
    for statement in refused:
        with (
            psycopg.connect(url) as conn,
            pytest.raises(psycopg.errors.IntegrityConstraintViolation),
        ):
            conn.execute(statement)
    assert world.summary(url, "final") == before


def test_payment_moves_the_status_on_and_never_back(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "paid", 1)
    world.close(url, "paid", world.NOVEMBER)
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE invoicing.invoices SET status = 'paid', stripe_invoice_id = 'in_1'")
    assert [row[3] for row in world.summary(url, "paid")] == ["paid"]
    with (
        psycopg.connect(url) as conn,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="cannot go from paid"),
    ):
        conn.execute("UPDATE invoicing.invoices SET status = 'open'")


def test_a_draft_cannot_skip_its_number(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "draft", 1)
    world.close(url, "draft", world.NOVEMBER)
    copy = """INSERT INTO invoicing.invoices SELECT (jsonb_populate_record(
                  NULL::invoicing.invoices, to_jsonb(i) || jsonb_build_object(
                      'id', gen_random_uuid(), 'period_start', '2020-01-01', 'status', 'draft',
                      'number', NULL, 'number_text', NULL, 'finalised_at', NULL))).*
              FROM invoicing.invoices AS i"""
    with psycopg.connect(url) as conn:
        conn.execute(copy)
    with (
        psycopg.connect(url) as conn,
        pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="a draft becomes open"),
    ):
        conn.execute("UPDATE invoicing.invoices SET status = 'paid' WHERE status = 'draft'")
    with psycopg.connect(url) as conn, pytest.raises(psycopg.errors.CheckViolation):
        conn.execute("UPDATE invoicing.invoices SET status = 'open' WHERE status = 'draft'")


def test_a_period_is_invoiced_once_and_a_number_given_once(installation: Endpoints) -> None:
    url = installation.postgres
    world.found_tenant(url, "unique", 1)
    world.close(url, "unique", world.NOVEMBER)
    same_period = "'id', gen_random_uuid(), 'number', 7, 'number_text', 'INV-000007'"
    same_number = "'id', gen_random_uuid(), 'period_start', '2020-01-01'"
    for change, constraint in ((same_period, "period_start"), (same_number, "series_id_number")):
        copy = f"""INSERT INTO invoicing.invoices SELECT (jsonb_populate_record(
                       NULL::invoicing.invoices, to_jsonb(i) || jsonb_build_object({change}))).*
                   FROM invoicing.invoices AS i"""
        with (
            psycopg.connect(url) as conn,
            pytest.raises(psycopg.errors.UniqueViolation, match=constraint),
        ):
            conn.execute(copy)
