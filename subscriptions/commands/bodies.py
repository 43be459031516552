"""Commands as people and programs write them: by API, by command, in a preview."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ValidationError
from core.ids import TenantId
from core.instants import Instant
from core.quantities import Quantity, parse_quantity
from core.refusals import refusal_of
from db.postgres import Connection
from identity.settings import settings_of
from subscriptions.commands import (
    Activate,
    Cancel,
    Change,
    Command,
    Extend,
    PauseCommand,
    Payment,
    Reactivate,
    Resume,
    StartTrial,
    Uncancel,
)
from subscriptions.life.checks import Version, find_version, version_ids

ADDONS_MAX: Final = Decimal(10) ** 6
"""So many of one add-on at most."""


Quantities = Annotated[dict[str, Quantity], Field(max_length=500)]
When = Literal["now", "period_end"] | Instant


def quantities_of(texts: Mapping[str, str] | None) -> dict[str, Decimal] | None:
    """Quantities as exact numbers, in their shortest form."""
    if texts is None:
        return None
    return {key: parse_quantity(text, key) for key, text in texts.items()}


def addons_of(
    conn: Connection, tenant_id: TenantId, texts: Mapping[str, str]
) -> list[tuple[Version, Decimal]]:
    """The newest versions of the add-ons with these slugs, and how many of each.

    Raises `NotFoundError`, and `ValidationError` for too many.
    """
    found = []
    for slug, many in (quantities_of(texts) or {}).items():
        if many > ADDONS_MAX:
            raise ValidationError(f"addons.{slug}: at most {ADDONS_MAX}", field="addons")
        found.append((find_version(conn, tenant_id, plan=slug), many))
    return found


class CommandBody(BaseModel, ABC):
    """What every command has: `as_of`, the instant at which it is done, unless now."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    as_of: Instant | None = None

    @abstractmethod
    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """The command, with what it names looked up. Raises `NotFoundError`."""


class _Chosen(CommandBody):
    """A plan, the version that is sold unless said, and agreed quantities by key of its lines."""

    plan: str | None = None
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    quantities: Quantities | None = None

    def chosen(self, conn: Connection, tenant_id: TenantId) -> tuple[UUID | None, frozenset[str]]:
        """The plan version that is meant, and the quantities that it knows; None: what it has."""
        if self.plan is None:
            if self.version is not None:
                raise ValidationError("plan: missing; say whose version it is", field="plan")
            return None, frozenset()
        found = find_version(conn, tenant_id, plan=self.plan, number=self.version)
        return found.id, found.agreed


class ActivateBody(CommandBody):
    """End the trial, or the wait for the start or a payment, at once."""

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Activate`."""
        return Activate()


class CancelBody(CommandBody):
    """End it: `now`, at `period_end`, or at an instant."""

    at: When = "period_end"

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Cancel`."""
        return Cancel(self.at)


class ChangeBody(_Chosen):
    """Another plan, other quantities, so many add-ons: `now`, at `period_end`, or at an instant."""

    at: When = "now"
    addons: Quantities | None = None

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Change`. Raises `ValidationError` for a change of nothing."""
        if self.plan is None and self.quantities is None and self.addons is None:
            raise ValidationError("plan: say what changes: plan, quantities, addons", field="plan")
        version_id, keeps = self.chosen(conn, tenant_id)
        addons, drops = self._addons(conn, tenant_id)
        quantities = quantities_of(self.quantities)
        return Change(version_id, quantities, self.at, keeps, addons, drops)

    def _addons(
        self, conn: Connection, tenant_id: TenantId
    ) -> tuple[dict[UUID, Decimal] | None, frozenset[UUID]]:
        """How many of the versions that are sold, and all versions, which they stand for now."""
        if self.addons is None:
            return None, frozenset()
        wanted, drops = {}, set[UUID]()
        for version, many in addons_of(conn, tenant_id, self.addons):
            wanted[version.id] = many
            drops.update(version_ids(conn, tenant_id, version.plan_id))
        return wanted, frozenset(drops)


class ExtendBody(CommandBody):
    """Another end of the contract; null: it goes on for ever."""

    until: Instant | None

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Extend`."""
        return Extend(self.until)


class PauseBody(CommandBody):
    """Stop billing, or service, or both, until an instant or until it is resumed."""

    billing: bool = True
    service: bool = True
    until: Instant | None = None

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`PauseCommand`."""
        return PauseCommand(self.billing, self.service, self.until)


class PaymentBody(CommandBody):
    """A payment succeeded, or failed."""

    succeeded: bool

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Payment`."""
        days = settings_of(conn, tenant_id).dunning
        return Payment(self.succeeded, days.retry_days, days.grace_days)


class ReactivateBody(_Chosen):
    """Come back, with the plan that it had or another one, maybe until an instant."""

    until: Instant | None = None

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Reactivate`."""
        version_id, keeps = self.chosen(conn, tenant_id)
        return Reactivate(version_id, quantities_of(self.quantities), self.until, keeps)


class ResumeBody(CommandBody):
    """End a pause."""

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Resume`."""
        return Resume()


class StartTrialBody(CommandBody):
    """Try until an instant; then it is billed, or expires."""

    until: Instant
    converts: bool = True

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`StartTrial`."""
        return StartTrial(self.until, self.converts)


class UncancelBody(CommandBody):
    """Take a planned cancellation back."""

    def resolve(self, conn: Connection, tenant_id: TenantId) -> Command:
        """`Uncancel`."""
        return Uncancel()


BODIES: Final[Mapping[str, type[CommandBody]]] = {
    "activate": ActivateBody,
    "cancel": CancelBody,
    "change": ChangeBody,
    "extend": ExtendBody,
    "pause": PauseBody,
    "payment": PaymentBody,
    "reactivate": ReactivateBody,
    "resume": ResumeBody,
    "start_trial": StartTrialBody,
    "uncancel": UncancelBody,
}
"""By the name of the command."""


def parse_command(name: str, document: Mapping[str, Any]) -> CommandBody:
    """A command as it is written. Raises `ValidationError` naming the field and the fix."""
    body = BODIES.get(name)
    if body is None:
        raise ValidationError(
            f"command: there is none called {name!r}; use one of {', '.join(BODIES)}",
            field="command",
        )
    try:
        return body.model_validate(dict(document))
    except pydantic.ValidationError as error:
        raise refusal_of(error) from error
