"""`/v1/invoices`: what was billed, listed and shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from api.acting import ActingOf, reading
from api.paging import LIMIT_DEFAULT, Cursor, Limit, id_cursor_of, id_of, page_of
from core.texts import check_text
from db.postgres import Database
from identity.api_keys import INVOICES_READ
from invoicing.document import invoice_document
from invoicing.model import Invoice
from invoicing.store import find_invoice, page_of_invoices
from subscriptions.customers.customer import read_customer

Name = Annotated[str, Path(description="The invoice's id (`inv_…`) or number.")]
OfCustomer = Annotated[
    str | None, Query(description="Only those that a customer pays, by id or slug.")
]


@dataclass(frozen=True, slots=True)
class _Listed:
    invoice: Invoice

    def as_resource(self) -> dict[str, Any]:
        return invoice_document(self.invoice)


def create_invoices_router(db: Database, acting_of: ActingOf) -> APIRouter:
    """The routes. `acting_of` says for whom a request works, if it may do what the scope says."""
    router = APIRouter(prefix="/v1/invoices", tags=["invoices"])

    @router.get("", summary="List invoices")
    def list_invoices(
        request: Request,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
        customer: OfCustomer = None,
    ) -> dict[str, Any]:
        """The tenant's invoices, the oldest first, drafts too.

        Ask again with `next_cursor` while there is one. A user's own token sees those that its
        customers pay, and no drafts.
        """
        acting = acting_of(request, INVOICES_READ, own=True)
        after = id_of(cursor)
        with reading(db, acting) as conn:
            of = None if customer is None else read_customer(conn, acting.tenant_id, customer).id

            def fetch(count: int) -> list[_Listed]:
                found = page_of_invoices(
                    conn, acting.tenant_id, customer_id=of, after=after, limit=count
                )
                return [_Listed(each) for each in found]

            return page_of(fetch, limit, lambda last: id_cursor_of(last.invoice.invoice_id))

    @router.get("/{invoice:path}", summary="Show an invoice")
    def show_invoice(request: Request, invoice: Name) -> dict[str, Any]:
        """One invoice: its canonical document, with its lines and their proof.

        A user's own token is refused alike (403) for another one's invoice and for one that there
        is not.
        """
        acting = acting_of(request, INVOICES_READ, own=True)
        with reading(db, acting) as conn:
            return invoice_document(
                find_invoice(conn, check_text(invoice, "invoice"), acting.tenant_id)
            )

    return router
