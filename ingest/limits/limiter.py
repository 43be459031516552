"""Admits requests under the limits of their key and tenant, or says when to come back."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from catalog.snapshot_content import ApiKeyPrincipal
from core.clock import monotonic_nanos
from core.errors import RateLimitError
from core.ids import TenantId
from core.rate_limits import PARTS
from ingest.limits.account import Account, Defaults, Refused
from ingest.limits.buckets import ADMITTED, wait_ns
from ingest.limits.header_fields import POLICY_FIELD, STATE_FIELD, state_field
from ingest.limits.shared_slots import SharedSlots
from ingest.metrics import REFUSED


class Limiter:
    """Holds over all processes with the same `slots`. For one thread."""

    def __init__(
        self,
        slots: SharedSlots,
        defaults: Defaults,
        clock_ns: Callable[[], int] = monotonic_nanos,
    ) -> None:
        self._slots = slots
        self._defaults = defaults
        self._clock_ns = clock_ns
        self._accounts: dict[UUID, Account] = {}

    def sender(self, principal: ApiKeyPrincipal, declared_bytes: int) -> Sender:
        """Who sends a request whose body has so many bytes as far as its head says (0: unknown).

        Raises `RateLimitError` where the request has no chance, before anything of it is read, and
        `TooLargeError` where it never will.
        """
        account = self._accounts.get(principal.key_id)
        if account is None or account.principal is not principal:
            account = Account(principal, self._defaults)
            self._accounts[principal.key_id] = account
        if account.has_bytes_limit or account.refused is not None:
            self._check(account, declared_bytes)
        return Sender(self, account, declared_bytes)

    def _check(self, account: Account, size: int) -> None:
        """Refuse what cannot be admitted now: too many bytes, or likely too many events."""
        account.refuse_what_never_fits(0, size)
        low, high = account.likely_events(size)
        if self._slots.fits(account.lines, self._clock_ns(), low, size) == ADMITTED:
            return
        with self._slots.locked():
            now_ns = self._clock_ns()
            self._slots.find(account.lines, now_ns)
            spent = self._slots.spent(account.lines, now_ns)
        if any(_waits(account, spent, low, size)):
            raise _refusal(account, spent, high, size)

    def spend(self, account: Account, events: int, size: int, declared: int) -> None:
        """Take so much from every limit of the account, or nothing from any: then it raises."""
        account.refuse_what_never_fits(events, size)
        slots = self._slots
        slots.lock()
        try:
            now_ns = self._clock_ns()
            if slots.take(account.lines, now_ns, events, size) == ADMITTED:
                account.refused = None
                return
            spent = slots.spent(account.lines, now_ns)
        finally:
            slots.unlock()
        account.refused = Refused(declared, events) if declared else None
        raise _refusal(account, spent, events, size)

    def give_back(self, account: Account, events: int, size: int) -> None:
        """Undo `spend`: it never leaves more than there would be if nothing had been spent."""
        with self._slots.locked():
            self._slots.give_back(account.lines, self._clock_ns(), events, size)

    def headers(self, account: Account) -> dict[str, str]:
        """The header fields that say how an account stands."""
        return _fields(account, self._slots.spent(account.lines, self._clock_ns()))


class Sender:
    """Who sends one request, and what it costs them."""

    __slots__ = ("_account", "_declared", "_limiter", "_spent", "tenant_id")

    def __init__(self, limiter: Limiter, account: Account, declared_bytes: int) -> None:
        self.tenant_id: TenantId = account.principal.tenant_id
        self._limiter, self._account, self._declared = limiter, account, declared_bytes
        self._spent: tuple[int, int] | None = None

    def spend(self, events: int, size_bytes: int) -> None:
        """Count what was sent against the limits, before any of it is published.

        Raises `RateLimitError`; then it cost nothing, and nothing of it may be published.
        """
        if self._account.is_limited:
            self._limiter.spend(self._account, events, size_bytes, self._declared)
            self._spent = events, size_bytes

    def give_back(self) -> None:
        """Nothing of it could be published: it has to be sent again, and shall not cost twice."""
        if self._spent is not None:
            self._limiter.give_back(self._account, *self._spent)
            self._spent = None

    def headers(self) -> dict[str, str]:
        """The fields for an answer to a request that was admitted."""
        return {} if self._spent is None else self._limiter.headers(self._account)


def _refusal(account: Account, spent: list[int], events: int, size: int) -> RateLimitError:
    waits = _waits(account, spent, events, size)
    longest = max(waits)
    limit = account.limits[waits.index(longest)]
    REFUSED[limit.scope].inc()
    seconds = -(-longest // PARTS)
    error = RateLimitError(
        f"{limit.unit}: {limit.who} may send {limit.rate.per_second} a second,"
        f" {limit.rate.burst} at once: send this again after {seconds} s",
        seconds,
        limit=limit.name,
        per_second=limit.rate.per_second,
        burst=limit.rate.burst,
    )
    error.headers = _fields(account, spent)
    return error


def _waits(account: Account, spent: list[int], events: int, size: int) -> list[int]:
    """How long each limit makes so much wait; nothing need not wait."""
    return [
        wait_ns(spent[limit.place], asked, *limit.rate)
        if (asked := events if limit.unit == "events" else size)
        else 0
        for limit in account.limits
    ]


def _fields(account: Account, spent: list[int]) -> dict[str, str]:
    return {POLICY_FIELD: account.policy, STATE_FIELD: state_field(account.policies, spent)}
