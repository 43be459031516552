import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from core.cloudevents.columnar.xxh3 import LONGER_THAN, hash64, hash128


def _assert_equal(text: bytes, before: int) -> None:
    """Hash a text that lies somewhere in a buffer, as the library does."""
    buffer = np.frombuffer(b"x" * before + text + b"y" * 8, np.uint8)
    lanes = np.empty(8, np.uint64)
    high, low = hash128(buffer, before, len(text), lanes)
    assert int(high) << 64 | int(low) == xxhash.xxh3_128_intdigest(text)
    assert int(hash64(buffer, before, len(text), lanes)) == xxhash.xxh3_64_intdigest(text)


@given(st.binary(min_size=LONGER_THAN + 1, max_size=5_000), st.integers(0, 9))
def test_hashes_equal_those_of_the_library(text: bytes, before: int) -> None:
    _assert_equal(text, before)


@pytest.mark.parametrize("step", range(8))
def test_every_length_up_to_three_blocks(step: int) -> None:
    text = np.random.default_rng(step).bytes(3_200)
    for size in range(LONGER_THAN + 1 + step, 3_200, 8):
        _assert_equal(text[:size], 0)
