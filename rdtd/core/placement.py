"""Where a region goes in one cache.

Among the places where it fits, the one is taken that, in this order: keeps the most of the ways that it
had (when it is resized); touches the fewest shareable ways, since devices write there; leaves the largest
run for the shared mask; leaves the smallest hole; is lowest. A pair of code and data is placed as one, so
that a bad place for the first cannot shut out the second. A cache has at most a few dozen ways: trying
every place is exact, and quick enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rdtd.core import masks
from rdtd.core.model import DEFAULT_GROUP
from rdtd.core.space import Space

__all__ = ["FreeWays", "Place", "Score", "free_ways", "place"]


class Score(NamedTuple):
    """How good a place is: of two, the lower is better. Every field but the last counts ways."""

    moved: int  # of the ways that the owner had, those it would lose
    shareable: int
    shared_cut: int  # what the default group's largest runs would lose
    hole: int
    masks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """One mask for each size that was asked for, and how good the place is (lower is better)."""

    masks: tuple[int, ...]
    score: Score


@dataclass(frozen=True, slots=True)
class FreeWays:
    """What Reserve could still give out of a cache."""

    mask: int
    largest: int  # ways of the largest single region


def place(space: Space, sizes: Sequence[int], had: int = 0) -> Place | None:
    """The best place for one size, or for two side by side; None when they do not fit.

    `sizes` are ways, each at least `space.cache.smallest`; `had` the ways that the owner has now.
    """
    best: Place | None = None
    for found in _contiguous(space.candidates, tuple(sizes)):
        union = _union(found)
        if not space.spares(union, had):
            continue
        candidate = Place(found, _score(space, found, union, had))
        if best is None or candidate.score < best.score:
            best = candidate
    if best is None and space.cache.sparse:
        best = _scattered(space, sizes, had)
    return best


def _union(found: Sequence[int]) -> int:
    union = 0
    for mask in found:
        union |= mask
    return union


def _contiguous(candidates: int, sizes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every way to put runs of these sizes into the candidate ways, side by side."""
    if not sizes:
        yield ()
        return
    for start, length in masks.runs(candidates):
        for first in range(start, start + length - sizes[0] + 1):
            mask = masks.run(first, sizes[0])
            for rest in _contiguous(candidates & ~mask, sizes[1:]):
                yield (mask, *rest)


def _score(space: Space, found: tuple[int, ...], union: int, had: int) -> Score:
    taken = space.reserved | union
    cut = 0
    for one in space.yielding:
        if one.group == DEFAULT_GROUP:
            before, after = one.baseline & ~space.reserved, one.baseline & ~taken
            cut += masks.largest_run(before).bit_count() - masks.largest_run(after).bit_count()
    hole = sum(
        (masks.run(start, length) & ~union).bit_count()
        for start, length in masks.runs(space.candidates)
        if masks.run(start, length) & union
    )
    return Score((had & ~union).bit_count(), (union & space.cache.shareable).bit_count(), cut, hole, found)


def _scattered(space: Space, sizes: Sequence[int], had: int) -> Place | None:
    """Ways with holes between them, for hardware that takes sparse masks.

    Ways that devices share come last, as everywhere; if the floors of the yielding groups forbid that
    choice, ways that no yielding group would miss come first instead.
    """
    asked = sum(sizes)

    def shareable(way: int) -> int:
        return space.cache.shareable >> way & 1

    def missed(way: int) -> int:
        return sum(one.baseline >> way & 1 for one in space.yielding)

    def kept(way: int) -> int:
        return -(had >> way & 1)

    for order in (
        lambda way: (kept(way), shareable(way), missed(way), way),
        lambda way: (missed(way), kept(way), shareable(way), way),
    ):
        taken: list[int] = []
        union = 0
        for way in sorted(masks.ways_of(space.candidates), key=order):
            if len(taken) < asked and space.spares(union | 1 << way, had):
                taken.append(way)
                union |= 1 << way
        if len(taken) == asked:
            taken.sort()
            found: list[int] = []
            for size in sizes:
                found.append(_union([1 << way for way in taken[:size]]))
                del taken[:size]
            return Place(tuple(found), _score(space, tuple(found), union, had))
    return None


def _largest(space: Space) -> int:
    """The ways of the largest single region that place() would find now."""
    candidates = space.candidates
    longest = candidates.bit_count() if space.cache.sparse else masks.largest_run(candidates).bit_count()
    for size in range(longest, space.cache.smallest - 1, -1):
        if _fits(space, size):
            return size
    return 0


def _fits(space: Space, size: int) -> bool:
    if any(space.spares(found) for (found,) in _contiguous(space.candidates, (size,))):
        return True
    return space.cache.sparse and _scattered(space, (size,), 0) is not None


def free_ways(space: Space) -> FreeWays:
    """The ways that Reserve could still give out, and the largest region among them.

    Found by giving out the largest region again and again. Two neighbouring ones would have been one
    larger region, so the longest run of the mask is `largest` where masks must be contiguous.
    """
    first = size = _largest(space)
    mask = 0
    while size:
        found = place(space, (size,))
        if found is None:
            raise AssertionError(f"{space.cache.key}: {size} ways fit and have no place")
        mask |= found.masks[0]
        space = space.with_reserved(found.masks[0])
        size = _largest(space)
    return FreeWays(mask, first)
