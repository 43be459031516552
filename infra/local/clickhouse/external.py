"""Multipart requests: the query and its parameters as form fields, tables that come along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP

from infra.local.clickhouse import formats
from infra.local.clickhouse.engine import Connection, quote_name
from infra.local.clickhouse.errors import BAD_ARGUMENTS, EngineError

MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A table that exists for one query; `structure` is a list of columns in ClickHouse's SQL."""

    name: str
    structure: str
    input_format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a multipart body: text fields, and files with what they hold."""

    fields: Mapping[str, str]
    files: Mapping[str, bytes]


def parse_form(content_type: str, body: bytes) -> Form:
    """Take a multipart body apart. Raises `EngineError` where it is none."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        raise EngineError.of(BAD_ARGUMENTS, "The body is not the multipart form it claims to be.")
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            continue
        data = _content(part)
        if part.get_filename() is None and not name.endswith("\0"):
            fields[name] = data.decode("utf-8", "surrogateescape")
        files[name] = data
    return Form(fields, files)


def tables_of(form: Form, options: Mapping[str, str]) -> tuple[ExternalTable, ...]:
    """The tables of a form: a part `t` with `t_structure` or `t_types`, `t_format` beside it.

    Raises `EngineError` where a file comes without its structure.
    """
    tables = []
    known = dict(options) | dict(form.fields)
    for name, data in form.files.items():
        structure = known.get(f"{name}_structure", "")
        types = known.get(f"{name}_types", "")
        if not structure and types:
            columns = types.split(",")
            structure = ", ".join(f"_{index} {each}" for index, each in enumerate(columns, 1))
        if structure:
            input_format = formats.check_name(known.get(f"{name}_format") or "TabSeparated")
            tables.append(ExternalTable(name, structure, input_format, data))
        elif name not in form.fields:
            raise EngineError.of(
                BAD_ARGUMENTS,
                f"The external table '{name}' has neither {name}_structure nor {name}_types.",
            )
    return tuple(tables)


def load(connection: Connection, tables: Iterable[ExternalTable]) -> None:
    """Create and fill the tables on a connection."""
    for table in tables:
        name = quote_name(table.name)
        connection.execute(f"CREATE TEMPORARY TABLE {name} ({table.structure})".encode())
        insert = connection.insert(f"INSERT INTO {name}".encode(), table.input_format)
        if table.data:
            insert.append(table.data)
        insert.finish()


def drop(connection: Connection, tables: Iterable[ExternalTable]) -> None:
    """Take the tables away again, for a session's connection lives on."""
    for table in tables:
        connection.execute(f"DROP TEMPORARY TABLE {quote_name(table.name)}".encode())


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
