"""A canonical invoice document with any line count, currency and names."""

from __future__ import annotations

from typing import Any


def line(
    description: str = "Context tokens",
    *,
    quantity: str = "18059974",
    amount: str = "9.03",
    parameters: dict[str, Any] | None = None,
    unmeterable_count: int = 0,
    model: str = "per_unit",
    currency: str = "EUR",
    **more: Any,
) -> dict[str, Any]:
    return {
        "description": description,
        "quantity": quantity,
        "price": {
            "model": model,
            "parameters": parameters or {"amount": "0.50", "per": "1000000"},
        },
        "unit_amount": "0.0000005",
        "amount": {"amount": amount, "currency": currency},
        "unmeterable_count": unmeterable_count,
    } | more


def document(**changes: Any) -> dict[str, Any]:
    total = {"amount": "1234567.80", "currency": "EUR"}
    return {
        "number": "INV-000042",
        "issued_at": "2023-12-01T00:00:00Z",
        "due_at": "2023-12-31T00:00:00Z",
        "currency": "EUR",
        "seller": {
            "name": "Nordlicht Inference GmbH",
            "address": ["Speicherstraße 12", "20457 Hamburg"],
            "email": "billing@nordlicht.example",
            "tax_id": "DE 811 907 980",
            "payment": ["IBAN DE02 1203 0000 0000 2020 51"],
        },
        "buyer": {
            "id": "cus_0190f3a2b7c87d3e9a51c0ffee123456",
            "name": "Code Assist Ltd",
            "address": ["4 Quay Street", "Dublin D02 X285"],
            "email": None,
            "tax_id": None,
        },
        "subscription": {"id": "sub_0190f3a2b7c87d3e9a51c0ffee123457", "plan": "Pay as you go"},
        "period": {
            "start": "2023-11-01T00:00:00Z",
            "end": "2023-12-01T00:00:00Z",
            "time_zone": "UTC",
        },
        "lines": [line()],
        "subtotal": total,
        "total": total,
        "amount_due": total,
        "content_hash": "ab" * 32,
    } | changes
