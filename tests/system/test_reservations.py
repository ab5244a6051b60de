"""Reservations on the real mount: what is granted is what the kernel has."""

import pytest

from rdtd.core.cpus import parse_cpus
from tests.support.caller import RDTD_ERROR, BusError
from tests.system import machine
from tests.system.conftest import Cache, Host, mask_of


def test_reserve_resize_release(host: Host) -> None:
    cache = host.caches[0]
    before = host.mount.dump()
    mask = mask_of(host.caller.reserve("a", cache.spec(2)))
    assert host.masks("rdtd.a", cache) == {mask}
    assert mask.bit_count() == 2
    [shared] = host.masks("", cache)
    assert shared & mask == 0
    level, cache_id = cache.level, cache.cache_id
    region = {"ways": ("u", 3), "level": ("u", level), "cache-id": ("u", cache_id)}
    [granted] = host.caller.call("Resize", "saa{sv}a{sv}", "a", [region], {})[0]
    assert host.masks("rdtd.a", cache) == {granted["mask"]}
    assert granted["ways"] == 3
    host.caller.release("a")
    assert host.mount.dump() == before


def test_every_cache_has_its_own_ways(host: Host) -> None:
    """One region on each cache, each of another size; where a reservation names no cache it shares."""
    spec = ";".join(cache.spec(1 + number % 2) for number, cache in enumerate(host.caches))
    granted = host.caller.reserve("a", spec)
    assert [region["cache-id"] for region in granted] == [cache.cache_id for cache in host.caches]
    for number, (cache, region) in enumerate(zip(host.caches, granted, strict=True)):
        assert region["ways"] == 1 + number % 2
        assert host.masks("rdtd.a", cache) == {region["mask"]}
    host.caller.release("a")
    first, *others = host.caches
    host.caller.reserve("b", first.spec(1))
    for cache in others:
        assert host.masks("rdtd.b", cache) == host.masks("", cache)


def test_caches_have_the_cpus_that_the_kernel_tells(host: Host) -> None:
    for cache in host.caches:
        for cpu in parse_cpus(cache.cpus):
            for index in (machine.CPUS / f"cpu{cpu}/cache").glob("index*"):
                if (index / "level").read_text() == f"{cache.level}\n":
                    assert (index / "id").read_text() == f"{cache.cache_id}\n"
                    assert (index / "shared_cpu_list").read_text() == f"{cache.cpus}\n"


def _fill(host: Host, cache: Cache) -> tuple[dict[int, str], BusError]:
    """Reserves one way at a time until rdtd refuses: the name of each mask, and the refusal."""
    names: dict[int, str] = {}
    while True:
        name = f"r{len(names)}"
        try:
            mask = mask_of(host.caller.reserve(name, cache.spec(1)))
        except BusError as error:
            return names, error
        assert host.masks(f"rdtd.{name}", cache) == {mask}
        names[mask] = name


def test_until_nothing_is_left(host: Host) -> None:
    """Nobody's ways are anybody else's, and the refusal says what ran out."""
    cache = host.caches[0]
    names, error = _fill(host, cache)
    taken = sum(names)
    assert taken.bit_count() == len(names)
    for mask in host.masks("", cache):
        assert mask
        assert mask & taken == 0
    [row] = (row for row in host.caller.free() if row[1] == cache.cache_id)
    if row[4] == 0:
        assert error.name == RDTD_ERROR + "NoSpace"
    else:
        assert len(names) == host.caller.get("ClosidsTotal") - 1
        assert error.name == RDTD_ERROR + "NoClosid"


def test_the_largest_that_is_free(host: Host) -> None:
    for row in host.caller.free():
        level, cache_id, _size, way_size, _free, largest, *_ = row
        ways = largest // way_size
        cache = next(one for one in host.caches if (one.level, one.cache_id) == (level, cache_id))
        with pytest.raises(BusError) as caught:
            host.caller.reserve("a", cache.spec(ways + 1))
        assert caught.value.name == RDTD_ERROR + "NoSpace"
        mask = mask_of(host.caller.reserve("a", cache.spec(ways)))
        assert host.masks("rdtd.a", cache) == {mask}
        host.caller.release("a")


def test_code_and_data(host: Host) -> None:
    cache = host.caches[0]
    spec = f"{cache.spec(1, 'code')};{cache.spec(2, 'data')}"
    if not host.options:
        with pytest.raises(BusError) as caught:
            host.caller.reserve("a", spec)
        assert caught.value.name == RDTD_ERROR + "Unsupported"
        return
    code, data = (region["mask"] for region in host.caller.reserve("a", spec))
    assert code & data == 0
    found = [host.mount.masks("rdtd.a", resource)[cache.cache_id] for resource in host.resources]
    assert found == [code, data]
    for mask in host.masks("", cache):
        assert mask & (code | data) == 0
    if host.caller.get("ClosidsFree"):
        both = mask_of(host.caller.reserve("b", cache.spec(1)))
        assert both & (code | data) == 0
        assert host.masks("rdtd.b", cache) == {both}


def _has_sparse_masks(host: Host) -> bool:
    """As the kernel tells it, from Linux 6.7 on. Before, rdtd takes masks to be contiguous."""
    file = host.mount.root / "info" / host.resources[0] / "sparse_masks"
    return file.exists() and file.read_text() == "1\n"


def test_ways_that_do_not_stand_together(host: Host) -> None:
    """With sparse masks what is free can be granted in pieces; without, it cannot."""
    cache: Cache = host.caches[0]
    names, _ = _fill(host, cache)
    in_order = [names[mask] for mask in sorted(names)]
    if len(in_order) < 3:
        pytest.skip("there are too few classes of service to make holes")
    # Free are the first and the third way, and one class of service for what is asked now.
    for name in (in_order[0], in_order[2]):
        host.caller.release(name)
    [row] = (row for row in host.caller.free() if row[1] == cache.cache_id)
    free, largest = row[4], row[5]
    ways = free // row[3]
    if not _has_sparse_masks(host):
        if largest == free:
            pytest.skip("the default group keeps the one way that stands alone")
        with pytest.raises(BusError):
            host.caller.reserve("a", cache.spec(ways))
        return
    assert largest == free
    mask = mask_of(host.caller.reserve("a", cache.spec(ways)))
    run = mask // (mask & -mask)
    assert run & (run + 1), f"{mask:x} is one run"
    assert host.masks("rdtd.a", cache) == {mask}
