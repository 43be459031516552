from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tollbook.events import EVENT_BYTES_MAX
from tollbook.spool.frames import find, frame_of, is_torn, scan

WIRES = st.lists(
    st.binary(max_size=40).map(lambda data: b'{"specversion":"1.0"' + data.hex().encode()),
    min_size=1,
    max_size=6,
)


@given(WIRES)
def test_what_is_framed_reads_back(wires: list[bytes]) -> None:
    data = b"".join(map(frame_of, wires))
    assert scan(data, 100, 10**6)[:2] == (wires, len(data))
    assert scan(data, 1, 1)[:2] == (wires[:1], len(frame_of(wires[0])))
    assert scan(data + b"\0" * 30, 100, 10**6)[:2] == (wires, len(data))


@given(WIRES, st.data())
def test_a_cut_anywhere_leaves_the_whole_frames_before_it(
    wires: list[bytes], data: st.DataObject
) -> None:
    frames = list(map(frame_of, wires))
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = scan(whole[:cut], 100, 10**6)
    assert found.wires == wires[: len(found.wires)]
    assert found.end <= cut < found.end + len(frames[len(found.wires)])
    rest = whole[found.end : cut]
    assert is_torn(rest)
    assert find(rest, 1) is None


@given(WIRES, st.data())
def test_a_changed_byte_is_found_and_the_frames_after_it_too(
    wires: list[bytes], data: st.DataObject
) -> None:
    frames = list(map(frame_of, wires))
    broken = data.draw(st.integers(0, len(frames) - 1))
    spoiled = bytearray(frames[broken])
    spoiled[data.draw(st.integers(0, len(spoiled) - 1))] ^= data.draw(st.integers(1, 255))
    after = b"".join(frames[broken + 1 :])
    whole = b"".join(frames[:broken]) + bytes(spoiled) + after
    found = scan(whole, 100, 10**6)
    assert found.wires == wires[:broken]
    place = find(whole, found.end + 1)
    assert place == (len(whole) - len(after) if after else None)


def test_a_length_beyond_the_limit_is_no_torn_frame() -> None:
    assert is_torn(frame_of(b"x" * EVENT_BYTES_MAX)[:-1])
    assert not is_torn(frame_of(b"x" * (EVENT_BYTES_MAX + 1))[:-1])
    assert not is_torn(b"\0" * 8)
