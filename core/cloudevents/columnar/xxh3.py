"""XXH3 with 64 and 128 bits and seed 0, compiled, of texts of more than 16 bytes.

Source: the XXH3 specification of Yann Collet's xxHash, version 0.8. Equal to the library `xxhash`,
which is called once for each text and so costs more than the hash itself.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.compiled import compiled, inlined
from core.intrinsics import Words, folded_product, load64
from core.json_text import Bytes

LONGER_THAN: Final = 16
"""Bytes of the longest text that is hashed in other ways, which are not here."""

_SECRET: Final = np.frombuffer(
    bytes.fromhex(
        "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
        "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
        "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
        "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
        "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
        "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
    ),
    np.uint8,
)
_PRIME32_1: Final = np.uint64(0x9E3779B1)
_PRIME32_2: Final = np.uint64(0x85EBCA77)
_PRIME32_3: Final = np.uint64(0xC2B2AE3D)
_PRIME64_1: Final = np.uint64(0x9E3779B185EBCA87)
_PRIME64_2: Final = np.uint64(0xC2B2AE3D27D4EB4F)
_PRIME64_3: Final = np.uint64(0x165667B19E3779F9)
_PRIME64_4: Final = np.uint64(0x85EBCA77C2B2AE63)
_PRIME64_5: Final = np.uint64(0x27D4EB2F165667C5)
_AVALANCHE: Final = np.uint64(0x165667919E3779F9)
_LOW32: Final = np.uint64(0xFFFFFFFF)
_S32: Final = np.uint64(32)
_S37: Final = np.uint64(37)
_S47: Final = np.uint64(47)
_ZERO: Final = np.uint64(0)

_MIDDLE_MAX: Final = 240
_SHORT_MAX: Final = 128
_STRIPE: Final = 64
_STRIPES_PER_BLOCK: Final = 16
_BLOCK: Final = _STRIPE * _STRIPES_PER_BLOCK
_LAST_SECRET: Final = 192 - 64
_MIDDLE_LAST_SECRET: Final = 136 - 17


@inlined
def _avalanche(word: np.uint64) -> np.uint64:
    word = (word ^ word >> _S37) * _AVALANCHE
    return word ^ word >> _S32


@inlined
def _mix16(text: Bytes, at: int, secret: int) -> np.uint64:
    """16 bytes and 16 of the secret, as one word."""
    return folded_product(
        load64(text, at) ^ load64(_SECRET, secret),
        load64(text, at + 8) ^ load64(_SECRET, secret + 8),
    )


@compiled
def hash64(text: Bytes, at: int, size: int, lanes: Words) -> np.uint64:
    """XXH3-64 of the `size` > 16 bytes from `at` on. `lanes`: room for 8 words."""
    if size > _MIDDLE_MAX:
        _stripes(text, at, size, lanes)
        return _merged(lanes, 11, np.uint64(size) * _PRIME64_1)
    end, word = at + size, np.uint64(size) * _PRIME64_1
    if size <= _SHORT_MAX:
        for step in range((size - 1) // 32, -1, -1):
            word += _mix16(text, at + 16 * step, 32 * step)
            word += _mix16(text, end - 16 * (step + 1), 32 * step + 16)
        return _avalanche(word)
    for step in range(8):
        word += _mix16(text, at + 16 * step, 16 * step)
    word = _avalanche(word)
    for step in range(8, size // 16):
        word += _mix16(text, at + 16 * step, 16 * (step - 8) + 3)
    return _avalanche(word + _mix16(text, end - 16, _MIDDLE_LAST_SECRET))


@compiled
def hash128(text: Bytes, at: int, size: int, lanes: Words) -> tuple[np.uint64, np.uint64]:
    """XXH3-128 of the `size` > 16 bytes from `at` on: its high and low half."""
    if size > _MIDDLE_MAX:
        _stripes(text, at, size, lanes)
        low = _merged(lanes, 11, np.uint64(size) * _PRIME64_1)
        return _merged(lanes, _LAST_SECRET - 11, ~(np.uint64(size) * _PRIME64_2)), low
    end, low, high = at + size, np.uint64(size) * _PRIME64_1, _ZERO
    if size <= _SHORT_MAX:
        for step in range((size - 1) // 32, -1, -1):
            one, other = at + 16 * step, end - 16 * (step + 1)
            low, high = _mix32(text, low, high, one, other, 32 * step)
    else:
        for step in range(4):
            one = at + 32 * step
            low, high = _mix32(text, low, high, one, one + 16, 32 * step)
        low, high = _avalanche(low), _avalanche(high)
        for step in range(4, size // 32):
            one = at + 32 * step
            low, high = _mix32(text, low, high, one, one + 16, 32 * (step - 4) + 3)
        low, high = _mix32(text, low, high, end - 16, end - 32, _MIDDLE_LAST_SECRET - 16)
    both = low + high
    rest = low * _PRIME64_1 + high * _PRIME64_4 + np.uint64(size) * _PRIME64_2
    return _ZERO - _avalanche(rest), _avalanche(both)


@inlined
def _mix32(
    text: Bytes, low: np.uint64, high: np.uint64, one: int, other: int, secret: int
) -> tuple[np.uint64, np.uint64]:
    low = low + _mix16(text, one, secret) ^ load64(text, other) + load64(text, other + 8)
    high = high + _mix16(text, other, secret + 16) ^ load64(text, one) + load64(text, one + 8)
    return low, high


@compiled
def _stripes(text: Bytes, at: int, size: int, lanes: Words) -> None:
    """Gather a long text in the eight lanes."""
    lanes[0], lanes[1], lanes[2], lanes[3] = _PRIME32_3, _PRIME64_1, _PRIME64_2, _PRIME64_3
    lanes[4], lanes[5], lanes[6], lanes[7] = _PRIME64_4, _PRIME32_2, _PRIME64_5, _PRIME32_1
    for stripe in range((size - 1) // _STRIPE):
        within = stripe % _STRIPES_PER_BLOCK
        if stripe and not within:
            _scramble(lanes)
        _gather(text, at + _STRIPE * stripe, 8 * within, lanes)
    if size > _BLOCK and (size - 1) % _BLOCK < _STRIPE:
        _scramble(lanes)
    _gather(text, at + size - _STRIPE, _LAST_SECRET - 7, lanes)


@inlined
def _gather(text: Bytes, at: int, secret: int, lanes: Words) -> None:
    for lane in range(8):
        word = load64(text, at + 8 * lane)
        mixed = word ^ load64(_SECRET, secret + 8 * lane)
        lanes[lane ^ 1] += word
        lanes[lane] += (mixed & _LOW32) * (mixed >> _S32)


@inlined
def _scramble(lanes: Words) -> None:
    for lane in range(8):
        word = lanes[lane] ^ lanes[lane] >> _S47 ^ load64(_SECRET, _LAST_SECRET + 8 * lane)
        lanes[lane] = word * _PRIME32_1


@inlined
def _merged(lanes: Words, secret: int, start: np.uint64) -> np.uint64:
    word = start
    for pair in range(4):
        one = lanes[2 * pair] ^ load64(_SECRET, secret + 16 * pair)
        other = lanes[2 * pair + 1] ^ load64(_SECRET, secret + 16 * pair + 8)
        word += folded_product(one, other)
    return _avalanche(word)
