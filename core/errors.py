"""The error families. A family names the caller's reaction; HTTP statuses are mapped in `api/`.

TollbookError
├── ValidationError        400  the input breaks the contract: fix the named field
├── AuthenticationError    401  who are you?
├── AuthorizationError     403  known, but not allowed
├── NotFoundError          404  no such thing for this tenant
├── ConflictError          409  true a moment ago, not any more: read again and decide
│   └── PreconditionError  412  what you read has changed: read it again
├── TooLargeError          413  over a stated limit
├── BusinessLogicError     422  well-formed, and not possible under the rules
├── RateLimitError         429  too fast: try again after `retry_after_seconds`
├── DependencyDownError    503  a server we need does not answer: nothing was done, try again
└── InternalError          500  an invariant of ours is broken: stop and look
"""

from __future__ import annotations

from typing import ClassVar


class TollbookError(Exception):
    """Base of every error that Tollbook raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class ValidationError(TollbookError):
    """The input breaks the contract; `details` name the field."""

    code = "validation_error"


class AuthenticationError(TollbookError):
    """No credential, or one that is not known."""

    code = "authentication_error"


class AuthorizationError(TollbookError):
    """A known caller asks for what it may not do."""

    code = "authorization_error"


class NotFoundError(TollbookError):
    """No such thing for this tenant."""

    code = "not_found"


class ConflictError(TollbookError):
    """The request contradicts what is stored."""

    code = "conflict"


class PreconditionError(ConflictError):
    """What the caller read is not what is stored by now; nothing was changed."""

    code = "precondition_failed"


class TooLargeError(TollbookError):
    """Over a stated limit; `details` name the limit and what was sent."""

    code = "too_large"


class BusinessLogicError(TollbookError):
    """Well-formed, and not possible under the rules."""

    code = "business_logic_error"


class RateLimitError(TollbookError):
    """Too fast. `headers` belong to the answer, too: they say what the limits are."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_seconds: int, **details: object) -> None:
        super().__init__(message, **details)
        self.retry_after_seconds = retry_after_seconds
        self.headers: dict[str, str] = {}


class DependencyDownError(TollbookError):
    """A server we depend on does not answer. Nothing was done that a retry would do twice."""

    code = "dependency_down"

    def __init__(self, message: str, retry_after_seconds: int = 1, **details: object) -> None:
        super().__init__(message, **details)
        self.retry_after_seconds = retry_after_seconds


class InternalError(TollbookError):
    """An invariant of ours does not hold."""

    code = "internal_error"
