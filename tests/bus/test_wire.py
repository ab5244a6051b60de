"""Bodies and headers in bytes."""

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.bus import message as messages
from rdtd.bus.library import SignatureTree
from rdtd.bus.message import Kind, parse
from rdtd.bus.wire import Encoded, TooManyValues, WireError, decode, encode, join, plain, signature_tree
from tests.bus.fake_bus import MEMBER, PATH, SENDER, SIGNATURE, field, message

rows = st.lists(
    st.tuples(
        st.integers(0, 2**32 - 1),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        st.booleans(),
        st.dictionaries(st.sampled_from(["a", "bb"]), st.integers(-(2**63), 2**63 - 1)),
    )
)


def read(body: Encoded) -> Any:
    """The values of a little-endian body, without variants."""
    return plain(decode(body.signature, bytes([ord("l"), *bytes(7)]) + body.data, 8))


@given(rows)
def test_values_come_back(values: list[tuple[int, str, bool, dict[str, int]]]) -> None:
    written = [
        [number, text, yes, {key: ("x", each) for key, each in more.items()}]
        for number, text, yes, more in values
    ]
    assert read(encode("a(usba{sv})", [written])) == [[list(row) for row in values]]


@given(rows)
def test_arrays_can_be_joined(values: list[tuple[int, str, bool, dict[str, int]]]) -> None:
    written = [
        [number, text, yes, {key: ("x", each) for key, each in more.items()}]
        for number, text, yes, more in values
    ]
    signature = "a(usba{sv})"
    pieces = [encode(signature, [[row]]) for row in written]
    assert join([encode(signature, [[]]), *pieces]) == encode(signature, [written])


@given(st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126))))
def test_joined_elements_of_any_length_are_aligned(texts: list[str]) -> None:
    for signature in ("a(s)", "a{ss}"):
        pieces = [encode(signature, [{text: text} if "{" in signature else [[text]]]) for text in texts]
        joined = join([encode(signature, [{} if "{" in signature else []]), *pieces])
        assert read(joined) == [
            {text: text for text in texts} if "{" in signature else [[text] for text in texts]
        ]


def test_only_arrays_of_structs_and_entries_can_be_joined() -> None:
    with pytest.raises(ValueError, match="join"):
        join([encode("as", [["a"]])])
    with pytest.raises(ValueError, match="join"):
        join([])


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("s", ["a\0b"]),
        ("s", [1]),
        ("s", ["\ud800"]),
        ("o", ["no/path"]),
        ("o", ["/a\n"]),
        ("b", [1]),
        ("u", [-1]),
        ("u", [2**32]),
        ("t", ["1"]),
        ("(us)", [[1]]),
        ("(us)", [[1, "a", 2]]),
        ("us", [1]),
        ("v", [3]),
        ("v", [("uu", 3)]),
        ("a{sv}", [{"a": 1}]),
        ("as", [None]),
        ("z", [1]),
    ],
)
def test_what_does_not_fit_is_not_written(signature: str, values: list[Any]) -> None:
    with pytest.raises(WireError):
        encode(signature, values)


def test_a_body_with_too_many_values_is_not_read_to_its_end() -> None:
    body = encode("au", [list(range(1000))])
    frame = bytes([ord("l"), *bytes(7)]) + body.data
    with pytest.raises(TooManyValues):
        decode("au", frame, 8, 1000)
    assert decode("au", frame, 8, 1001) == [list(range(1000))]


@given(st.text("ybnqiuxtdsogavh({)}", max_size=20), st.binary(max_size=200))
def test_random_bodies_are_values_or_an_error(signature: str, data: bytes) -> None:
    with suppress(WireError):
        decode(signature, b"B" + bytes(7) + data, 8)


def test_values_nested_too_deep_are_an_error() -> None:
    nested = b"\1v\0" * 5000
    with pytest.raises(WireError):
        decode("v", bytes([ord("l"), *bytes(7)]) + nested, 8)
    with pytest.raises(WireError):
        parse(message(1, [field(PATH, "/a"), field(MEMBER, "Do"), b"\x4d" + nested]))


def test_signatures_made_up_by_peers_are_forgotten() -> None:
    for number in range(3000):
        signature_tree(f"({number:b})".replace("1", "u").replace("0", "s"))
    assert len(SignatureTree._cache) <= 1024
    assert signature_tree("(us)").types[0].signature == "(us)"


