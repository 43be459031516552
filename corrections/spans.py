"""What a correction is about: a customer's subjects while they were its own, or named ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from core.errors import NotFoundError
from core.ids import TenantId
from core.period import Period
from db.postgres import Connection
from subscriptions.customers.customer import find_customer
from subscriptions.customers.subjects import SubjectLink, subjects_of
from usage.event_history import Span


def spans_of_customer(
    conn: Connection, tenant_id: TenantId, slug: str, period: Period
) -> tuple[Span, ...]:
    """The customer's subjects, each in the part of the period in which the customer paid for it.

    Raises `NotFoundError` for an unknown customer, and where it paid for nobody then.
    """
    found = spans_of_links(subjects_of(conn, find_customer(conn, tenant_id, slug)), period)
    if not found:
        raise NotFoundError(f"customer: {slug!r} has no subjects in {period}", slug=slug)
    return found


def spans_of_subjects(subjects: Iterable[str], period: Period) -> tuple[Span, ...]:
    """Named subjects, each once, in the whole period."""
    return (Span(tuple(sorted(set(subjects))), period),)


def spans_of_links(links: Sequence[SubjectLink], period: Period) -> tuple[Span, ...]:
    """The parts of the period in which subjects were linked, subjects of one part together."""
    parts: dict[Period, list[str]] = {}
    for link in links:
        start = max(link.valid_from, period.start)
        end = period.end if link.valid_to is None else min(link.valid_to, period.end)
        if start < end:
            parts.setdefault(Period(start, end), []).append(link.subject)
    return tuple(Span(tuple(sorted(parts[part])), part) for part in sorted(parts))
