from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import TooLargeError, ValidationError
from ingest.encodings import ENCODINGS, inflate
from ingest.errors import UnsupportedMediaTypeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}
_KIB = 1024


def test_every_encoding_is_tested() -> None:
    assert set(COMPRESSORS) == set(ENCODINGS)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@given(st.lists(st.binary(max_size=99), min_size=1, max_size=3))
def test_members_behind_each_other_are_one_body(name: str, parts: list[bytes]) -> None:
    body = b"".join(COMPRESSORS[name](part) for part in parts)
    assert inflate(f" {name.upper()} ", body) == b"".join(parts)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_the_limit_is_a_limit_of_what_comes_out(name: str) -> None:
    assert len(inflate(name, COMPRESSORS[name](bytes(1_000)), 1_000)) == 1_000
    for body in (COMPRESSORS[name](bytes(1_001)), 2 * COMPRESSORS[name](bytes(501))):
        with pytest.raises(TooLargeError, match="over the limit of 1000 bytes"):
            inflate(name, body, 1_000)


@pytest.mark.parametrize("name", ["gzip", "zstd"])
@pytest.mark.parametrize("body", [b"", b"x", b"[]"])
def test_what_is_not_so_encoded_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ValidationError, match=f"body: (not )?{name}"):
        inflate(name, body)
    whole = COMPRESSORS[name](b"some text of an event")
    for cut in range(1, len(whole)):
        with pytest.raises(ValidationError):
            inflate(name, whole[:cut])


def test_many_members_are_refused() -> None:
    assert inflate("gzip", gzip.compress(b"") * 256) == b""
    with pytest.raises(ValidationError, match="more than 256 members"):
        inflate("gzip", gzip.compress(b"") * 257)


def test_a_window_larger_than_a_web_client_may_use_is_refused() -> None:
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    with pytest.raises(ValidationError, match="requires too much memory"):
        inflate("zstd", zstd.compress(bytes(2**28), options=options))


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate", ""])
def test_other_encodings_are_refused_with_those_that_work(encoding: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="identity, gzip, zstd"):
        inflate(encoding, b"")


_INFLATE = """
import resource, sys
from core.errors import TooLargeError
from ingest.encodings import inflate
body = open(sys.argv[2], "rb").read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inflate(sys.argv[1], body)
except TooLargeError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _bomb(name: str) -> bytes:
    """Zeros: 10 GB of them, or what of 10 GB of them fits into 10 MB."""
    block, blocks = bytes(2**24), 640
    if name == "zstd":
        packer = zstd.ZstdCompressor()
        return b"".join(packer.compress(block) for _ in range(blocks)) + packer.flush()
    deflate = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)
    again = deflate.compress(block) + deflate.flush(zlib.Z_FULL_FLUSH)  # stands for itself
    return head + again * (blocks - 1) + deflate.flush()


@pytest.mark.parametrize("name", ["gzip", "zstd"])
def test_a_body_that_inflates_to_ten_gigabytes_costs_less_than_64_megabytes(
    name: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_bytes(_bomb(name))
    command = [sys.executable, "-c", _INFLATE, name, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 64 * _KIB