def test_a_call_is_written_as_it_is_read() -> None:
    flags = messages.ALLOW_INTERACTIVE_AUTHORIZATION
    written = messages.call(7, "org.a", "/a/b", "org.a.B", "Do", encode("su", ["x", 3]), flags)
    read = parse(written)
    assert read is not None
    assert (read.kind, read.serial, read.flags, read.destination) == (Kind.CALL, 7, flags, "org.a")
    assert (read.path, read.interface, read.member, read.signature) == ("/a/b", "org.a.B", "Do", "su")
    assert read.body() == ["x", 3]
    assert read.reply_expected


@pytest.mark.parametrize("text", ["", "x", "xx", "é" * 30])
def test_replies_are_written_as_they_are_read(text: str) -> None:
    to = parse(messages.call(7, "org.a", "/", "org.a.B", "Do"))
    assert to is not None
    reply = parse(messages.answer(9, to._replace(sender=":1.7"), encode("s", [text])))
    error = parse(messages.error(9, to._replace(sender=":1.70"), "org.a.Error", encode("s", [text])))
    assert reply is not None
    assert error is not None
    assert (reply.kind, reply.reply_serial, reply.destination, reply.body()) == (
        Kind.RETURN,
        7,
        ":1.7",
        [text],
    )
    assert (error.kind, error.reply_serial, error.destination, error.body()) == (
        Kind.ERROR,
        7,
        ":1.70",
        [text],
    )
    assert error.error_name == "org.a.Error"
    assert not error.reply_expected


def test_big_endian_messages_are_read() -> None:
    def text(code: int, type_: str, value: str) -> bytes:
        raw = value.encode()
        entry = bytes([code, 1]) + type_.encode() + b"\0" + struct.pack(">I", len(raw)) + raw + b"\0"
        return entry + bytes(-len(entry) % 8)

    fields = text(PATH, "o", "/a") + text(MEMBER, "s", "Do") + bytes([SIGNATURE, 1]) + b"g\0\2ut\0"
    head = struct.pack(">BBBBIII", ord("B"), 1, 0, 1, 16, 258, len(fields))
    read = parse(head + fields + bytes(-len(fields) % 8) + struct.pack(">IxxxxQ", 3, 2**40))
    assert read is not None
    assert (read.serial, read.path, read.member, read.body()) == (258, "/a", "Do", [3, 2**40])


def test_unknown_header_fields_are_skipped() -> None:
    unknown = [
        field(200, "anything", "s"),
        field(10, 5, "u"),
        b"\x4d\5a{sv}\0" + struct.pack("<I", 0) + bytes(4),
    ]
    read = parse(message(1, [field(PATH, "/a"), *unknown, field(MEMBER, "Do"), field(SENDER, ":1.7")]))
    assert read is not None
    assert (read.member, read.sender) == ("Do", ":1.7")


def test_an_undefined_message_type_is_ignored() -> None:
    assert parse(message(5, [])) is None


@pytest.mark.parametrize(
    "raw",
    [
        message(0, [field(PATH, "/a"), field(MEMBER, "Do")]),
        message(1, [field(PATH, "/a")]),
        message(1, [field(PATH, "/a"), field(MEMBER, "Do")], serial=0),
        message(1, [field(PATH, "/a", "s"), field(MEMBER, "Do")]),
        message(1, [field(PATH, "/a"), field(MEMBER, 5, "u")]),
        message(1, [field(PATH, "/a"), field(MEMBER, "Do"), field(0, "x", "s")]),
        message(1, [field(PATH, "/a"), b"\3\1s\0\xff\xff\0\0Do\0"]),
        message(1, [field(PATH, "/a"), b"\3\1s\0\2\0\0\0\xff\xfe\0"]),
        message(2, [field(SENDER, ":1.7")]),
        message(4, [field(PATH, "/a"), field(MEMBER, "Do")]),
        message(1, [field(PATH, "/a"), field(MEMBER, "Do"), b"\x4d\1z\0"]),
    ],
    ids=[
        "type 0", "no member", "serial 0", "path as string", "member as number", "field 0", "too long",
        "no UTF-8", "no reply serial", "no interface", "unknown field of unknown type",
    ],
)  # fmt: skip
def test_a_malformed_header_is_an_error(raw: bytes) -> None:
    with pytest.raises(WireError):
        parse(raw)
