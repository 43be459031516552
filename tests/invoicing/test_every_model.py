"""Every price model, sold in a plan and billed by the run from events in ClickHouse."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction

import pytest

from core.endpoints import Endpoints
from core.period import Period
from db.postgres import Database
from documents.pdf import invoice_pdf
from invoicing.document import content_hash, document_bytes, invoice_document
from invoicing.model import InvoiceLine
from invoicing.store import select_invoices
from rating.prices import MODELS
from tests.invoicing.model_cases import CASES, expected, peaks
from tests.invoicing.model_world import PERIOD, SPANS, Month, month
from tests.plugins.installations import Installer
from tests.rating import oracle


@pytest.fixture(scope="module")
def place(installer: Installer) -> Iterator[Endpoints]:
    with installer.installation() as endpoints:
        yield endpoints


@pytest.fixture(scope="module")
def billed(place: Endpoints, seed: int) -> Month:
    return month(place, random.Random(seed))


def exact(line: InvoiceLine) -> Fraction:
    rest = Fraction(line.amount_remainder, 10**36 * line.share.denominator)
    return Fraction(line.amount_exact) + rest


def told(line: InvoiceLine) -> Fraction:
    """The sum of the line's steps."""
    return sum(
        (
            Fraction(step["amount"])
            + Fraction(step.get("amount_remainder", 0), 10**36 * line.share.denominator)
            for step in line.tiers
        ),
        Fraction(0),
    )


def test_every_model_is_among_the_cases() -> None:
    assert {model.name for model in MODELS} == CASES.keys() - {"seats"}


@pytest.mark.req("RAT-05", "RAT-08")
@pytest.mark.parametrize("name", CASES)
def test_a_line_of_every_model_is_what_a_recount_of_its_events_comes_to(
    billed: Month, name: str
) -> None:
    wanted = expected(name, billed.uses[name])
    invoice = billed.invoices[name]
    items = {line.kind: line for line in invoice.lines if line.line_key == "line"}
    true_up = items.pop("true_up", None)
    [line] = items.values()
    assert exact(line) == wanted.exact
    assert line.amount_minor == wanted.minor
    assert (true_up.amount_minor if true_up else 0) == wanted.true_up
    if true_up:
        assert true_up.true_up_of == line.line_id
    if line.tiers:
        assert told(line) == wanted.exact
    else:
        assert line.unit_amount is not None
        assert Fraction(line.quantity) * Fraction(line.unit_amount) == wanted.exact
    assert invoice.total_minor == sum(each.amount_minor for each in invoice.lines)
    if CASES[name].meter == "units":
        assert line.event_count == len(billed.uses[name])


@pytest.mark.parametrize("name", CASES)
def test_a_preview_is_the_run_and_what_is_stored_reads_back_to_it(
    billed: Month, place: Endpoints, name: str
) -> None:
    invoice = billed.invoices[name]
    assert content_hash(billed.previewed[name]) == content_hash(invoice)
    with Database(place.postgres) as db, db.transaction() as conn:
        [stored] = select_invoices(conn, invoice_id=invoice.invoice_id)
        row = conn.execute(
            "SELECT content_hash FROM invoicing.invoices WHERE id = %s", [invoice.invoice_id]
        ).fetchone()
    assert row is not None
    assert document_bytes(stored) == document_bytes(invoice)
    assert content_hash(stored) == row["content_hash"]
    assert invoice_pdf(invoice_document(stored)).startswith(b"%PDF")


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"percent_of_lines", "capacity"}))
def test_a_line_of_every_model_in_parts_of_the_period_is_what_a_recount_of_each_comes_to(
    billed: Month, name: str
) -> None:
    """Flat amounts and what stands around take the share, usage and tiers are each part's own."""
    lines = [line for line in billed.in_parts[name].lines if line.kind != "true_up"]
    for line, span in zip(lines, SPANS, strict=True):
        uses = [use for use in billed.uses[name] if span.start <= use.time < span.end]
        wanted = expected(name, uses, share_of_month(span))
        assert exact(line) == wanted.exact
        assert line.amount_minor == wanted.minor
        assert told(line) == wanted.exact or line.unit_amount is not None
        assert line.service == span
        assert line.event_count == (len(uses) if line.kind == "usage" else 0)


def test_a_peak_of_the_later_part_is_what_it_adds_to_the_part_before(billed: Month) -> None:
    uses, (before, after) = billed.uses["capacity"], SPANS
    earlier = peaks([use for use in uses if use.time < before.end])
    added = {region: peak - earlier.get(region, 0) for region, peak in peaks(uses).items()}
    first, second = billed.in_parts["capacity"].lines
    for line, span, reached in ((first, before, earlier), (second, after, added)):
        amount = oracle.capacity(reached, CASES["capacity"].parameters)
        assert exact(line) == amount * share_of_month(span)
    assert first.event_count + second.event_count == len(uses)


def share_of_month(span: Period) -> Fraction:
    micros = [(each.end - each.start) // timedelta(microseconds=1) for each in (span, PERIOD)]
    return Fraction(*micros)
