"""Numbers and sets of CPUs as the kernel reads and prints them."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.simulator.formats import (
    format_cpu_list,
    format_cpu_mask,
    parse_cpu_list,
    parse_cpu_mask,
    parse_int,
    parse_unsigned,
    strim,
)
from rdtd.simulator.lastcmd import RefusedError

NR_CPUS = st.integers(1, 200)


@given(NR_CPUS.flatmap(lambda nr: st.tuples(st.just(nr), st.sets(st.integers(0, nr - 1)))))
def test_sets_of_cpus_survive_both_formats(case: tuple[int, set[int]]) -> None:
    nr_cpus, cpus = case
    assert parse_cpu_mask(format_cpu_mask(cpus, nr_cpus) + "\n", nr_cpus) == cpus
    assert parse_cpu_list(format_cpu_list(cpus) + "\n", nr_cpus) == cpus


@pytest.mark.parametrize(
    ("cpus", "nr_cpus", "mask", "listing"),
    [
        (set(), 4, "0", ""),
        ({0, 1, 2, 3}, 4, "f", "0-3"),
        ({0, 2, 3, 7}, 8, "8d", "0,2-3,7"),
        ({0}, 20, "00001", "0"),
        ({0, 33}, 40, "02,00000001", "0,33"),
        ({63}, 64, "80000000,00000000", "63"),
    ],
)
def test_printed_forms(cpus: set[int], nr_cpus: int, mask: str, listing: str) -> None:
    assert format_cpu_mask(cpus, nr_cpus) == mask
    assert format_cpu_list(cpus) == listing


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("all", set(range(16))),
        ("N", {15}),
        ("14-N", {14, 15}),
        ("0-7:1/4", {0, 4}),
        ("all:2/8", {0, 1, 8, 9}),
        (" 1, 3\n", {1, 3}),
        ("", set()),
        ("1\n3", {1, 3}),
    ],
)
def test_cpu_lists(text: str, cpus: set[int]) -> None:
    assert parse_cpu_list(text, 16) == cpus


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("16", errno.ERANGE),
        ("0-16", errno.ERANGE),
        ("3-1", errno.EINVAL),
        ("x", errno.EINVAL),
        ("1-", errno.EINVAL),
        ("n", errno.EINVAL),
        ("1:1/2", errno.EINVAL),
        ("0-7:3/2", errno.EINVAL),
        ("0-7:0/0", errno.EINVAL),
        ("99999999999", errno.EOVERFLOW),
    ],
)
def test_bad_cpu_lists(text: str, code: int) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_cpu_list(text, 16)
    assert caught.value.errno == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("g", errno.EINVAL),
        ("0x1", errno.EINVAL),
        ("10000", errno.EOVERFLOW),
        ("1,00000000", errno.EOVERFLOW),
        ("000000001", errno.EOVERFLOW),
        ("g00000001", errno.EINVAL),
    ],
)
def test_bad_cpu_masks(text: str, code: int) -> None:
    with pytest.raises(RefusedError) as caught:
        parse_cpu_mask(text, 16)
    assert caught.value.errno == code


@pytest.mark.parametrize(
    ("text", "base", "value"),
    [
        ("ff", 16, 255),
        ("0xFf", 16, 255),
        ("+5", 10, 5),
        ("007\n", 10, 7),
        ("0x10", 0, 16),
        ("010", 0, 8),
        ("0", 0, 0),
    ],
)
def test_unsigned_numbers(text: str, base: int, value: int) -> None:
    assert parse_unsigned(text, base) == value


@pytest.mark.parametrize(
    "text", ["", "-1", " 1", "1 ", "0x", "1\n\n", "++1", "1_0", "18446744073709551616", "٣"]
)
def test_no_unsigned_numbers(text: str) -> None:
    with pytest.raises(ValueError, match=r"no number|too large"):
        parse_unsigned(text, 10 if text.isdigit() else 16)


def test_signed_numbers() -> None:
    assert parse_int("-1") == -1
    assert parse_int("2147483647") == 2147483647
    for text in ("2147483648", "-+1", "--1", "x"):
        with pytest.raises(ValueError, match="no"):
            parse_int(text)


def test_strim_takes_the_kernels_spaces() -> None:
    assert strim(" \t\v1\n") == "1"
