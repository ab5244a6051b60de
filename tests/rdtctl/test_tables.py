"""What free, list and show print, from values."""

import time

import pytest

from rdtd.rdtctl import documents
from rdtd.rdtctl.free import lines
from rdtd.rdtctl.labels import cache_list, in_words
from rdtd.rdtctl.reservations import granted_lines, list_lines, show_lines
from rdtd.rdtctl.table import wants_color
from rdtd.rdtctl.values import Cache, Reservation
from tests.rdtctl.examples import MIB, cache, granted, reservation


def test_free() -> None:
    caches = [
        cache(0, free=0x3D0, largest=4, reserved=0x02F, shared=0x7D0),
        cache(1, free=0x3FF, shared=0x7FF),
        cache(2, free=0x3FF, shared=0x7FF),
        cache(10, free=0, shared=0x7FF),
    ]
    assert (
        "\n".join(lines(caches, exact=False))
        == """\
CACHE    SIZE  WAYS    FREE  FREE WAYS  LARGEST PIECE
L3 0   11 MiB    11   5 MiB          5          4 MiB
L3 1   11 MiB    11  10 MiB         10         10 MiB
L3 2   11 MiB    11  10 MiB         10         10 MiB
L3 10  11 MiB    11     0 B          0            0 B

L3 0: 5 MiB of 11 MiB free, 4 MiB of it in one piece
each of L3 1-2: 10 MiB of 11 MiB free, in one piece
L3 10: nothing of 11 MiB is free"""
    )


def test_free_in_bytes_and_without_legend() -> None:
    assert lines([cache(0, free=0x3FF, shared=0x7FF)], exact=True, legend=False) == [
        "L3 0  11534336  11  10485760  10  10485760"
    ]
    assert lines([], exact=True, legend=False) == []
    assert lines([], exact=True) == ["no cache can be allocated here"]


def test_list() -> None:
    reservations = [
        reservation("VM-A.vcpu-2", granted(0, 0x00F), granted(1, 0x003)),
        reservation("x", granted(0, 0x10, level=2)),
    ]
    assert (
        "\n".join(list_lines(reservations))
        == """\
NAME          SIZE  CACHES  STATE   LIFETIME    OWNER  CPUS
VM-A.vcpu-2  6 MiB  L3 0-1  active  persistent  root   -
x            1 MiB  L2 0    active  persistent  root   -"""
    )


def test_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert (
        "\n".join(show_lines(reservation("vm", granted(0, 0x0F))))
        == """\
Name:      vm
State:     active
Lifetime:  persistent
Owner:     root (0)
Created:   2023-11-14 22:13:20 +0000
CPUs:      -
Asked for: type=both,size=4194304,level=3,cache-id=0
Object:    /org/rdtd1/reservation/vm"""
    )
    assert granted_lines([granted(0, 0x0F, "code"), granted(0, 0x70, "data")]) == [
        "CACHE  TYPE   SIZE    BYTES  WAYS  MASK",
        "L3 0   code  4 MiB  4194304     4  0xf",
        "L3 0   data  3 MiB  3145728     3  0x70",
    ]


def test_caches_in_words() -> None:
    assert cache_list([(2, 1), (3, 8), (3, 0), (3, 1), (3, 2)]) == "L3 0-2,8, L2 1"
    assert in_words([granted(0, 0x3), granted(1, 0x3), granted(2, 0x7)]) == (
        "2 MiB on each of L3 0-1; 3 MiB on L3 2"
    )
    assert in_words([]) == ""


def test_values_from_the_wire() -> None:
    """A row of ListFree and the properties of the object say the same."""
    more = {"reserved-mask": 0x0F, "foreign-mask": 0, "shared-mask": 0x7F0, "shareable-mask": 0x600, "new": 1}
    size = 14417920  # 11 ways of 1.25 MiB
    row = Cache.from_row((3, 1, size, size // 11, 6 * size // 11, 6 * size // 11, 0x3F0, more))
    properties = {
        "Level": 3,
        "CacheId": 1,
        "Size": size,
        "WaySize": size // 11,
        "Ways": 11,
        "FreeMask": 0x3F0,
        "ReservedMask": 0x0F,
        "SharedMask": 0x7F0,
        "ForeignMask": 0,
        "ShareableMask": 0x600,
        "Largest": 6 * size // 11,
        "Another": 1,
    }
    assert row == Cache.from_properties(properties)
    assert row.ways == 11


@pytest.mark.parametrize("size", [16 * MIB, 14417920, 512 << 10, 105 * MIB // 4 + 1])
def test_the_number_of_ways_follows_from_a_row(size: int) -> None:
    for ways in range(1, 65):
        assert Cache.from_row((3, 0, size, size // ways, 0, 0, 0, {})).ways == ways


def test_the_document_of_a_reservation() -> None:
    one = reservation("vm", granted(0, 0x0F))
    assert documents.reservation(one) == {
        "name": "vm",
        "path": "/org/rdtd1/reservation/vm",
        "granted": [
            {"type": "both", "level": 3, "cache_id": 0, "mask": 15, "size": 4 * MIB, "ways": 4},
        ],
        "regions": [{"type": "both", "level": 3, "cache_id": 0, "size": 4 * MIB}],
        "owner": 0,
        "lifetime": "persistent",
        "created_usec": 1_700_000_000_000_000,
        "state": "active",
        "state_reason": "",
        "cpus": "",
    }


@pytest.mark.parametrize(
    ("region", "text"),
    [
        ({"type": "code", "level": 2, "ways": 4}, "type=code,size=4ways,level=2"),
        ({"percent": 25, "cache-id": "any"}, "type=both,size=25%,cache-id=any"),
    ],
)
def test_what_was_asked_for(region: dict[str, object], text: str) -> None:
    one = Reservation("vm", "/", (), (region,), 4_000_000_000, "client", 0, "active", "3,5-7")
    shown = show_lines(one)
    assert f"Asked for: {text}" in shown
    assert "Owner:     4000000000 (4000000000)" in shown
    assert "CPUs:      3,5-7" in shown


@pytest.mark.parametrize(
    ("choice", "no_color", "wanted"),
    [("always", "1", True), ("never", "", False), ("auto", "", False), ("auto", "1", False)],
)
def test_colours_when_stdout_is_no_terminal(
    choice: str, no_color: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    assert wants_color(choice) is wanted


@pytest.mark.parametrize(("no_color", "term", "wanted"), [
    ("", "xterm", True), ("1", "xterm", False), ("", "dumb", False),
])  # fmt: skip
def test_colours_on_a_terminal(
    no_color: str, term: str, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("rdtd.rdtctl.table.on_terminal", lambda: True)
    assert wants_color("auto") is wanted
