from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.clickhouse.compression import Decompressor, choose, compressor
from infra.local.clickhouse.errors import EngineError

ENCODINGS = ("lz4", "zstd", "gzip", "deflate")


@given(
    encoding=st.sampled_from(ENCODINGS),
    pieces=st.lists(st.binary(max_size=200), max_size=5),
    step=st.integers(min_value=1, max_value=50),
)
def test_what_is_compressed_comes_back_whatever_the_pieces(
    encoding: str, pieces: list[bytes], step: int
) -> None:
    packer = compressor(encoding)
    packed = b"".join([*map(packer.compress, pieces), packer.flush()])
    unpacker = Decompressor(encoding)
    parts = [unpacker.feed(packed[at : at + step]) for at in range(0, len(packed), step)]
    unpacker.finish()
    assert b"".join(parts) == b"".join(pieces)


def test_several_frames_are_one_body() -> None:
    unpacker = Decompressor("gzip")
    assert unpacker.feed(gzip.compress(b"one") + gzip.compress(b"two")) == b"onetwo"
    unpacker.finish()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_frame_that_is_cut_off_is_an_error(encoding: str) -> None:
    packer = compressor(encoding)
    packed = packer.compress(b"rows" * 1000) + packer.flush()
    unpacker = Decompressor(encoding)
    unpacker.feed(packed[:-3])
    with pytest.raises(EngineError, match="inside a compressed frame") as refused:
        unpacker.finish()
    assert refused.value.exception_code == 271


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_bytes_that_are_not_compressed_are_an_error(encoding: str) -> None:
    with pytest.raises(EngineError, match="Cannot decompress"):
        Decompressor(encoding).feed(b"plain text, not a frame at all")


def test_an_unknown_encoding_is_refused_with_the_known_ones() -> None:
    with pytest.raises(EngineError, match="use one of lz4, zstd, gzip, deflate"):
        Decompressor("br")


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("lz4,zstd", "lz4"),
        ("br, gzip;q=0.5", "gzip"),
        ("gzip;q=0, zstd", "zstd"),
        ("identity", None),
        ("", None),
    ],
)
def test_the_first_encoding_that_can_be_made_is_chosen(header: str, chosen: str | None) -> None:
    assert choose(header) == chosen
