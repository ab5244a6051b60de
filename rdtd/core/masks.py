"""Capacity bitmasks (CBM): an int whose bit n stands for way n of a cache.

The kernel's rules for them are in arch/x86/kernel/cpu/resctrl/ctrlmondata.c, cbm_validate().
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["full", "is_contiguous", "largest_run", "lowest_run", "run", "runs", "ways_of"]


def full(ways: int) -> int:
    """The mask of a whole cache of that many ways."""
    return (1 << ways) - 1


def run(start: int, length: int) -> int:
    """`length` ways from way `start` up."""
    return ((1 << length) - 1) << start


def lowest_run(mask: int) -> int:
    """The lowest run of neighbouring ways in the mask; 0 for an empty mask."""
    # Adding the lowest bit carries through the run; what the carry cleared is the run.
    lowest = mask & -mask
    return mask & ~(mask + lowest)


def runs(mask: int) -> Iterator[tuple[int, int]]:
    """Every run of neighbouring ways as (start, length), the lowest first."""
    while mask:
        piece = lowest_run(mask)
        yield (piece & -piece).bit_length() - 1, piece.bit_count()
        mask &= ~piece


def is_contiguous(mask: int) -> bool:
    """Whether the mask is one run. The empty mask is none."""
    return mask != 0 and lowest_run(mask) == mask


def largest_run(mask: int) -> int:
    """The longest run in the mask, the lowest of equally long ones; 0 for an empty mask."""
    best = 0
    while mask:
        piece = lowest_run(mask)
        # Runs are disjoint: of two, the one with more bits is the longer.
        if piece.bit_count() > best.bit_count():
            best = piece
        mask &= ~piece
    return best


def ways_of(mask: int) -> Iterator[int]:
    """The numbers of the ways in the mask, the lowest first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask &= ~lowest
