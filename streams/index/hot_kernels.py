"""Compiled loops of the hot tier: an open-addressing table in groups of eight.

A key (high, low) has a place, `high + mix(low ^ seed)`, in 64 bits: 9 bits choose the shard, 48 are
stored, 7 are the tag. Shard, group and tag thus hold bits of the key that need not be stored again;
together with the low half they give the key back, so equality is exact. A table of places is in the
order of places, but for the few that overflowed into the next group.

Eight groups are a block: one cache line of their tag bytes (0: free, else 128 + tag, each group
filled from its lowest on), then 64 entries of 26 bytes (`NARROW`) or 28 (`WIDE`): 48 bits of the
place and the lowest 16 of the time; low half; content; the upper 16 or 32 bits of the time. A full
group overflows into the next of its block, in a circle; a full block into the next block. Times
count from the base of their shard.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from core.compiled import compiled, inlined
from core.intrinsics import (
    Words,
    load16,
    load32,
    load64,
    prefetch,
    signed,
    store16,
    store32,
    store64,
    trailing_zeros,
)

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2
REJECTED: Final = 3

SHARD_BITS: Final = 9
SLOTS: Final = 64
NARROW: Final = 216
WIDE: Final = 232
"""Words of a block."""

BLOCKS, HELD, ROOM, BASE, START = range(5)
"""Rows of the table of shards: blocks in use, keys held, keys that fit, base of times, start."""

Table = npt.NDArray[np.int64]
Times = npt.NDArray[np.int64]

_TAG_BITS: Final = 7
_TAG_MASK: Final = np.uint64((1 << _TAG_BITS) - 1)
_SHARD_SHIFT: Final = np.uint64(64 - SHARD_BITS)
_USED: Final = np.uint64(0x80)
_EACH: Final = np.uint64(0x0101010101010101)
_TOPS: Final = np.uint64(0x8080808080808080)
_LOW16: Final = np.uint64(0xFFFF)
_MIX: Final = np.uint64(0xD6E8FEB86659FD93)
_AHEAD: Final = 12
_NONE: Final = -1


@inlined
def mixed(low: np.uint64, seed: np.uint64) -> np.uint64:
    """A word that depends on all bits of both; only the seed keeps others from steering it."""
    word = low ^ seed
    word ^= word >> np.uint64(32)
    word *= _MIX
    word ^= word >> np.uint64(32)
    word *= _MIX
    return word ^ (word >> np.uint64(32))


@compiled
def find_places(keys: npt.NDArray[np.uint64], seed: np.uint64, places: Words, lows: Words) -> None:
    """Places and low halves of keys (n, 2)."""
    for i in range(len(keys)):
        lows[i] = keys[i, 1]
        places[i] = keys[i, 0] + mixed(keys[i, 1], seed)


@inlined
def _group_of(place: np.uint64, blocks: int) -> int:
    """The group of its shard where a place belongs."""
    rest = (place << np.uint64(SHARD_BITS)) >> np.uint64(32)
    return signed((rest * np.uint64(8 * blocks)) >> np.uint64(32))


@inlined
def _next_group(group: int, home: int, blocks: int) -> int:
    """Where a search that began at group `home` goes on after a full group."""
    group = (group & ~7) | ((group + 1) & 7)
    if (group ^ home) & 7 == 0:  # the whole block is full
        group += 8
        if group >= 8 * blocks:
            group -= 8 * blocks
    return group


@inlined
def _tags_at(start: int, group: int, width: int) -> int:
    """The word with the tags of a group."""
    return start + (group >> 3) * width + (group & 7)


@inlined
def _entry_at(start: int, group: int, slot: int, width: int) -> int:
    """The first byte of an entry."""
    size = 26 if width == NARROW else 28
    return (start + (group >> 3) * width + 8) * 8 + ((group & 7) * 8 + slot) * size


@inlined
def _time_of(words: Words, entry: int, width: int) -> int:
    """The time of an entry, from its shard's base."""
    low = load64(words, entry) & _LOW16
    high = load16(words, entry + 24) if width == NARROW else load32(words, entry + 24)
    return signed((high << np.uint64(16)) | low)


@inlined
def _set_time(words: Words, entry: int, width: int, time: int) -> None:
    store16(words, entry, np.uint64(time))
    high = np.uint64(time) >> np.uint64(16)
    if width == NARROW:
        store16(words, entry + 24, high)
    else:
        store32(words, entry + 24, high)


