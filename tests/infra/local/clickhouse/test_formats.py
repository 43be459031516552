from __future__ import annotations

import pytest

from infra.local.clickhouse.errors import EngineError
from infra.local.clickhouse.formats import Joiner, can_stream, check_name, content_type


def join(name: str, pieces: list[bytes]) -> bytes:
    joiner = Joiner(name)
    return b"".join(bytes(joiner.add(memoryview(piece))) for piece in pieces) + joiner.end()


@pytest.mark.parametrize(
    ("name", "pieces", "whole"),
    [
        ("TSV", [b"1\n", b"2\n"], b"1\n2\n"),
        ("CSVWithNames", [b'"a"\n1\n', b'"a"\n2\n'], b'"a"\n1\n2\n'),
        ("CSVWithNames", [b'"a\n""b"\n1\n', b'"a\n""b"\n2\n'], b'"a\n""b"\n1\n2\n'),
        (
            "TabSeparatedWithNamesAndTypes",
            [b"a\nUInt8\n1\n", b"a\nUInt8\n2\n"],
            b"a\nUInt8\n1\n2\n",
        ),
    ],
)
def test_repeated_heads_are_taken_off(name: str, pieces: list[bytes], whole: bytes) -> None:
    assert join(name, pieces) == whole


def test_arrow_streams_are_joined_into_one() -> None:
    end = b"\xff\xff\xff\xff\0\0\0\0"
    schema = b"\xff\xff\xff\xff\x04\0\0\0SCHM"
    pieces = [schema + b"one" + end, schema + b"two" + end]
    assert join("ArrowStream", pieces) == schema + b"onetwo" + end


def test_documents_that_cannot_be_joined_are_not_streamed() -> None:
    assert can_stream("native")
    assert not can_stream("JSON")
    assert not can_stream("Arrow")
    assert not can_stream("Parquet")


@pytest.mark.parametrize("name", ["dataframe", "ArrowTable", "no such", "x;y", ""])
def test_names_that_are_no_formats_are_refused(name: str) -> None:
    with pytest.raises(EngineError, match="Unknown format") as refused:
        check_name(name)
    assert (refused.value.exception_code, refused.value.http_status) == (73, 404)


@pytest.mark.parametrize(
    ("name", "media"),
    [
        ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
        ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
        ("CSV", "text/csv; charset=UTF-8; header=absent"),
        ("JSON", "application/json; charset=UTF-8"),
        ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
        ("Native", "application/octet-stream"),
        ("Pretty", "text/plain; charset=UTF-8"),
    ],
)
def test_each_format_has_its_media_type(name: str, media: str) -> None:
    assert content_type(name) == media
