"""One HTTP request in ClickHouse's terms: who asks, on which database, with which settings."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

from infra.local.clickhouse import compression, formats
from infra.local.clickhouse.errors import BAD_ARGUMENTS, NOT_IMPLEMENTED, EngineError
from infra.local.clickhouse.external import ExternalTable, Form, tables_of

_NOT_SETTINGS = frozenset({
    "buffer_size", "client_protocol_version", "close_session", "compress", "database", "decompress",
    "default_format", "password", "query", "query_id", "quota_key", "role", "session_check",
    "session_id", "session_timeout", "stacktrace", "user", "wait_end_of_query",
})  # fmt: skip
_PARAMETER_PREFIX = "param_"
_DEFAULT_SESSION_SECONDS = 60
_MAX_SESSION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """Which session the request wants to run in."""

    session_id: str
    timeout_seconds: int
    must_exist: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for, apart from the body.

    `parameters` are the values of `{name:Type}` in ClickHouse's escaped text; `settings` are
    applied to this request alone; the two encodings are HTTP names or None.
    """

    query: str
    query_id: str
    database: str
    default_format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    read_only: bool
    buffered: bool
    session: SessionRequest | None = None
    content_encoding: str | None = None
    answer_encoding: str | None = None
    content_type: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    protocol_version: int = 0
    tables: tuple[ExternalTable, ...] = ()


@dataclass(frozen=True, slots=True)
class Credentials:
    """The user and password that came with a request."""

    user: str
    password: str


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """ASGI's headers as text, names in lower case; the last of a name wins."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def options_of(query_string: bytes) -> dict[str, str]:
    """The options of a URL; the last of a name wins, as on the server."""
    return dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))


def credentials_of(headers: Mapping[str, str], options: Mapping[str, str]) -> Credentials:
    """Who asks: by ClickHouse's headers, by Basic authentication, or by the URL."""
    if "x-clickhouse-user" in headers or "x-clickhouse-key" in headers:
        return Credentials(
            headers.get("x-clickhouse-user", "default"), headers.get("x-clickhouse-key", "")
        )
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return Credentials("", "")
        user, _, password = text.partition(":")
        return Credentials(user, password)
    return Credentials(options.get("user", "default"), options.get("password", ""))


def request_of(method: str, headers: Mapping[str, str], options: Mapping[str, str]) -> Request:
    """Read a request. Raises `EngineError` for what this server does not do."""
    for name in ("compress", "decompress"):
        if _is_true(options.get(name, "0")):
            raise EngineError.of(
                NOT_IMPLEMENTED,
                f"'{name}=1' (ClickHouse's own block compression) is not supported;"
                " use Content-Encoding and Accept-Encoding with enable_http_compression=1.",
            )
    if options.get("role"):
        raise EngineError.of(NOT_IMPLEMENTED, "Roles do not exist here; leave 'role' out.")
    settings = {
        name: value
        for name, value in options.items()
        if name not in _NOT_SETTINGS and not name.startswith(_PARAMETER_PREFIX)
    }
    compress_answer = _is_true(settings.get("enable_http_compression", "0"))
    version = options.get("client_protocol_version", "0")
    encoding = headers.get("content-encoding", "").strip().lower()
    return Request(
        query=options.get("query", ""),
        query_id=options.get("query_id") or str(uuid.uuid4()),
        database=options.get("database") or headers.get("x-clickhouse-database", ""),
        default_format=formats.check_name(
            headers.get("x-clickhouse-format")
            or options.get("default_format")
            or formats.DEFAULT_OUTPUT
        ),
        settings=settings,
        parameters=parameters_of(options),
        read_only=method != "POST",
        buffered=_is_true(options.get("wait_end_of_query", "0")),
        session=_session_of(options),
        content_encoding=encoding if encoding not in {"", "identity"} else None,
        answer_encoding=(
            compression.choose(headers.get("accept-encoding", "")) if compress_answer else None
        ),
        content_type=headers.get("content-type", ""),
        options=options,
        protocol_version=int(version) if version.isdecimal() else 0,
    )


def with_form(request: Request, form: Form) -> Request:
    """`request` with what a multipart body adds: query, parameters, external tables."""
    return replace(
        request,
        query=request.query or form.fields.get("query", ""),
        parameters=dict(request.parameters) | parameters_of(form.fields),
        settings=without_tables(request.settings, form),
        tables=tables_of(form, request.options),
    )


def without_tables(settings: Mapping[str, str], form: Form) -> dict[str, str]:
    """`settings` without the options that describe external tables."""
    endings = ("_structure", "_types", "_format")
    described = {f"{name}{ending}" for name in form.files for ending in endings}
    return {name: value for name, value in settings.items() if name not in described}


def parameters_of(options: Mapping[str, str]) -> dict[str, str]:
    """The values of `param_<name>` by name."""
    return {
        name.removeprefix(_PARAMETER_PREFIX): value
        for name, value in options.items()
        if name.startswith(_PARAMETER_PREFIX)
    }


def _session_of(options: Mapping[str, str]) -> SessionRequest | None:
    session_id = options.get("session_id", "")
    if not session_id:
        return None
    text = options.get("session_timeout", str(_DEFAULT_SESSION_SECONDS))
    if not text.isdecimal() or not 0 < int(text) <= _MAX_SESSION_SECONDS:
        raise EngineError.of(
            BAD_ARGUMENTS,
            f"Invalid session timeout: '{text}'; give 1 to {_MAX_SESSION_SECONDS} seconds.",
        )
    must_exist = _is_true(options.get("session_check", "0"))
    return SessionRequest(session_id, int(text), must_exist)


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true"}
