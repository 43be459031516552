"""Payment methods are references: added, preferred, removed; one of them is tried first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.clock import ManualClock
from core.errors import BusinessLogicError, ConflictError, NotFoundError, ValidationError
from core.ids import TenantId, format_id
from db.postgres import Database
from subscriptions.customers.payment_methods import (
    PAYMENT_METHODS_MAX,
    REFERENCE_CHARACTERS_MAX,
    PaymentMethod,
    add_payment_method,
    payment_methods_of,
    prefer_payment_method,
    remove_payment_method,
)
from tests.subscriptions.customers.customer_world import create, events


def test_one_payment_method_is_tried_first(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso = create(conn, clock, tenant_id, "contoso")

        def add(provider: str, reference: str, *, default: bool = False) -> PaymentMethod:
            clock.advance(timedelta(milliseconds=1))  # ids of one instant have no order
            return add_payment_method(conn, clock, contoso, provider, reference, default=default)

        def shown() -> list[tuple[str, bool]]:
            return [(each.reference, each.is_default) for each in payment_methods_of(conn, contoso)]

        first = add("stripe", "pm_1")
        add("stripe", "pm_2")
        assert shown() == [("pm_1", True), ("pm_2", False)]
        third = add("adyen", "pm_1", default=True)
        assert shown() == [("pm_1", False), ("pm_2", False), ("pm_1", True)]
        for _ in range(2):
            assert prefer_payment_method(
                conn, clock, contoso, format_id("pym", first.id)
            ).is_default
        assert shown() == [("pm_1", True), ("pm_2", False), ("pm_1", False)]
        gone = remove_payment_method(conn, clock, contoso, format_id("pym", first.id))
        assert gone.reference == "pm_1"
        assert shown() == [("pm_2", False), ("pm_1", False)]
        with pytest.raises(NotFoundError, match=r"^payment_method: "):
            remove_payment_method(conn, clock, contoso, format_id("pym", first.id))
        assert add("stripe", "pm_1").id != first.id
        other = create(conn, clock, tenant_id, "other")
        with pytest.raises(NotFoundError, match=r"^payment_method: "):
            prefer_payment_method(conn, clock, other, format_id("pym", third.id))
        assert [each.removeprefix("customer.") for each in events(conn)][1:6] == [
            "payment_method.added",
            "payment_method.added",
            "payment_method.added",
            "payment_method.preferred",
            "payment_method.removed",
        ]


def test_bad_payment_methods_are_named(
    database: Database, clock: ManualClock, tenant_id: TenantId
) -> None:
    with database.transaction() as conn:
        contoso = create(conn, clock, tenant_id, "contoso")
        longest = "x" * REFERENCE_CHARACTERS_MAX
        add_payment_method(conn, clock, contoso, "stripe", longest)
        for provider, reference, field in (
            ("Stripe", "pm", "provider"),
            ("", "pm", "provider"),
            ("stripe", "", "reference"),
            ("stripe", "a b", "reference"),
            ("stripe", "a\x00", "reference"),
            ("stripe", longest + "x", "reference"),
        ):
            with pytest.raises(ValidationError, match=f"^{field}: "):
                add_payment_method(conn, clock, contoso, provider, reference)
        with pytest.raises(ConflictError, match=r"^reference: .* already"):
            add_payment_method(conn, clock, contoso, "stripe", longest)
        for n in range(1, PAYMENT_METHODS_MAX):
            add_payment_method(conn, clock, contoso, "stripe", f"pm_{n}")
        with pytest.raises(BusinessLogicError, match=f"at most {PAYMENT_METHODS_MAX}"):
            add_payment_method(conn, clock, contoso, "stripe", "one-more")
        with pytest.raises(ValidationError, match=r"^payment_method: "):
            prefer_payment_method(conn, clock, contoso, "pm_1")
