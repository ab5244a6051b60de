"""Which ways a reservation gets.

What holds at every state that rdtd reaches:

1. A way of a cache is in at most one reservation, whether it holds code or data there.
2. No reservation overlaps what the default group keeps, nor a foreign group that is respected.
3. The default group keeps `DefaultGroupMinimum` ways of each cache, if it had as many, and a mask that
   the kernel accepts.
4. Every granted mask is one that the kernel accepts: contiguous unless the cache takes sparse masks, of
   min_cbm_bits or more.
5. The largest region that is told as free is granted when it is asked for; one way more is not.
6. A request is granted as a whole or not at all, and releasing restores the state before it.

Theory of operation. A request is turned into units (rdtd/core/request.py): what goes to one cache
together. For each cache the space says who has which ways (rdtd/core/space.py), and the best place in it
is taken (rdtd/core/placement.py). Units for one given cache do not compete, since there is one for each
cache. Units for any cache are matched to the caches that are left over: the largest first, each to where
it fits best, and those already placed move on when that is what lets all of them fit.

Nothing is changed here. `reserve`, `release` and `resize` answer with another `Wanted`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rdtd.core.errors import Exists, NoClosid, NoSpace, NotFound
from rdtd.core.model import PREFIX, Cache, CacheKey, Granted, Region, Reservation, Snapshot, Wanted
from rdtd.core.placement import Place, free_ways, place
from rdtd.core.request import Unit, by_level, normalize, units
from rdtd.core.space import Policy, Space, space_of
from rdtd.core.texts import format_bytes

__all__ = ["find", "release", "reserve", "resize"]


def reserve(wanted: Wanted, snapshot: Snapshot, policy: Policy, asked: Reservation) -> Wanted:
    """`wanted` with the reservation, its `granted` filled in.

    The same reservation again changes nothing. Raises InvalidRequest, Unsupported, Exists, NoSpace or
    NoClosid; then nothing is reserved.
    """
    asked = replace(asked, regions=normalize(asked.regions))
    known = wanted.reservations.get(asked.name)
    if known is not None:
        _check_same(known, asked)
        return wanted
    granted = _allocate(wanted, snapshot, policy, asked.name, asked.regions)
    _check_closids(wanted, snapshot)
    return _with(wanted, replace(asked, granted=granted))


def resize(
    wanted: Wanted, snapshot: Snapshot, policy: Policy, name: str, regions: tuple[Region, ...]
) -> Wanted:
    """`wanted` with other regions for a reservation, which keeps of its ways what it can."""
    known = find(wanted, name)
    ordered = normalize(regions)
    if ordered == known.regions:
        return wanted
    granted = _allocate(wanted, snapshot, policy, name, ordered)
    return _with(wanted, replace(known, regions=ordered, granted=granted))


def release(wanted: Wanted, name: str) -> Wanted:
    """`wanted` without the reservation."""
    find(wanted, name)
    rest = {other: one for other, one in wanted.reservations.items() if other != name}
    members = {other: one for other, one in wanted.members.items() if other != name}
    return replace(wanted, reservations=rest, members=members)


def find(wanted: Wanted, name: str) -> Reservation:
    """The reservation of that name, or NotFound."""
    known = wanted.reservations.get(name)
    if known is None:
        raise NotFound(f"there is no reservation {name!r}")
    return known


def _with(wanted: Wanted, reservation: Reservation) -> Wanted:
    return replace(wanted, reservations={**wanted.reservations, reservation.name: reservation})


def _check_same(known: Reservation, asked: Reservation) -> None:
    if known.regions != asked.regions:
        raise Exists(f"reservation {asked.name!r} exists with other regions; resize it, or take another name")
    if known.owner != asked.owner:
        raise Exists(f"reservation {asked.name!r} exists and belongs to another user or client")
    if known.lifetime != asked.lifetime:
        raise Exists(f"reservation {asked.name!r} exists with the lifetime {known.lifetime}")


def _check_closids(wanted: Wanted, snapshot: Snapshot) -> None:
    others = sum(1 for name in snapshot.groups if not name.startswith(PREFIX))
    used = others + len(wanted.reservations)
    if used < snapshot.closids:
        return
    raise NoClosid(
        f"no CLOSID is left for another group: the hardware has {snapshot.closids}; "
        f"the default group uses 1, reservations {len(wanted.reservations)}, foreign groups {others - 1}"
    )


def _allocate(
    wanted: Wanted, snapshot: Snapshot, policy: Policy, name: str, regions: tuple[Region, ...]
) -> tuple[Granted, ...]:
    """The grants for the regions, on every cache that they name, or NoSpace for all that lack it."""
    known = wanted.reservations.get(name)
    had = {key: known.ways_in(key) if known else 0 for key in snapshot.caches}
    wished = units(regions, snapshot.caches)
    reserved = wanted.reserved(without=name)
    spaces = {
        key: space_of(cache, reserved.get(key, 0), wanted, snapshot, policy)
        for key, cache in snapshot.caches.items()
        if any(unit.level == key.level and unit.cache_id in (key.cache_id, None) for unit in wished)
    }
    found: dict[CacheKey, tuple[Unit, Place]] = {}
    refused: list[str] = []
    for unit in wished:
        if unit.cache_id is None:
            continue
        key = CacheKey(unit.level, unit.cache_id)
        best = place(spaces[key], unit.sizes(spaces[key].cache), had[key])
        if best is None:
            refused.append(_explain(unit, spaces[key]))
        else:
            found[key] = unit, best
    if refused:
        raise NoSpace("; ".join(refused))
    for level, caches in by_level(snapshot.caches).items():
        free = [unit for unit in wished if unit.level == level and unit.cache_id is None]
        left = {cache.key: spaces[cache.key] for cache in caches if cache.key not in found} if free else {}
        found.update(_match(free, left, had))
    return tuple(
        grant for key, (unit, best) in sorted(found.items()) for grant in _grants(unit, key, best, spaces)
    )


def _grants(unit: Unit, key: CacheKey, best: Place, spaces: Mapping[CacheKey, Space]) -> list[Granted]:
    cache = spaces[key].cache
    return [
        Granted(region.kind, key, mask, cache.bytes_of(mask.bit_count()))
        for region, mask in zip(unit.regions, best.masks, strict=True)
    ]


def _match(
    free: list[Unit], spaces: Mapping[CacheKey, Space], had: Mapping[CacheKey, int]
) -> dict[CacheKey, tuple[Unit, Place]]:
    """Each unit on a cache of its own, by augmenting paths; NoSpace when some cannot have one."""
    wishes: list[tuple[Unit, dict[CacheKey, Place]]] = []
    for unit in free:
        places = {key: place(space, unit.sizes(space.cache), had[key]) for key, space in spaces.items()}
        fits = {key: one for key, one in places.items() if one is not None}
        best_first = sorted(fits, key=lambda key: (*_fit(fits[key], had[key]), key))
        wishes.append((unit, {key: fits[key] for key in best_first}))
    # The largest has the fewest caches to choose from.
    wishes.sort(key=lambda wish: -max((sum(wish[0].sizes(s.cache)) for s in spaces.values()), default=0))
    taken: dict[CacheKey, int] = {}

    def assign(index: int, tried: set[CacheKey]) -> bool:
        for key in wishes[index][1]:
            if key in tried:
                continue
            tried.add(key)
            if key not in taken or assign(taken[key], tried):
                taken[key] = index
                return True
        return False

    for index, (unit, _) in enumerate(wishes):
        if not assign(index, set()):
            raise NoSpace(_explain_any(unit, spaces))
    return {key: (wishes[index][0], wishes[index][1][key]) for key, index in taken.items()}


def _fit(found: Place, had: int) -> tuple[int, int, int]:
    """Compares places on different caches: there the fullest cache that still has room is best.

    The owner's ways come first, by how many it keeps: where it had none it has none to lose.
    """
    kept = sum((mask & had).bit_count() for mask in found.masks)
    return (-kept, found.score.shareable, found.score.hole)


def _asked(unit: Unit, cache: Cache) -> str:
    parts = []
    for region, ways in zip(unit.regions, unit.sizes(cache), strict=True):
        use = f" for {region.kind}" if len(unit.regions) > 1 else ""
        parts.append(f"{ways} ways{use} ({format_bytes(cache.bytes_of(ways))})")
    return " and ".join(parts)


def _explain(unit: Unit, space: Space) -> str:
    """What was asked, what was found, and who holds the rest."""
    cache = space.cache
    free = free_ways(space)
    if sum(unit.sizes(cache)) > cache.ways:
        return f"{cache.key}: {_asked(unit, cache)} asked, the cache has {cache.ways} ways"
    holders = [f"group {name!r} {ways.bit_count()}" for name, ways in space.holders]
    if space.reserved:
        holders.insert(0, f"reservations hold {space.reserved.bit_count()}")
    holders.append(f"the default group keeps {space.with_reserved(free.mask).shared.bit_count()}")
    largest = f"the largest free run is {free.largest} ways"
    if free.largest < free.mask.bit_count():
        largest += f" of {free.mask.bit_count()} free"
    return f"{cache.key}: {_asked(unit, cache)} asked, {largest}; {', '.join(holders)}"


def _explain_any(unit: Unit, spaces: Mapping[CacheKey, Space]) -> str:
    if not spaces:
        return f"L{unit.level}, any cache: every cache of the level is named in the request already"
    return f"L{unit.level}, any cache: none of {len(spaces)} has room: " + "; ".join(
        _explain(unit, space) for space in spaces.values()
    )
