"""Caches and reservations for tests of what is printed."""

from rdtd.rdtctl.values import Cache, Granted, Reservation

MIB = 1 << 20


def cache(
    cache_id: int,
    ways: int = 11,
    *,
    level: int = 3,
    way_size: int = MIB,
    free: int = 0,
    largest: int | None = None,
    reserved: int = 0,
    shared: int = 0,
    foreign: int = 0,
    shareable: int = 0,
) -> Cache:
    """A cache by its masks; `largest` in ways, all that is free if it is left out."""
    return Cache(
        level=level,
        cache_id=cache_id,
        size=ways * way_size,
        way_size=way_size,
        ways=ways,
        free=free.bit_count() * way_size,
        largest=(free.bit_count() if largest is None else largest) * way_size,
        free_mask=free,
        reserved_mask=reserved,
        shared_mask=shared,
        foreign_mask=foreign,
        shareable_mask=shareable,
    )


def granted(cache_id: int, mask: int, kind: str = "both", level: int = 3, way_size: int = MIB) -> Granted:
    return Granted(kind, level, cache_id, mask, mask.bit_count() * way_size, mask.bit_count())


def reservation(name: str, *regions: Granted) -> Reservation:
    return Reservation(
        name=name,
        path=f"/org/rdtd1/reservation/{name}",
        granted=regions,
        regions=({"type": "both", "level": 3, "cache-id": 0, "size": 4 * MIB},),
        owner=0,
        lifetime="persistent",
        created_usec=1_700_000_000_000_000,
        state="active",
        cpus="",
    )
