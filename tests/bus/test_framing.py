"""Cutting a stream into messages, whatever the stream holds."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.bus.framing import MAX_HEADER, Framer, FramingError
from rdtd.bus.message import parse
from rdtd.bus.wire import WireError
from tests.bus.fake_bus import PING, SENDER, field, message


def feed(framer: Framer, data: bytes, cuts: list[int]) -> list[bytes]:
    """The messages that come out when the bytes are fed in pieces."""
    found = []
    positions = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(positions):
        framer.feed(data[start:end])
        while (frame := framer.next()) is not None:
            found.append(frame.data)
    return found


@given(st.lists(st.binary(max_size=100), max_size=5), st.lists(st.integers(0, 2000), max_size=10))
def test_messages_come_out_as_they_went_in_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    frames = [message(1, [field(SENDER, "x" * (index * 3))], body) for index, body in enumerate(bodies)]
    assert feed(Framer(1000), b"".join(frames), cuts) == frames


@given(st.lists(st.integers(0, 200), min_size=1, max_size=6), st.lists(st.integers(0, 2000), max_size=10))
def test_a_body_over_the_limit_is_left_out(sizes: list[int], cuts: list[int]) -> None:
    frames = [message(1, [], bytes(size)) for size in sizes]
    expected = [frame if size <= 100 else frame[:16] for frame, size in zip(frames, sizes, strict=True)]
    assert feed(Framer(100), b"".join(frames), cuts) == expected


def test_a_header_over_the_limit_is_skipped_with_its_body() -> None:
    framer = Framer(1000)
    huge = message(1, [field(SENDER, "x" * MAX_HEADER)], b"body")
    assert feed(framer, huge + PING, [1000, 70000]) == [PING]
    assert framer.skipped == 1


def test_a_skipped_message_takes_no_memory() -> None:
    framer = Framer(1000)
    framer.feed(message(1, [], bytes(64 << 20))[:100])
    assert framer.next() is not None
    for _ in range(100):
        framer.feed(bytes(64 << 10))
        assert len(framer._buffer) <= 64 << 10


@pytest.mark.parametrize(
    "start",
    [b"x" + PING[1:16], PING[:3] + b"\2" + PING[4:16], PING[:4] + struct.pack("<I", 130 << 20) + PING[8:16]],
    ids=["byte order", "protocol version", "length"],
)
def test_nonsense_is_an_error(start: bytes) -> None:
    framer = Framer(1000)
    framer.feed(start)
    with pytest.raises(FramingError):
        framer.next()


@given(st.binary(max_size=300))
def test_random_bytes_are_messages_or_errors(data: bytes) -> None:
    framer = Framer(1000)
    framer.feed(data)
    try:
        while (frame := framer.next()) is not None:
            parse(frame.data)
    except (FramingError, WireError):
        pass


@given(st.integers(0, len(PING) - 1), st.integers(0, 255), st.binary(max_size=20))
def test_a_damaged_message_is_a_message_or_an_error(position: int, byte: int, tail: bytes) -> None:
    damaged = PING[:position] + bytes([byte]) + PING[position + 1 :] + tail
    framer = Framer(1000)
    framer.feed(damaged)
    try:
        while (frame := framer.next()) is not None:
            parsed = parse(frame.data)
            if parsed is not None and not frame.too_large:
                parsed.body()
    except (FramingError, WireError):
        pass
