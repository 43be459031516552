"""Errors in ClickHouse's own terms: a code, a message, an HTTP status."""

from __future__ import annotations

import re

from core.errors import TollbookError

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_FORMAT = 73
TIMEOUT_EXCEEDED = 159
READONLY = 164
TOO_MANY_SIMULTANEOUS_QUERIES = 202
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
SOCKET_TIMEOUT = 209
QUERY_IS_TOO_LARGE = 229
NOT_ENOUGH_SPACE = 243
CANNOT_DECOMPRESS = 271
QUERY_WAS_CANCELLED = 394
AUTHENTICATION_FAILED = 516
UNKNOWN_EXCEPTION = 1002

NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    TIMEOUT_EXCEEDED: "TIMEOUT_EXCEEDED",
    READONLY: "READONLY",
    TOO_MANY_SIMULTANEOUS_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    SOCKET_TIMEOUT: "SOCKET_TIMEOUT",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    NOT_ENOUGH_SPACE: "NOT_ENOUGH_SPACE",
    CANNOT_DECOMPRESS: "CANNOT_DECOMPRESS",
    QUERY_WAS_CANCELLED: "QUERY_WAS_CANCELLED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}

_STATUSES: dict[int, tuple[int, ...]] = {
    # The numbers are the server's: it answers a wrong text with 400, a missing thing with 404.
    400: (6, 8, 10, 26, 27, 36, 38, 41, 44, 53, 62, 69, 72, 99, 117, 167, 168, 223, 377, 427, 675),
    403: (192, 193, 497, 516, 512),
    404: (46, 47, 50, 56, 60, 63, 73, 81, 83, 106, 115, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    429: (202,),
    501: (48,),
    503: (74, 76, 209, 439),
}
HTTP_STATUS = {code: status for status, codes in _STATUSES.items() for code in codes}

_CODE = re.compile(r"Code: (\d+)\. (?=\w+::\w*Exception)")
_WRAPPERS = re.compile(r"^(?:Streaming (?:query|insert)[\w ]* failed: )+")


class EngineError(TollbookError):
    """What ClickHouse would answer instead of a result.

    `exception_code` is ClickHouse's number (0 to 1002), `str(error)` the whole text of the body.
    """

    code = "clickhouse_error"

    def __init__(self, exception_code: int, message: str) -> None:
        super().__init__(message, exception_code=exception_code)
        self.exception_code = exception_code

    @classmethod
    def of(cls, exception_code: int, reason: str) -> EngineError:
        """An error that this server itself raises, worded as ClickHouse words its own."""
        text = f"Code: {exception_code}. DB::Exception: {reason} ({NAMES[exception_code]})"
        return cls(exception_code, text)

    @classmethod
    def from_engine(cls, text: str) -> EngineError:
        """The engine's message as an error; texts without a code become UNKNOWN_EXCEPTION."""
        message = _WRAPPERS.sub("", text)
        found = _CODE.search(message)
        if found is None:
            return cls.of(UNKNOWN_EXCEPTION, message)
        return cls(int(found.group(1)), message[found.start() :])

    @property
    def http_status(self) -> int:
        """The status that a ClickHouse server gives this code; 500 where it has no other."""
        return HTTP_STATUS.get(self.exception_code, 500)