@inlined
def _place_of(words: Words, entry: int, shard: int, tag: np.uint64) -> np.uint64:
    """The whole place of an entry again."""
    rest = load64(words, entry) >> np.uint64(16) << np.uint64(_TAG_BITS)
    return (np.uint64(shard) << _SHARD_SHIFT) | rest | (tag & _TAG_MASK)


@inlined
def _matches(tags: np.uint64, place: np.uint64) -> np.uint64:
    """The top bit of each byte that may be the tag of the place: of each that is, at least."""
    other = tags ^ ((_USED | (place & _TAG_MASK)) * _EACH)
    return (other - _EACH) & ~other & _TOPS


@inlined
def _locate(
    words: Words, start: int, blocks: int, width: int, place: np.uint64, low: np.uint64
) -> tuple[int, int]:
    """The entry (its first byte) that holds the key, or -1; and the group where the search ended.

    That group has a free slot when there is no such entry.
    """
    group = home = _group_of(place, blocks)
    rest = place >> np.uint64(_TAG_BITS) << np.uint64(16)
    while True:
        tags = words[_tags_at(start, group, width)]
        match = _matches(tags, place)
        while match != 0:
            slot = signed(trailing_zeros(match) >> np.uint64(3))
            entry = _entry_at(start, group, slot, width)
            if load64(words, entry) & ~_LOW16 == rest and load64(words, entry + 8) == low:
                return entry, group
            match &= match - np.uint64(1)
        if tags & _TOPS != _TOPS:
            return _NONE, group
        group = _next_group(group, home, blocks)


@inlined
def _put(words: Words, start: int, group: int, width: int, place: np.uint64, low: np.uint64) -> int:
    """Take the first free slot of a group for a key; returns the entry."""
    at = _tags_at(start, group, width)
    tags = words[at]
    slot = signed(trailing_zeros(~tags & _TOPS) >> np.uint64(3))
    words[at] = tags | ((_USED | (place & _TAG_MASK)) << np.uint64(8 * slot))
    entry = _entry_at(start, group, slot, width)
    store64(words, entry, place >> np.uint64(_TAG_BITS) << np.uint64(16))
    store64(words, entry + 8, low)
    return entry


@inlined
def _ask_ahead(words: Words, shards: Table, width: int, places: Words, i: int) -> None:
    """Bring the memory of the keys that come soon: first their tags, then their entry."""
    if i + 2 * _AHEAD < len(places):
        place = places[i + 2 * _AHEAD]
        shard = signed(place >> _SHARD_SHIFT)
        group = _group_of(place, shards[BLOCKS, shard])
        prefetch(words, 8 * _tags_at(shards[START, shard], group, width))
    if i + _AHEAD < len(places):
        place = places[i + _AHEAD]
        shard = signed(place >> _SHARD_SHIFT)
        start, blocks = shards[START, shard], shards[BLOCKS, shard]
        group = home = _group_of(place, blocks)
        while True:
            tags = words[_tags_at(start, group, width)]
            either = _matches(tags, place) | (~tags & _TOPS)
            if either != 0:
                break
            group = _next_group(group, home, blocks)
        slot = signed(trailing_zeros(either) >> np.uint64(3))
        entry = _entry_at(start, group, slot, width)
        prefetch(words, entry)
        prefetch(words, entry + 25)


@compiled
def judge_keys(
    words: Words, shards: Table, width: int, places: Words, lows: Words, contents: Words,
    times: Times, eligible: npt.NDArray[np.bool_], cold_contents: Words, cold_since: Times,
    horizon_ms: int, verdicts: npt.NDArray[np.uint8], start: int,
) -> int:  # fmt: skip
    """Judge in order from `start` on; returns the first event whose shard has no room, or n.

    cold_contents, cold_since: of the latest copy of each key on disk; both empty where there is
    none of any. It may be later than the copy in memory: keys are held in any order.
    """
    cold = len(cold_since) > 0
    for i in range(start, len(places)):
        _ask_ahead(words, shards, width, places, i)
        if not eligible[i]:
            verdicts[i] = REJECTED
            continue
        place = places[i]
        shard = signed(place >> _SHARD_SHIFT)
        first, base = shards[START, shard], shards[BASE, shard]
        entry, group = _locate(words, first, shards[BLOCKS, shard], width, place, lows[i])
        live_from = times[i] - horizon_ms
        since = _time_of(words, entry, width) + base if entry != _NONE else live_from - 1
        if since >= live_from and not (cold and cold_since[i] > since):
            same = load64(words, entry + 16) == contents[i]
            verdicts[i] = DUPLICATE if same else CONFLICT
            continue
        if cold and cold_since[i] >= live_from:
            verdicts[i] = DUPLICATE if cold_contents[i] == contents[i] else CONFLICT
            continue
        if entry == _NONE:
            if shards[HELD, shard] >= shards[ROOM, shard]:
                return i
            shards[HELD, shard] += 1
            entry = _put(words, first, group, width, place, lows[i])
        verdicts[i] = ACCEPTED
        store64(words, entry + 16, contents[i])
        _set_time(words, entry, width, times[i] - base)
    return len(places)


