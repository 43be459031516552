from __future__ import annotations

import io

import pytest
from pypdf import PdfReader

from documents.pdf import invoice_pdf
from documents.view import SANDBOX_NOTICE
from tests.documents.builders import document, line


def pages_of(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]


@pytest.mark.req("INV-06")
def test_a_pdf_shows_number_dates_parties_lines_and_total() -> None:
    [text] = pages_of(invoice_pdf(document()))
    for shown in (
        "INV-000042",
        "EUR 1,234,567.80",
        "1 December 2023",
        "31 December 2023",
        "1 November 2023 – 30 November 2023",  # noqa: RUF001 - the dash that is printed
        "Code Assist Ltd",
        "Nordlicht Inference GmbH",
        "18,059,974",
        "per 1,000,000",
        "IBAN DE02 1203 0000 0000 2020 51",
        "Page 1 of 1",
        "ab" * 32,
    ):
        assert shown in text


def test_the_same_document_gives_the_same_bytes() -> None:
    assert invoice_pdf(document()) == invoice_pdf(document())
    assert invoice_pdf(document()) != invoice_pdf(document(number="INV-000043"))


def test_many_lines_fill_pages_each_with_number_and_page_and_every_line_once() -> None:
    lines = [line(f"Line-{index:03} of a service with a long name") for index in range(120)]
    pages = pages_of(invoice_pdf(document(lines=lines)))
    assert len(pages) > 2
    for number, text in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in text
        assert "INV-000042" in text
    whole = "\n".join(pages)
    assert [whole.count(f"Line-{index:03}") for index in range(120)] == [1] * 120
    assert "Amount due" in pages[-1]


def test_a_currency_without_decimals_is_shown_without_them() -> None:
    total = {"amount": "1500", "currency": "JPY"}
    [text] = pages_of(
        invoice_pdf(document(currency="JPY", subtotal=total, total=total, amount_due=total))
    )
    assert "JPY 1,500" in text
    assert "1,500.00" not in text


def test_names_are_text_and_never_markup() -> None:
    buyer = document()["buyer"] | {"name": '#panic("x") *bold* $x$ "quoted" \\ <b>', "address": []}
    [text] = pages_of(invoice_pdf(document(buyer=buyer)))
    assert '#panic("x") *bold* $x$ "quoted" \\ <b>' in text


def test_a_draft_asks_for_no_payment() -> None:
    [text] = pages_of(invoice_pdf(document(number=None)))
    assert "Draft invoice" in text
    assert "Please pay" not in text


def test_where_credits_leave_nothing_to_pay_nobody_is_asked_to() -> None:
    nothing, left = ({"amount": each, "currency": "EUR"} for each in ("0.00", "1234567.80"))
    [text] = pages_of(invoice_pdf(document(total=nothing, amount_due=nothing, credit_before=left)))
    assert "Nothing is to be paid" in text
    assert "Please pay" not in text
    assert "\N{MINUS SIGN}1,234,567.80" in text


def test_what_a_sandbox_bills_says_so_on_every_page_and_asks_for_no_payment() -> None:
    lines = [line(f"Line-{index:03} of a service with a long name") for index in range(60)]
    pages = pages_of(invoice_pdf(document(lines=lines, sandbox=True)))
    assert len(pages) > 1
    assert all(SANDBOX_NOTICE in text for text in pages)
    assert "Please pay" not in "\n".join(pages)
    assert SANDBOX_NOTICE not in "\n".join(pages_of(invoice_pdf(document())))
