"""The picture: golden examples, and what holds for any host."""

import re

from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.masks import full
from rdtd.rdtctl.picture import Codes, draw
from rdtd.rdtctl.values import Cache, Picture, Reservation
from tests.rdtctl.examples import cache, granted, reservation

_SGR = re.compile("\033\\[[0-9;]*m")


def drawn(
    caches: list[Cache], reservations: list[Reservation], *, color: bool = False, legend: bool = True
) -> str:
    codes = Codes().assign(one.name for one in reservations)
    return "\n".join(draw(Picture(tuple(caches), tuple(reservations)), codes, color=color, legend=legend))


def test_two_sockets_with_two_guests() -> None:
    caches = [
        cache(0, free=0x3F0, reserved=0x00F, shared=0x7F0, shareable=0x600),
        cache(1, free=0x3FF, shared=0x7FF, shareable=0x600),
    ]
    guests = [
        reservation("VM-A.vcpu-2", granted(0, 0x003)),
        reservation("VM-B.vcpu-2", granted(0, 0x00C)),
    ]
    assert (
        drawn(caches, guests)
        == """\
L3: 2 caches of 11 ways of 1 MiB
way     10         5         0
cache 0  # . . . . . . b b a a
cache 1  # . . . . . . . . . .
devices  ^ ^

a   VM-A.vcpu-2  2 MiB on L3 0
b   VM-B.vcpu-2  2 MiB on L3 0
.   free; the default group uses it until it is reserved
#   the default group keeps it
^   devices write to these ways too (shareable_bits)"""
    )


def test_colours_are_those_of_the_letters() -> None:
    picture = drawn([cache(0, 2, free=0b10, reserved=0b01, shared=0b10)], [reservation("a", granted(0, 1))],
                    color=True)  # fmt: skip
    assert picture.splitlines()[2:] == [
        "cache 0  \033[2m. \033[0m\033[30;42ma \033[0m",
        "",
        "\033[30;42ma \033[0m  a  1 MiB on L3 0",
        "\033[2m. \033[0m  free; the default group uses it until it is reserved",
    ]


def test_code_and_data_and_levels() -> None:
    caches = [
        cache(0, 8, free=0xC0, reserved=0x0F, shared=0xF0),
        cache(0, 4, level=2, free=0b1110, shared=0b1111),
        cache(1, 4, level=2, free=0b1110, shared=0b1111),
    ]
    both = reservation("vm", granted(0, 0x03, "code"), granted(0, 0x0C, "data"))
    assert (
        drawn(caches, [both])
        == """\
L3: 1 cache of 8 ways of 1 MiB
way      7   5         0
cache 0  . . # # a a a a

L2: 2 caches of 4 ways of 1 MiB
way      3     0
cache 0  . . . #
cache 1  . . . #

a   vm  2 MiB for code on L3 0; 2 MiB for data on L3 0
.   free; the default group uses it until it is reserved
#   the default group keeps it"""
    )


def test_other_groups() -> None:
    """Ways of other groups, with and without the default group; free ways nobody uses; a conflict."""
    caches = [cache(0, 8, free=0b1100_0000, reserved=0b11, shared=0b0100_1000, foreign=0b0001_1010)]
    assert (
        drawn(caches, [reservation("vm", granted(0, 0b11))])
        == """\
L3: 1 cache of 8 ways of 1 MiB
way      7   5         0
cache 0  _ . - F M - a!a

a   vm  2 MiB on L3 0
.   free; the default group uses it until it is reserved
_   free; no group uses it
F   in a group that rdtd did not make
M   in a group that rdtd did not make, and the default group uses it too
-   in no group, and not to be reserved
!   reserved, but another group has it too"""
    )


def test_a_way_of_two_reservations_is_a_conflict() -> None:
    two = [reservation("x", granted(0, 0b11)), reservation("y", granted(0, 0b10))]
    assert "cache 0  # a!a\n" in drawn([cache(0, 3, reserved=0b011, shared=0b100)], two)


def test_a_large_host_fits_80_columns() -> None:
    caches = [cache(i, 32, free=full(31), shared=full(32), shareable=0xC000_0000) for i in range(32)]
    lines = drawn(caches, [reservation("everywhere", *(granted(i, 1) for i in range(32)))]).splitlines()
    assert lines[1] == "way      31          25        20        15        10         5         0"
    assert max(map(len, lines)) <= 80
    assert len(lines) < 43
    assert "a   everywhere  1 MiB on each of L3 0-31" in lines


def test_no_cache() -> None:
    assert drawn([], []) == "no cache can be allocated here"


def test_without_legend() -> None:
    assert drawn([cache(0, 2, shared=0b11)], [], legend=False).splitlines() == [
        "L3: 1 cache of 2 ways of 1 MiB",
        "way      1 0",
        "cache 0  # #",
    ]


def test_codes_stay_and_are_used_again() -> None:
    codes = Codes()
    assert codes.assign(["x", "y", "z"]) == {"x": "a", "y": "b", "z": "c"}
    assert codes.assign(["w", "z"]) == {"w": "a", "z": "c"}


def test_codes_of_many_reservations() -> None:
    names = [f"vm-{number}" for number in range(700)]
    codes = Codes().assign(names)
    assert codes["vm-25"] == "z"
    assert codes["vm-26"] == "Aa"
    unique = [code for code in codes.values() if code != "?"]
    assert len(set(unique)) == len(unique) > 600
    assert not {code for code in unique if code[0] in "FM"}
    assert codes["vm-699"] == "?"
    assert all(Codes.style(code) for code in codes.values())


@given(
    ways=st.integers(1, 32),
    masks=st.tuples(*[st.integers(0, full(32))] * 5),
    held=st.lists(st.integers(1, full(32)), max_size=40),
)
def test_every_cell_has_its_meaning_in_the_legend(ways: int, masks: tuple[int, ...], held: list[int]) -> None:
    """Whatever the daemon says: one cell per way, colours change no letter, no letter is unexplained."""
    free, reserved, shared, foreign, shareable = (mask & full(ways) for mask in masks)
    one = cache(7, ways, free=free, reserved=reserved, shared=shared, foreign=foreign, shareable=shareable)
    holders = [reservation(f"r{index:02}", granted(7, mask)) for index, mask in enumerate(held)]
    plain = drawn([one], holders)
    assert _SGR.sub("", drawn([one], holders, color=True)).split() == plain.split()
    row = plain.splitlines()[2]
    assert row.startswith("cache 7  ")
    cells = [row[9:][place : place + 2].ljust(2) for place in range(0, 2 * ways, 2)]
    assert len(row) <= 9 + 2 * ways
    legend = {line[:2].strip() for line in plain.split("\n\n")[1].splitlines()} if "\n\n" in plain else set()
    for cell in cells:
        explained = "!" if cell.endswith("!") else cell.strip()
        assert explained in legend
