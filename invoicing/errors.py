"""What can go wrong while invoices are made."""

from __future__ import annotations

from core.errors import BusinessLogicError, NotFoundError, ValidationError


class FutureCloseError(ValidationError):
    """Periods that have not ended yet cannot be closed."""

    code = "future_close"


class CurrencyMismatchError(BusinessLogicError):
    """A plan's price is in another currency than the subscription."""

    code = "currency_mismatch"


class PartyIncompleteError(BusinessLogicError):
    """Seller or buyer has no name."""

    code = "party_incomplete"


class NegativeTotalError(BusinessLogicError):
    """The credits of a period exceed its debits: that takes a credit note, not an invoice."""

    code = "negative_total"


class InvoiceNotFoundError(NotFoundError):
    """No such invoice."""

    code = "invoice_not_found"
