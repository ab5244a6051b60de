"""Requests: fixed, every and any cache, all or nothing, and the words of a refusal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rdtd.core.allocator import reserve
from rdtd.core.errors import Exists, InvalidRequest, NoClosid, NoSpace, NotFound, RdtdError, Unsupported
from rdtd.core.model import CacheKey, Granted, Kind, Lifetime, Owner
from rdtd.core.plan import CreateGroup, RemoveGroup, WriteMasks
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import Policy
from tests.core.support import MIB, Rdtd, host

L3_0, L3_1 = CacheKey(3, 0), CacheKey(3, 1)


def test_seed() -> None:
    """What was asked for in 2017: 10 MiB of cache 2 and 2 MiB of cache 1."""
    rdtd = Rdtd(host(1, 2, ways=16))
    granted = rdtd.reserve("VM-A.vcpu-2", "type=both,size=10mb,cacheid=2;type=both,size=2mb,cacheid=1")
    assert granted == (
        Granted(Kind.BOTH, CacheKey(3, 1), 0b11, 2 * MIB),
        Granted(Kind.BOTH, CacheKey(3, 2), 0b11_1111_1111, 10 * MIB),
    )
    assert rdtd.mask(cache_id=1) == 0xFFFC
    assert rdtd.mask(cache_id=2) == 0xFC00


def test_steps_take_away_before_they_give() -> None:
    rdtd = Rdtd(host(0))
    wanted = reserve(rdtd.wanted, rdtd.kernel.snapshot(), rdtd.policy, rdtd.ask("a", "size=2mb"))
    made, narrowed, given = rdtd.steps(wanted)
    assert made == CreateGroup("rdtd.a")
    assert isinstance(narrowed, WriteMasks)
    assert narrowed.group == ""
    assert isinstance(given, WriteMasks)
    assert given.group == "rdtd.a"
    rdtd.reserve("a", "size=2mb")
    removed, widened = rdtd.steps(replace(wanted, reservations={}))
    assert removed == RemoveGroup("rdtd.a")
    assert isinstance(widened, WriteMasks)


def test_every_cache_where_none_is_named() -> None:
    granted = Rdtd(host(0, 1, 5)).reserve("a", "size=25%")
    assert [one.key.cache_id for one in granted] == [0, 1, 5]
    assert {one.mask for one in granted} == {0b11}


def test_every_cache_or_none() -> None:
    rdtd = Rdtd(host(0, 1))
    rdtd.reserve("a", "size=6ways,cache-id=1")
    before = rdtd.kernel.snapshot(), rdtd.wanted
    with pytest.raises(NoSpace, match=r"^L3 cache 1: 2 ways"):
        rdtd.reserve("b", "size=2ways")
    assert (rdtd.kernel.snapshot(), rdtd.wanted) == before


def test_domain_without_a_region_has_the_shared_mask() -> None:
    rdtd = Rdtd(host(0, 1))
    rdtd.reserve("a", "size=2ways,cache-id=0")
    rdtd.reserve("b", "size=3ways,cache-id=1")
    assert rdtd.mask("rdtd.a", 1) == rdtd.mask(cache_id=1) == 0b1111_1000
    assert rdtd.mask("rdtd.b", 0) == rdtd.mask(cache_id=0) == 0b1111_1100


def test_any_cache_is_the_fullest_that_has_room() -> None:
    rdtd = Rdtd(host(0, 1, 2))
    rdtd.reserve("a", "size=3ways,cache-id=1")
    rdtd.reserve("b", "size=7ways,cache-id=2")
    (granted,) = rdtd.reserve("c", "size=3ways,cache-id=any")
    assert granted.key == L3_1


def test_any_caches_are_matched() -> None:
    """Code and data fit best on cache 0, but it is the only one where five ways fit in one run.

    Placing the larger request first where it fits best would refuse the other: it has to move on.
    """
    rdtd = Rdtd(host(0, 1, ways=10, cdp=True))
    rdtd.administrator_sets(0b1, 0)
    rdtd.administrator_sets(0b1, 1)
    rdtd.foreign("x", 0b11_1000_0000, 0b00_0001_0000)
    rdtd.foreign("y", 0b11_1000_0000, 0b10_0000_0000)
    rdtd.turn()
    pair = "type=code,size=3ways,cache-id=any;type=data,size=3ways,cache-id=any"
    assert {one.key for one in rdtd.reserve("alone", pair)} == {L3_0}
    rdtd.release("alone")
    granted = rdtd.reserve("both", f"{pair};size=5ways,cache-id=any")
    assert {(one.kind, one.key) for one in granted} == {
        (Kind.BOTH, L3_0),
        (Kind.CODE, L3_1),
        (Kind.DATA, L3_1),
    }


def test_any_leaves_the_named_caches_alone() -> None:
    rdtd = Rdtd(host(0, 1))
    granted = rdtd.reserve("a", "size=1ways,cache-id=0;size=2ways,cache-id=any")
    assert [(one.key, one.ways) for one in granted] == [(L3_0, 1), (L3_1, 2)]
    with pytest.raises(NoSpace, match="any cache: every cache of the level is named"):
        rdtd.reserve("b", "size=1ways;size=1ways,cache-id=any")


def test_any_has_no_room() -> None:
    with pytest.raises(NoSpace, match=r"none of 2 has room: L3 cache 0: .* L3 cache 1: "):
        Rdtd(host(0, 1)).reserve("a", "size=8ways,cache-id=any")


def test_code_and_data() -> None:
    rdtd = Rdtd(host(0, cdp=True))
    code, data = rdtd.reserve("a", "type=data,size=3ways;type=code,size=1ways")
    assert (code.kind, code.mask) == (Kind.CODE, 0b0001)
    assert (data.kind, data.mask) == (Kind.DATA, 0b1110)
    assert rdtd.mask("rdtd.a", resource="L3CODE") == 0b0001
    assert rdtd.mask("rdtd.a", resource="L3DATA") == 0b1110
    assert rdtd.mask(resource="L3CODE") == rdtd.mask(resource="L3DATA") == 0b1111_0000


def test_ways_for_code_are_not_free_for_data() -> None:
    rdtd = Rdtd(host(0, cdp=True))
    first = rdtd.reserve("a", "type=code,size=2ways;type=data,size=1ways")
    second = rdtd.reserve("b", "type=code,size=1ways;type=data,size=3ways")
    assert sorted(one.ways for one in (*first, *second)) == [1, 1, 2, 3]
    assert sum(one.mask for one in (*first, *second)) == 0b0111_1111


def test_both_with_cdp_is_one_run() -> None:
    rdtd = Rdtd(host(0, cdp=True))
    rdtd.reserve("a", "size=2ways")
    assert rdtd.mask("rdtd.a", resource="L3CODE") == rdtd.mask("rdtd.a", resource="L3DATA") == 0b11


@pytest.mark.parametrize(
    ("cdp", "spec", "error", "text"),
    [
        (False, "type=code,size=1ways;type=data,size=1ways", Unsupported, "mount resctrl with '-o cdp'"),
        (False, "size=1ways,level=2", Unsupported, "L2: this host cannot allocate that cache.* L3"),
        (False, "size=1ways,level=4", InvalidRequest, "level 4"),
        (False, "size=1ways,cache-id=7", InvalidRequest, "no cache 7; its cache IDs are 0, 1"),
        (False, "size=1ways;size=2ways", InvalidRequest, "L3 cache 0: two regions of type both"),
        (False, "size=1ways;size=2ways,cache-id=1", InvalidRequest, "L3 cache 1: two regions of type both"),
        (True, "type=code,size=1ways", InvalidRequest, "type code without data"),
        (True, "type=data,size=1ways,cache-id=any", InvalidRequest, "type data without code"),
        (True, "type=code,size=1ways,cache-id=0;type=data,size=1ways,cache-id=1", InvalidRequest, "cache 0"),
        (
            True,
            "type=code,size=1ways;type=data,size=1ways;size=1ways",
            InvalidRequest,
            "type both beside",
        ),
        (False, "size=9ways,cache-id=0", NoSpace, r"9 ways \(9 MiB\) asked, the cache has 8 ways"),
    ],
)
def test_refused(cdp: bool, spec: str, error: type[RdtdError], text: str) -> None:
    rdtd = Rdtd(host(0, 1, cdp=cdp))
    before = rdtd.kernel.snapshot()
    with pytest.raises(error, match=text):
        rdtd.reserve("a", spec)
    assert rdtd.kernel.snapshot() == before
    assert rdtd.wanted.reservations == {}


def test_refusal_says_who_has_the_ways() -> None:
    rdtd = Rdtd(host(0, ways=16), Policy(default_minimum=Amount(2, Unit.WAYS)))
    rdtd.administrator_sets(0x0FFF)
    rdtd.foreign("qemu-1-vm", 0xF000)
    rdtd.turn()
    rdtd.reserve("a", "size=3ways")
    with pytest.raises(NoSpace) as refused:
        rdtd.reserve("b", "size=12mb,cache-id=0")
    assert str(refused.value) == (
        "L3 cache 0: 12 ways (12 MiB) asked, the largest free run is 7 ways; "
        "reservations hold 3, group 'qemu-1-vm' 4, the default group keeps 2"
    )


def test_refusal_counts_what_the_default_group_would_keep() -> None:
    """The way that it is left with in the end need not be in the run that it has now."""
    rdtd = Rdtd(host(0, ways=11))
    rdtd.reserve("a", "size=5ways")
    rdtd.reserve("b", "size=5ways")
    rdtd.release("a")
    assert rdtd.mask(cache_id=0) == 0x1F
    with pytest.raises(NoSpace, match="reservations hold 5, the default group keeps 1"):
        rdtd.reserve("c", "size=6ways,cache-id=0")


def test_refusal_of_code_and_data_names_both() -> None:
    with pytest.raises(NoSpace, match=r"6 ways for code \(6 MiB\) and 2 ways for data \(2 MiB\) asked"):
        Rdtd(host(0, cdp=True)).reserve("a", "type=code,size=6ways;type=data,size=2ways")


def test_same_request_again() -> None:
    """In any order and spelling: nothing is done, and the answer is the same."""
    rdtd = Rdtd(host(0, 1, 2))
    rdtd.reserve("a", "size=2mb,cache-id=any;size=1mb,cache-id=any")
    before = rdtd.wanted
    rdtd.reserve("a", "size=1024k,cacheid=any;size=2048k,cacheid=any")
    assert rdtd.wanted == before


def test_name_is_taken() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2mb")
    snapshot, asked = rdtd.kernel.snapshot(), rdtd.ask("a", "size=2mb")
    for other, text in (
        (rdtd.ask("a", "size=3mb"), "other regions"),
        (replace(asked, owner=Owner(1000)), "belongs to another user or client"),
        (replace(asked, lifetime=Lifetime.CLIENT), "with the lifetime persistent"),
    ):
        with pytest.raises(Exists, match=text):
            reserve(rdtd.wanted, snapshot, rdtd.policy, other)


def test_no_closid() -> None:
    rdtd = Rdtd(host(0, closids=3))
    rdtd.foreign("x", 0b1000_0000)
    rdtd.reserve("a", "size=1ways")
    with pytest.raises(NoClosid, match="has 3; the default group uses 1, reservations 1, foreign groups 1"):
        rdtd.reserve("b", "size=1ways")


def test_no_such_reservation() -> None:
    rdtd = Rdtd(host(0))
    with pytest.raises(NotFound, match="'a'"):
        rdtd.release("a")
    with pytest.raises(NotFound, match="'a'"):
        rdtd.resize("a", "size=1ways")


def test_resize_in_place() -> None:
    rdtd = Rdtd(host(0))
    rdtd.reserve("a", "size=2ways")
    rdtd.reserve("b", "size=2ways")
    assert rdtd.resize("b", "size=4ways")[0].mask == 0b0011_1100
    assert rdtd.resize("b", "size=1ways")[0].mask == 0b0000_0100
    assert rdtd.mask() == 0b1111_1000


def test_resize_stays_on_its_cache() -> None:
    """Another cache would fit the smaller size better, were the ways there not other ways."""
    rdtd = Rdtd(host(0, 1))
    rdtd.reserve("a", "size=6ways,cache-id=any")
    rdtd.reserve("b", "size=5ways,cache-id=1")
    assert rdtd.resize("a", "size=2ways,cache-id=any")[0].key == L3_0


def test_shrinking_under_the_minimum() -> None:
    """The administrator has left the default group under its minimum: a smaller reservation still helps."""
    rdtd = Rdtd(host(0), Policy(default_minimum=Amount(4, Unit.WAYS)))
    rdtd.reserve("a", "size=4ways")
    rdtd.administrator_sets(0b0011_1111)
    rdtd.turn()
    assert rdtd.mask() == 0b0011_0000
    assert rdtd.resize("a", "size=3ways")[0].ways == 3
