"""On whose behalf something is done: said once by the shell, kept with every change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from core.ids import TenantId

SYSTEM: Final = "system"
"""The actor where nobody asked: what follows from a rule or a clock."""

BILLING: Final = "billing"
"""The actor of billing runs."""

OPERATOR: Final = "operator"
"""The actor of commands."""


@dataclass(frozen=True, slots=True)
class Acting:
    """For which tenant a unit of work is done, by whom, and because of what.

    `actor` is the key (`key_…`), the user (`user:…`) or the part of the system; `correlation_id`
    is shared by all that follows from one request, `causation_id` is the id of the event that this
    follows from. With a `user_id` only what is that user's own can be seen.
    """

    tenant_id: TenantId
    actor: str = SYSTEM
    correlation_id: str = ""
    causation_id: str = ""
    user_id: UUID | None = None
