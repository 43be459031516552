"""What holds of subscriptions beyond one period: whose usage they bill, by which terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import sql
from core.period import Period
from db.postgres import Connection
from db.rows import read_many
from subscriptions.due_rows import DueRow
from subscriptions.life.subscription import read_pauses, read_terms
from subscriptions.life.timeline import Pause, Terms, billed


class PaidSubject(NamedTuple):
    """A subject whose usage a customer pays for in `[valid_from, valid_to)`; None: for ever."""

    customer_id: UUID
    subject: str
    valid_from: datetime
    valid_to: datetime | None


@dataclass(frozen=True, slots=True)
class Life:
    """What holds of a subscription beyond one period, and whose usage its customer pays for.

    One that came from elsewhere was billed there up to `came_at`, and in advance for own periods of
    its lines that began before `advance_from`.
    """

    anchor: datetime
    stretch_start: datetime
    ended_at: datetime | None
    owned: frozenset[str] | None
    terms: tuple[Terms, ...]
    pauses: tuple[Pause, ...]
    paid: Sequence[PaidSubject]
    came_at: datetime | None = None
    advance_from: datetime | None = None

    def billed(self, period: Period) -> tuple[Terms, ...]:
        """What is billed of a period."""
        return billed(self.terms, self.pauses, self.ended_at, period)

    def subjects(self, period: Period) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Whose usage of a period is billed, and whose of a part of it only."""
        subjects, whole = set(), set()
        for _, subject, since, until in self.paid:
            if since >= period.end or (until is not None and until <= period.start):
                continue
            if self.owned is None or subject in self.owned:
                subjects.add(subject)
                if since <= period.start and (until is None or until >= period.end):
                    whole.add(subject)
        return tuple(sorted(subjects)), tuple(sorted(subjects - whole))


def read_lives(conn: Connection, rows: Sequence[DueRow]) -> list[Life]:
    """The life of each row's subscription, in their order."""
    ids = [row.id for row in rows]
    terms, pauses = read_terms(conn, ids), read_pauses(conn, ids)
    paid: defaultdict[UUID, list[PaidSubject]] = defaultdict(list)
    for each in read_paid_subjects(conn, list(dict.fromkeys(row.customer_id for row in rows))):
        paid[each.customer_id].append(each)
    return [
        Life(
            anchor=row.anchor_at,
            stretch_start=row.stretch_start or row.period_start,
            ended_at=row.ended_at,
            owned=None if row.subjects is None else frozenset(row.subjects),
            terms=terms.get(row.id, ()),
            pauses=pauses.get(row.id, ()),
            paid=paid[row.customer_id],
            came_at=row.came_at,
            advance_from=row.advance_from,
        )
        for row in rows
    ]


def read_paid_subjects(conn: Connection, customer_ids: Sequence[UUID]) -> list[PaidSubject]:
    """All subjects that these customers ever paid for, or will."""
    query = sql.load("postgres/queries/select_subject_links")
    return read_many(conn, query, {"customer_ids": list(customer_ids)}, PaidSubject)
