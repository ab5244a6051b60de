"""Amounts: how they are written, and how they are rounded up in exact integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.errors import InvalidRequest
from rdtd.core.model import Cache
from rdtd.core.sizes import MAXIMUM, Amount, Unit, parse_amount
from rdtd.core.texts import format_bytes
from tests.core.invariants import ways_of_amount

MIB = 1 << 20


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10485760", Amount(10 * MIB)),
        ("10mb", Amount(10 * MIB)),
        ("10MiB", Amount(10 * MIB)),
        ("10m", Amount(10 * MIB)),
        ("10 MB", Amount(10 * MIB)),
        ("512kib", Amount(512 << 10)),
        ("1g", Amount(1 << 30)),
        ("4096b", Amount(4096)),
        ("4096ib", Amount(4096)),
        ("4ways", Amount(4, Unit.WAYS)),
        ("1way", Amount(1, Unit.WAYS)),
        ("25%", Amount(25, Unit.PERCENT)),
        (" 25 % ", Amount(25, Unit.PERCENT)),
        (str(MAXIMUM), Amount(MAXIMUM)),
    ],
)
def test_written(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "mb",
            "-1",
            "+1",
            "1.5mb",
            "1e3",
            "0x10",
            "10xb",
            "10mbb",
            "10bi",
            "1 0",
            "10mb 5",
            "٣mb",
            "\uff110",
        ),
        *(
            "0",
            "0ways",
            "0%",
            "101%",
            str(MAXIMUM + 1),
            "9007199254740992kb",
            "99999999999999999999",
            "9" * 10**6,
        ),
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_amount(text)
    assert len(str(refused.value)) < 300


def test_refusal_quotes_the_unit() -> None:
    with pytest.raises(InvalidRequest, match="size '10xb': unknown unit 'xb'"):
        parse_amount("10xb")


@pytest.mark.parametrize(
    ("amount", "ways"),
    [
        (Amount(1), 1),
        (Amount(MIB), 1),
        (Amount(MIB + 1), 2),
        (Amount(20 * MIB), 20),
        (Amount(20 * MIB + 1), 21),
        (Amount(5, Unit.PERCENT), 1),
        (Amount(6, Unit.PERCENT), 2),
        (Amount(100, Unit.PERCENT), 20),
        (Amount(3, Unit.WAYS), 3),
    ],
)
def test_rounded_up(amount: Amount, ways: int) -> None:
    assert amount.ways(20 * MIB, 20, 1) == ways


def test_at_least_what_the_kernel_takes() -> None:
    assert Amount(1).ways(20 * MIB, 20, 2) == 2
    assert Amount(1).ways(20 * MIB, 20, 0) == 1


def test_bytes_of_ways_that_do_not_divide() -> None:
    """Five of eleven ways of 1 MiB; the kernel's `size` would show 476625 bytes: 95325 a way."""
    cache = Cache(3, 0, MIB, 11)
    assert cache.bytes_of(5) == 476625
    assert cache.bytes_of(6) == 571950
    assert cache.bytes_of(11) == MIB
    assert [Amount(cache.bytes_of(ways)).ways(MIB, 11, 1) for ways in range(1, 12)] == list(range(1, 12))


@given(
    st.one_of(
        st.builds(Amount, st.integers(1, MAXIMUM)),
        st.builds(Amount, st.integers(1, 100), st.just(Unit.PERCENT)),
        st.builds(Amount, st.integers(1, MAXIMUM), st.just(Unit.WAYS)),
    ),
    st.integers(1, 1 << 40),
    st.integers(1, 64),
    st.integers(0, 4),
)
def test_rounding_is_exact(amount: Amount, size: int, ways: int, minimum: int) -> None:
    """Also where floating point would be off by one."""
    assert amount.ways(size, ways, minimum) == ways_of_amount(amount, Cache(3, 0, size, ways, minimum))


@given(st.integers(1, 64), st.integers(1, 1 << 20), st.data())
def test_bytes_granted_ask_for_the_same_ways(ways: int, way_size: int, data: st.DataObject) -> None:
    cache = Cache(3, 0, ways * way_size + data.draw(st.integers(0, ways - 1)), ways)
    count = data.draw(st.integers(1, ways))
    assert Amount(cache.bytes_of(count)).ways(cache.size, ways, 1) == count


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (560 << 10, "560 KiB"),
        (12 * MIB, "12 MiB"),
        (100 * MIB, "100 MiB"),
        (int(1.375 * MIB), "1.38 MiB"),
        (3 << 30, "3 GiB"),
    ],
)
def test_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text
