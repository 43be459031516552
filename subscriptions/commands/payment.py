"""A payment succeeded, or failed: what providers report, or somebody who looked at the bank."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final

from core.calendar.cycle import Cycle
from core.calendar.zones import add_days
from identity.settings import DunningSettings
from subscriptions.commands.activate import Activate
from subscriptions.life.standing import Standing

_DEFAULT: Final = DunningSettings()


@dataclass(frozen=True, slots=True)
class Payment:
    """The result of a payment. A failed one is tried again after each of `retry_days`."""

    name: ClassVar[str] = "payment"
    succeeded: bool
    retry_days: tuple[int, ...] = _DEFAULT.retry_days
    grace_days: int = _DEFAULT.grace_days

    def apply(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        """The first success activates, a later one settles; a failure is followed by retries.

        What is over stays over: the payment was for what came before.
        """
        return (
            self._success(standing, at, cycle)
            if self.succeeded
            else self._failure(standing, at, cycle)
        )

    def _success(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        if standing.status in {"FREE", "TRIALING"}:
            return Activate().apply(standing, at, cycle)
        if standing.status in {"PAST_DUE", "GRACE_PERIOD"}:
            settled = standing.step("settle", at)
            return replace(settled, failed_payments=0, retry_at=None, grace_ends_at=None)
        return standing

    def _failure(self, standing: Standing, at: datetime, cycle: Cycle) -> Standing:
        failed = standing.failed_payments + 1
        if standing.status == "ACTIVE":
            standing = standing.step("fail_payment", at)
        elif standing.status != "PAST_DUE":
            return standing
        if failed > len(self.retry_days):
            grace = standing.step("exhaust_retries", at)
            until = add_days(at, self.grace_days, cycle.zone)
            return replace(grace, failed_payments=failed, retry_at=None, grace_ends_at=until)
        retry_at = add_days(at, self.retry_days[failed - 1], cycle.zone)
        return replace(standing, at=at, failed_payments=failed, retry_at=retry_at)
