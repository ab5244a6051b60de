"""What others do: foreign groups, the administrator, and the kernel itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdtd.core.drift import drifts
from rdtd.core.errors import NoSpace
from rdtd.core.model import Cache, CacheKey, Domain, Kind
from rdtd.core.plan import CreateGroup, RemoveGroup, WriteMode
from rdtd.core.space import ForeignGroups, Policy
from tests.core.support import Rdtd, host

NARROW = Policy(ForeignGroups.NARROW)
L3_0 = CacheKey(3, 0)


def test_respected_group_keeps_its_ways() -> None:
    rdtd = Rdtd(host(0))
    rdtd.foreign("qemu", 0b0000_1111)
    rdtd.turn()
    assert rdtd.reserve("a", "size=3ways")[0].mask == 0b1110_0000
    assert rdtd.mask("qemu") == 0b0000_1111


def test_fresh_host_with_a_foreign_group_has_nothing_free() -> None:
    """A new group has every way, as the default group has."""
    rdtd = Rdtd(host(0))
    rdtd.kernel.mkdir("COS1")
    with pytest.raises(NoSpace, match="group 'COS1' 8"):
        rdtd.reserve("a", "size=1ways")


def test_group_is_narrowed_with_the_default_group_and_widened_again() -> None:
    rdtd = Rdtd(host(0), NARROW)
    rdtd.foreign("COS1", 0b0011_1111)
    rdtd.turn()
    before = rdtd.kernel.snapshot()
    rdtd.reserve("a", "size=3ways")
    assert (rdtd.mask(), rdtd.mask("COS1")) == (0b1111_1000, 0b0011_1000)
    rdtd.release("a")
    assert rdtd.kernel.snapshot() == before


def test_group_beside_the_default_group_is_not_narrowed() -> None:
    rdtd = Rdtd(host(0), NARROW)
    rdtd.administrator_sets(0b0000_1111)
    rdtd.foreign("qemu", 0b1111_0000)
    rdtd.turn()
    with pytest.raises(NoSpace, match="group 'qemu' 4"):
        rdtd.reserve("a", "size=4ways")


def test_narrowed_group_keeps_a_way() -> None:
    rdtd = Rdtd(host(0), NARROW)
    rdtd.foreign("COS1", 0b1000_0000)
    rdtd.turn()
    assert rdtd.reserve("a", "size=7ways")[0].mask == 0b0111_1111
    with pytest.raises(NoSpace, match=r"the default group keeps 1$"):
        rdtd.reserve("b", "size=1ways")


def test_narrowed_group_is_given_back_when_it_overlaps_no_more() -> None:
    """Meanwhile the administrator took the default group out of its ways."""
    rdtd = Rdtd(host(0), NARROW)
    rdtd.foreign("COS1", 0b0000_1111)
    rdtd.turn()
    rdtd.reserve("a", "size=2ways")
    rdtd.administrator_sets(0b1111_0000)
    rdtd.turn()
    rdtd.release("a")
    assert rdtd.mask("COS1") == 0b0000_1111


def test_group_made_over_a_reservation_is_left_alone() -> None:
    """Nothing of it would be left, and the kernel takes no empty mask."""
    rdtd = Rdtd(host(0), NARROW)
    rdtd.reserve("a", "size=2ways")
    rdtd.foreign("COS1", 0b0000_0011)
    rdtd.turn()
    assert rdtd.mask("COS1") == 0b0000_0011


def test_exclusive_ways_are_never_given_back() -> None:
    """The default group keeps one run; somebody made the other run exclusive before it was free again."""
    rdtd = Rdtd(host(0))
    rdtd.foreign("x", 0b0000_0011)
    rdtd.foreign("y", 0b1110_0000)
    rdtd.turn()
    rdtd.reserve("a", "size=2ways")
    rdtd.kernel.rmdir("x")
    assert (rdtd.mask("rdtd.a"), rdtd.mask()) == (0b0000_1100, 0b1111_0000)
    rdtd.foreign("locked", 0b0000_0011, mode="exclusive")
    rdtd.turn()
    rdtd.release("a")
    assert rdtd.mask() == 0b1111_1100
    with pytest.raises(NoSpace, match="group 'locked' 2"):
        rdtd.reserve("b", "size=6ways")


def test_administrator_sets_the_baseline() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    rdtd.administrator_sets(0b0011_1111)
    (change,) = rdtd.turn()
    assert (change.group, change.found, change.expected) == ("", 0b0011_1111, 0b1111_1100)
    assert rdtd.mask() == 0b0011_1100
    rdtd.release("a")
    assert rdtd.mask() == 0b0011_1111


def test_administrator_cannot_take_reserved_ways() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    rdtd.administrator_sets(0b0000_0011)
    (change,) = rdtd.turn()
    assert change.refused
    assert rdtd.mask() == 0b1111_1100


def test_own_write_is_no_change_from_outside() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    assert rdtd.turn() == ()


def test_domain_that_returns_is_full_and_put_right() -> None:
    rdtd = Rdtd(host(0, 1))
    rdtd.administrator_sets(0b0111_1111)
    rdtd.turn()
    rdtd.reserve("a", "size=2ways")
    before = rdtd.kernel.snapshot()
    rdtd.kernel.take_offline(L3_0)
    rdtd.turn()
    rdtd.kernel.bring_online(L3_0)
    assert rdtd.mask("rdtd.a") == 0b1111_1111
    assert rdtd.turn() == ()
    assert rdtd.kernel.snapshot() == before


def test_domain_that_was_away_between_two_looks() -> None:
    """All reservations are full there: that was the kernel, and no administrator."""
    rdtd = Rdtd(host(0, 1))
    rdtd.administrator_sets(0b0111_1111)
    rdtd.turn()
    rdtd.reserve("a", "size=2ways")
    before = rdtd.kernel.snapshot()
    rdtd.kernel.take_offline(L3_0)
    rdtd.kernel.bring_online(L3_0)
    assert rdtd.turn() == ()
    assert rdtd.kernel.snapshot() == before


def test_code_and_data_have_no_domain_without_cdp() -> None:
    """The reservation waits until CDP is on again; until then it has what all have."""
    with_cdp = Cache(3, 0, 8 << 20, 8, cdp=True)
    assert with_cdp.domains_of(Kind.CODE) == (Domain("L3CODE", 0),)
    assert with_cdp.domains_of(Kind.DATA) == (Domain("L3DATA", 0),)
    without = replace(with_cdp, cdp=False)
    assert without.domains_of(Kind.CODE) == without.domains_of(Kind.DATA) == ()
    assert without.domains_of(Kind.BOTH) == (Domain("L3", 0),)


def test_baseline_whose_ways_were_reserved_while_cdp_was_on() -> None:
    """The administrator's mask was for the other domain; what it had is a reservation's by now."""
    rdtd = Rdtd(host(0))
    rdtd.administrator_sets(0b0000_0111)
    rdtd.turn()
    rdtd.kernel = host(0, cdp=True)
    rdtd.turn()
    rdtd.administrator_sets(0b1111_1111)
    rdtd.turn()
    assert rdtd.reserve("a", "size=3ways")[0].mask == 0b0000_0111
    rdtd.kernel = host(0)
    assert rdtd.turn() == ()
    assert (rdtd.mask("rdtd.a"), rdtd.mask()) == (0b0000_0111, 0b1111_1000)


@pytest.mark.parametrize("cdp", [False, True])
def test_a_baseline_outlives_the_switch_of_cdp(cdp: bool) -> None:
    """A mount gives full masks, to code and data or to both: nobody has set them."""
    rdtd = Rdtd(host(0, cdp=cdp))
    rdtd.administrator_sets(0b0000_1111)
    rdtd.turn()
    rdtd.kernel = host(0, cdp=not cdp)
    assert rdtd.turn() == ()
    assert rdtd.mask(resource="L3" if cdp else "L3DATA") == 0b0000_1111
    rdtd.reserve("a", "size=2ways")
    rdtd.kernel = host(0, cdp=cdp)
    assert rdtd.turn() == ()
    assert rdtd.mask("rdtd.a", resource="L3CODE" if cdp else "L3") == 0b0011_0000
    assert rdtd.mask(resource="L3CODE" if cdp else "L3") == 0b0000_1111


def test_a_pseudo_locked_own_group_is_made_again() -> None:
    """It takes no write and no other mode any more; its schemata has one line."""
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    group = rdtd.kernel.groups["rdtd.a"]
    rdtd.kernel.groups["rdtd.a"] = replace(group, mode="pseudo-locked")
    snapshot = rdtd.kernel.snapshot()
    steps = rdtd.steps(rdtd.wanted)
    assert steps[:2] == (RemoveGroup("rdtd.a"), CreateGroup("rdtd.a"))
    assert [(one.kind, one.details["found"]) for one in drifts((), steps, snapshot)] == [
        ("mode", "pseudo-locked")
    ]
    rdtd.turn()
    assert rdtd.kernel.groups["rdtd.a"] == group


def test_a_group_that_is_to_be_pseudo_locked_is_shareable_again() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    group = rdtd.kernel.groups["rdtd.a"]
    rdtd.kernel.groups["rdtd.a"] = replace(group, mode="pseudo-locksetup", masks={})
    assert rdtd.steps(rdtd.wanted)[0] == WriteMode("rdtd.a")
    rdtd.turn()
    assert rdtd.kernel.groups["rdtd.a"] == group
