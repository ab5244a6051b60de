"""Names of reservations, and lists of CPUs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.cpus import MAXIMUM, format_cpus, parse_cpus
from rdtd.core.errors import InvalidRequest
from rdtd.core.model import check_name


@pytest.mark.parametrize("name", ["a", "0", "VM-A.vcpu-2", "user@host:1+2", "_x", "a" * 200])
def test_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".a",
        "-a",
        "a/b",
        "../x",
        "a b",
        "a\n",
        "\n",
        "a\0",
        "é",
        "a\udcff",
        "a" * 201,
        "٣",
        "*",
    ],
)
def test_no_name(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_name(name)
    assert "1 to 200 of the characters" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", set()),
        ("\n", set()),
        ("3", {3}),
        ("3,5-7", {3, 5, 6, 7}),
        ("0-1,8,10-11\n", {0, 1, 8, 10, 11}),
        (" 7 , 2-2 ", {2, 7}),
        ("1,1,1-2", {1, 2}),
        (str(MAXIMUM - 1), {MAXIMUM - 1}),
    ],
)
def test_cpu_list(text: str, cpus: set[int]) -> None:
    assert parse_cpus(text) == cpus


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (",", "there is an empty part"),
        ("1,,2", "there is an empty part"),
        ("a", "'a' is not a CPU or a range"),
        ("1,2-x", "'2-x' is not a CPU or a range"),
        ("-3", "'-3' is not"),
        ("3-", "'3-' is not"),
        ("1-2-3", "'1-2-3' is not"),
        ("7-5", "'7-5' runs backwards"),
        ("0x3", "'0x3' is not"),
        ("٣", "is not"),
        ("65536", "'65536' is not"),
        ("0-65535,1", "it names over 65536 CPUs"),
        ("0-65535," * 10**5, "it names over 65536 CPUs"),
        ("9" * 10**6, "is not a CPU"),
    ],
)
def test_no_cpu_list(text: str, part: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_cpus(text)
    assert part in str(refused.value)
    assert len(str(refused.value)) < 300


@given(st.frozensets(st.integers(0, MAXIMUM - 1) | st.integers(0, 40)))
def test_cpus_round_trip(cpus: frozenset[int]) -> None:
    assert parse_cpus(format_cpus(cpus)) == cpus


def test_shortest_list() -> None:
    assert format_cpus({3, 5, 6, 7}) == "3,5-7"
    assert format_cpus([2, 1, 0]) == "0-2"
    assert format_cpus([]) == ""


@given(st.text())
def test_any_text_is_a_list_or_refused(text: str) -> None:
    try:
        cpus = parse_cpus(text)
    except InvalidRequest:
        return
    assert parse_cpus(format_cpus(cpus)) == cpus
