"""Exclusive groups, pseudo-locking and bit_usage."""

from __future__ import annotations

import errno
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Mode
from tests.simulator.support import Bench


def exclusive_pair() -> Bench:
    """The default group on the ways 0xf0, an exclusive group `a` on 0xf."""
    bench = Bench(shareable_bits=0x600)
    bench.echo("L3:0=f0;1=f0", "schemata")
    bench.mkdir("a")
    bench.echo("L3:0=f;1=f", "a/schemata")
    bench.echo("exclusive", "a/mode")
    return bench


def test_bit_usage_has_a_letter_for_each_way() -> None:
    bench = exclusive_pair()
    assert bench.cat("a/mode") == "exclusive\n"
    assert bench.cat("info/L3/bit_usage") == "0=HH0SSSSEEEE;1=HH0SSSSEEEE\n"
    bench.echo("L3:1=7f0", "schemata")
    assert bench.cat("info/L3/bit_usage") == "0=HH0SSSSEEEE;1=XXSSSSSEEEE\n"


def test_an_overlap_anywhere_forbids_exclusive() -> None:
    bench = Bench(shareable_bits=0)
    bench.mkdir("a")
    bench.echo("L3:0=f;1=f", "a/schemata")
    bench.echo("L3:0=f0", "schemata")
    with bench.refused(errno.EINVAL, "Schemata overlaps"):
        bench.echo("exclusive", "a/mode")
    bench.echo("L3:1=f0", "schemata")
    bench.echo("exclusive", "a/mode")


def test_the_devices_ways_forbid_exclusive() -> None:
    bench = Bench(shareable_bits=0x600)
    bench.echo("L3:0=f;1=f", "schemata")
    bench.mkdir("a")
    bench.echo("L3:0=600;1=f0", "a/schemata")
    with bench.refused(errno.EINVAL, "Schemata overlaps"):
        bench.echo("exclusive", "a/mode")


def test_nobody_overlaps_an_exclusive_group() -> None:
    bench = exclusive_pair()
    with bench.refused(errno.EINVAL, "Overlaps with exclusive group"):
        bench.echo("L3:0=f8", "schemata")
    with bench.refused(errno.EINVAL, "Overlaps with other group"):
        bench.echo("L3:0=1f", "a/schemata")
    with bench.refused(errno.EINVAL, "Overlaps with other group"):
        bench.echo("L3:0=600", "a/schemata")
    bench.echo("shareable", "a/mode")
    bench.echo("L3:0=f8", "schemata")


def test_a_removed_group_is_not_exclusive_any_more() -> None:
    bench = exclusive_pair()
    bench.rmdir("a")
    bench.echo("L3:0=ff", "schemata")
    bench.mkdir("b")
    bench.echo("L3:0=ff", "b/schemata")


def test_code_and_data_are_ways_of_one_cache() -> None:
    bench = Bench("xeon-cdp", shareable_bits=0)
    bench.echo("L3CODE:0=f0;1=f0\nL3DATA:0=f00;1=f00", "schemata")
    bench.mkdir("a")
    bench.echo("L3CODE:0=f;1=f\nL3DATA:0=f000;1=f000", "a/schemata")
    bench.echo("exclusive", "a/mode")
    with bench.refused(errno.EINVAL, "Overlaps with exclusive group"):
        bench.echo("L3DATA:0=8", "schemata")
    # A group's own halves may overlap.
    bench.echo("L3CODE:0=f000", "a/schemata")
    # bit_usage tells of one half only.
    assert bench.cat("info/L3CODE/bit_usage").startswith("0=0000EEEE0000SSSS")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("sharable\n", "Unknown or unsupported mode"),
        ("exclusive \n", "Unknown or unsupported mode"),
        ("pseudo-locked\n", "Unknown or unsupported mode"),
        ("pseudo-locksetup\n", "Pseudo-locking not supported"),
        ("exclusive", "ok"),
    ],
)
def test_modes_that_are_refused(text: str, status: str) -> None:
    bench = Bench()
    bench.mkdir("a")
    with bench.refused(errno.EINVAL, status):
        bench.write(text, "a/mode")
    assert bench.cat("a/mode") == "shareable\n"


def test_pseudo_locking_is_refused_for_its_reason() -> None:
    bench = Bench("xeon-cdp")
    with bench.refused(errno.EINVAL, "Cannot pseudo-lock default group"):
        bench.echo("pseudo-locksetup", "mode")
    bench.mkdir("a")
    with bench.refused(errno.EINVAL, "CDP enabled"):
        bench.echo("pseudo-locksetup", "a/mode")


def test_bandwidth_alone_cannot_be_exclusive() -> None:
    bench = Bench(ways=None)
    bench.mkdir("a")
    with bench.refused(errno.EINVAL, "Cannot be exclusive without CAT/CDP"):
        bench.echo("exclusive", "a/mode")


STEP = st.tuples(
    st.sampled_from(["", "a", "b", "c"]),
    st.one_of(
        st.sampled_from(["exclusive", "shareable"]),
        st.tuples(st.sampled_from(["CODE", "DATA"]), st.integers(0, 1), st.integers(1, 255)),
    ),
)


@given(st.lists(STEP, max_size=30))
def test_exclusive_groups_never_overlap(steps: list[tuple[str, str | tuple[str, int, int]]]) -> None:
    """Whatever is written, nobody shares a way with an exclusive group, and neither do the devices."""
    shareable_bits = 0xC0
    bench = Bench("xeon-cdp", ways=8, shareable_bits=shareable_bits)
    for name in ("a", "b", "c"):
        bench.mkdir(name)
    for name, what in steps:
        group = f"{name}/" if name else ""
        try:
            if isinstance(what, str):
                bench.echo(what, f"{group}mode")
            else:
                half, domain, mask = what
                bench.echo(f"L3{half}:{domain}={mask:x}", f"{group}schemata")
        except RefusedError:
            pass
        for domain in (0, 1):
            ways = [
                (
                    group,
                    bench.state.values["L3CODE"][domain][closid]
                    | bench.state.values["L3DATA"][domain][closid],
                )
                for closid, group in bench.state.by_closid.items()
            ]
            for (one, its), (other, others) in combinations(ways, 2):
                if Mode.EXCLUSIVE in (one.mode, other.mode):
                    assert not its & others
            for group_state, its in ways:
                assert group_state.mode is Mode.SHAREABLE or not its & shareable_bits
