"""What a request's text asks for: rows to insert that follow in the body, or a query.

Only so much of SQL is read as the HTTP protocol needs: where the data of an INSERT begins, in which
format a query answers, whether its answer may be streamed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.local.clickhouse.errors import NOT_IMPLEMENTED, SYNTAX_ERROR, EngineError

MAX_HEAD_BYTES = 262_144
"""How far an INSERT's head may reach; ClickHouse's own limit for a query's text."""

_TOKEN = re.compile(
    rb"""
    (?P<blank>\s+|--[^\n]*|\#[!\ ][^\n]*|/\*.*?\*/)
    |(?P<quoted>
        '[^'\\]*(?:\\.[^'\\]*)*' | "[^"\\]*(?:\\.[^"\\]*)*" | `[^`\\]*(?:\\.[^`\\]*)*`
        | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
    )
    |(?P<word>[A-Za-z_\x80-\xff][\w$\x80-\xff]*)
    |(?P<number>\d[\w.]*)
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<mark>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_DATA_GAP = re.compile(rb"[ \t\f]*\r?\n?")
_STREAMED_VERBS = frozenset({b"SELECT", b"WITH"})
_NOT_STREAMED = frozenset({b"OUTFILE", b"TOTALS"})
_BEFORE_NAMES = frozenset({b"INTO", b"TABLE", b"FUNCTION"})
_ROWS_FROM_ELSEWHERE = frozenset({b"SELECT", b"WITH", b"WATCH", b"INFILE"})


class NeedMoreError(Exception):
    """The text ends before the statement is understood, and more may follow."""


@dataclass(frozen=True, slots=True)
class InsertStatement:
    """An INSERT whose rows follow the text.

    `head` is the statement up to FORMAT or VALUES; `data_offset` counts bytes from its start.
    """

    head: bytes
    input_format: str
    data_offset: int


@dataclass(frozen=True, slots=True)
class QueryStatement:
    """Anything that is complete in itself: SELECT, DDL, INSERT … SELECT, SET, SHOW."""

    text: bytes
    verb: str
    output_format: str | None
    streamable: bool


Statement = InsertStatement | QueryStatement


@dataclass(frozen=True, slots=True)
class _Token:
    """`word` is the upper-case text of a word outside all brackets, else empty."""

    kind: str
    text: bytes
    start: int
    end: int
    word: bytes


_NOTHING = _Token("mark", b"", 0, 0, b"")


def _tokens(text: bytes) -> Iterator[_Token]:
    depth = 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "mark"
        if kind == "blank":
            continue
        depth = max(depth - (kind == "close"), 0)
        word = match.group().upper() if kind == "word" and depth == 0 else b""
        yield _Token(kind, match.group(), match.start(), match.end(), word)
        depth += kind == "open"


def parse(text: bytes, *, complete: bool) -> Statement:
    """Read a request's text, of which `complete` says whether it is all there is.

    Raises `NeedMoreError` when an answer needs text that has not arrived, and `EngineError` for
    several statements in one request.
    """
    first = next(_tokens(text), None)
    if first is None or (first.end == len(text) and not complete):
        if complete:
            raise EngineError.of(SYNTAX_ERROR, "Syntax error: failed at position 1: Empty query.")
        raise NeedMoreError
    if first.text.upper() == b"INSERT":
        statement = _parse_insert(text, complete=complete)
        if statement is not None:
            return statement
    if not complete:
        raise NeedMoreError
    return _parse_query(text, first.text.upper())


def _parse_insert(text: bytes, *, complete: bool) -> InsertStatement | None:
    """The head of an INSERT with data; None where a query gives the rows."""
    if len(text) > MAX_HEAD_BYTES:
        text = text[:MAX_HEAD_BYTES]
        complete = True
    before, last = _NOTHING, _NOTHING
    for token in _tokens(text):
        if token.end == len(text) and not complete:
            raise NeedMoreError
        is_name = last.word in _BEFORE_NAMES or last.text == b"."
        if last.word == b"FORMAT" and before.word not in _BEFORE_NAMES and token.kind == "word":
            return _with_data(text, last, token, complete=complete)
        if token.word == b"VALUES" and not is_name:
            return InsertStatement(text[: token.start], "Values", token.end)
        if token.word in _ROWS_FROM_ELSEWHERE and not is_name:
            return None
        before, last = last, token
    if not complete:
        raise NeedMoreError
    return None


def _with_data(text: bytes, keyword: _Token, name: _Token, *, complete: bool) -> InsertStatement:
    gap = _DATA_GAP.match(text, name.end)
    data_offset = gap.end() if gap is not None else name.end
    # A line break may still be on its way; after one has been read the data has begun.
    if data_offset == len(text) and not complete and not text.endswith(b"\n"):
        raise NeedMoreError
    return InsertStatement(text[: keyword.start], name.text.decode(), data_offset)


def _parse_query(text: bytes, verb: bytes) -> QueryStatement:
    output_format: str | None = None
    ended = False
    streamable = verb in _STREAMED_VERBS
    last = _NOTHING
    for token in _tokens(text):
        if ended and token.text != b";":
            raise EngineError.of(
                SYNTAX_ERROR,
                "Syntax error (Multi-statements are not allowed):"
                f" failed at position {token.start + 1}: send one statement per request.",
            )
        ended = ended or token.text == b";"
        if last.word == b"FORMAT" and token.kind == "word":
            output_format = token.text.decode()
        if verb == b"INSERT" and token.text == b"(" and last.text.upper() == b"INPUT":
            # The embedded engine would read no rows at all, and say nothing.
            raise EngineError.of(
                NOT_IMPLEMENTED,
                "INSERT … SELECT … FROM input() does not exist in the embedded engine;"
                " insert the rows into a table and select from that.",
            )
        streamable = streamable and token.word not in _NOT_STREAMED
        last = token
    return QueryStatement(text, verb.decode("ascii", "replace"), output_format, streamable)
