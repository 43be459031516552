"""For whom a request works: whose key it carries, under the id that its log lines have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from fastapi import Request

from api.problems import REQUEST_ID_IN_SCOPE
from catalog.snapshot import ApiKeyPrincipal
from core.acting import Acting
from core.clock import Clock
from core.errors import AuthorizationError, NotFoundError
from core.ids import format_id
from db.postgres import Connection, Database
from identity.sandboxes import clock_of


class ActingOf(Protocol):
    """For whom a request works, if it may do what the scope says; raises as `KeyGate`.

    With `own` a user's own token may, too: the transaction then sees only what is theirs.
    """

    def __call__(self, request: Request, scope: str, *, own: bool = False) -> Acting:
        """Raises `AuthenticationError`, `AuthorizationError`, `DependencyDownError`."""
        ...


@contextmanager
def reading(db: Database, acting: Acting) -> Iterator[Connection]:
    """A transaction that reads, also for a user: one instant, and only what is theirs.

    To a user, what is somebody else's and what there is not are refused alike, with
    `AuthorizationError`: they cannot try out what others have.
    """
    try:
        with db.transaction(acting, snapshot=True) as conn:
            yield conn
    except NotFoundError as error:
        if acting.user_id is None:
            raise
        raise AuthorizationError(
            "this is not yours, or there is none; ask for what the lists show"
        ) from error


@contextmanager
def changing(db: Database, machine: Clock, acting: Acting) -> Iterator[tuple[Connection, Clock]]:
    """A transaction that changes something, and the clock that the tenant has in it."""
    with db.transaction(acting) as conn:
        yield conn, clock_of(conn, machine, acting.tenant_id)


def request_id(request: Request) -> str:
    """The id that the lines of a request's log have."""
    return str(request.scope.get(REQUEST_ID_IN_SCOPE, ""))


def acting_for(principal: ApiKeyPrincipal, request: Request) -> Acting:
    """The unit of work of a request that carries this principal's key."""
    return Acting(
        principal.tenant_id,
        actor=format_id("key", principal.key_id),
        correlation_id=request_id(request),
    )