@compiled
def hold_keys(
    words: Words, shards: Table, width: int, places: Words, lows: Words, contents: Words,
    times: Times, start: int,
) -> int:  # fmt: skip
    """Hold from `start` on, of copies the latest; returns the first that finds no room, or n."""
    for i in range(start, len(places)):
        _ask_ahead(words, shards, width, places, i)
        place = places[i]
        shard = signed(place >> _SHARD_SHIFT)
        first, base = shards[START, shard], shards[BASE, shard]
        entry, group = _locate(words, first, shards[BLOCKS, shard], width, place, lows[i])
        if entry == _NONE:
            if shards[HELD, shard] >= shards[ROOM, shard]:
                return i
            shards[HELD, shard] += 1
            entry = _put(words, first, group, width, place, lows[i])
        elif _time_of(words, entry, width) + base > times[i]:
            continue
        store64(words, entry + 16, contents[i])
        _set_time(words, entry, width, times[i] - base)
    return len(places)


@compiled
def drop_keys(
    words: Words, shards: Table, width: int, places: Words, lows: Words, times: Times
) -> int:  # fmt: skip
    """Put the keys that are held since exactly these times at time 0; returns how many.

    `rebuild` leaves them out: until then the table must not be asked.
    """
    dropped = 0
    for i in range(len(places)):
        _ask_ahead(words, shards, width, places, i)
        place = places[i]
        shard = signed(place >> _SHARD_SHIFT)
        first = shards[START, shard]
        entry, _ = _locate(words, first, shards[BLOCKS, shard], width, place, lows[i])
        if entry != _NONE and _time_of(words, entry, width) + shards[BASE, shard] == times[i]:
            _set_time(words, entry, width, 0)
            dropped += 1
    return dropped


@compiled
def rebuild(
    words: Words, start: int, width: int, old: Words, old_width: int, shard: int, blocks: int,
    old_base: int, new_base: int, live_from: int,
) -> int:  # fmt: skip
    """Fill the cleared blocks from `start` on with what `old` holds; returns how many keys.

    Keys at time 0 of the old base, and keys since before `live_from`, are left out.
    """
    held = 0
    for old_group in range(len(old) // old_width * 8):
        tags = old[_tags_at(0, old_group, old_width)]
        for slot in range(8):
            tag = (tags >> np.uint64(8 * slot)) & np.uint64(0xFF)
            if tag == 0:
                break
            entry = _entry_at(0, old_group, slot, old_width)
            time = _time_of(old, entry, old_width)
            if time == 0 or time + old_base < live_from:
                continue
            place = _place_of(old, entry, shard, tag)
            group = home = _group_of(place, blocks)
            while words[_tags_at(start, group, width)] & _TOPS == _TOPS:
                group = _next_group(group, home, blocks)
            new = _put(words, start, group, width, place, load64(old, entry + 8))
            store64(words, new + 16, load64(old, entry + 16))
            _set_time(words, new, width, time + old_base - new_base)
            held += 1
    return held


@compiled
def count_live(words: Words, width: int, base: int, live_from: int) -> int:
    """Keys since `live_from` or later."""
    live = 0
    for group in range(len(words) // width * 8):
        tags = words[_tags_at(0, group, width)]
        for slot in range(8):
            if (tags >> np.uint64(8 * slot)) & np.uint64(0xFF) == 0:
                break
            live += _time_of(words, _entry_at(0, group, slot, width), width) + base >= live_from
    return live


@compiled
def read_entries(
    words: Words, width: int, shard: int, base: int, places: Words, lows: Words, contents: Words,
    times: Times,
) -> None:  # fmt: skip
    """All keys of a shard, block by block."""
    found = 0
    for group in range(len(words) // width * 8):
        tags = words[_tags_at(0, group, width)]
        for slot in range(8):
            tag = (tags >> np.uint64(8 * slot)) & np.uint64(0xFF)
            if tag == 0:
                break
            entry = _entry_at(0, group, slot, width)
            places[found] = _place_of(words, entry, shard, tag)
            lows[found] = load64(words, entry + 8)
            contents[found] = load64(words, entry + 16)
            times[found] = _time_of(words, entry, width) + base
            found += 1
