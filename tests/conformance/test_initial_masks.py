"""The masks that a new group starts with. After rdtgroup_init_cat and __init_one_rdt_domain."""

import errno

import pytest

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl


@needs("three-groups")
def test_all_ways_where_nothing_is_exclusive(resctrl: Resctrl) -> None:
    """Other groups' ways and unused ones count alike."""
    resctrl.set_mask(0x3)
    resctrl.mkdir("a")
    resctrl.set_mask(0xC, "a")
    resctrl.mkdir("b")
    for cache in resctrl.host.caches:
        assert set(resctrl.masks("b", cache.name).values()) == {cache.full}


@needs("three-groups")
def test_not_the_ways_of_an_exclusive_group(resctrl: Resctrl) -> None:
    full = resctrl.host.cache.full
    resctrl.make_exclusive(0x3, rest=0x1C)
    resctrl.mkdir("a")
    assert set(resctrl.masks("a").values()) == {full & ~0x3}


@needs("three-groups")
def test_the_lowest_run_of_what_is_left(resctrl: Resctrl) -> None:
    """Also where masks may be sparse."""
    resctrl.make_exclusive(0x18, rest=0x3)
    resctrl.mkdir("a")
    assert set(resctrl.masks("a").values()) == {0x7}


@needs("domains", "three-groups")
def test_each_domain_on_its_own(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    resctrl.set_mask(0x3)
    resctrl.mkdir("ex")
    resctrl.set_mask(0xC, "ex")
    for each in resctrl.host.caches:
        resctrl.echo(f"{each.name}:{each.domains[0]}=30", "ex/schemata")
    resctrl.echo("exclusive", "ex/mode")
    resctrl.mkdir("a")
    masks = resctrl.masks("a")
    assert masks.pop(cache.domains[0]) == 0xF
    assert set(masks.values()) == {0x3}


@needs("no-shareable", "one-bit")
def test_no_group_where_every_way_is_exclusive(resctrl: Resctrl) -> None:
    resctrl.echo("exclusive", "mode")
    cache, domain = resctrl.host.caches[0], resctrl.host.domains[0]
    with resctrl.refused(errno.ENOSPC, f"No space on {cache.name}:{domain}"):
        resctrl.mkdir("a")
    assert "a" not in resctrl.names()
    resctrl.echo("shareable", "mode")
    for number in range(1, resctrl.host.closids):  # the refusal has cost no CLOSID
        resctrl.mkdir(f"g{number}")


@needs("no-shareable", "no-bits")
def test_no_ways_where_every_way_is_exclusive_and_no_ways_are_a_mask(resctrl: Resctrl) -> None:
    resctrl.echo("exclusive", "mode")
    resctrl.mkdir("a")
    assert set(resctrl.masks("a").values()) == {0}


@needs("shareable", "three-groups")
def test_shareable_ways_are_for_everybody(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    resctrl.make_exclusive(0x3, rest=0x4)
    resctrl.mkdir("a")
    assert resctrl.mask("a") & cache.shareable == cache.shareable


@needs("cdp", "three-groups")
@pytest.mark.parametrize("half", ["CODE", "DATA"])
def test_both_halves_count_in_both(resctrl: Resctrl, half: str) -> None:
    """Code and data are ways of one cache."""
    cache = resctrl.host.cache
    lines = [f"L{cache.level}{half}"]
    resctrl.set_mask(0x7)
    resctrl.mkdir("ex")
    resctrl.set_mask(0x18, "ex")
    resctrl.set_mask(0x60, "ex", lines=lines)
    resctrl.echo("exclusive", "ex/mode")
    resctrl.mkdir("a")
    for each in resctrl.host.caches:
        assert set(resctrl.masks("a", each.name).values()) == {0x7}
