"""Where a region goes: each rule of the order decides once, with all rules before it in balance."""

from __future__ import annotations

from rdtd.core.model import DEFAULT_GROUP, Cache, Domain
from rdtd.core.placement import FreeWays, free_ways, place
from rdtd.core.space import Space, Yielding

L3 = Domain("L3", 0)


def space(
    ways: int = 8,
    baseline: int | None = None,
    reserved: int = 0,
    held: int = 0,
    floor: int = 1,
    shareable: int = 0,
    sparse: bool = False,
) -> Space:
    """A cache whose default group has that baseline; all of it unless said otherwise."""
    cache = Cache(3, 0, ways << 20, ways, shareable=shareable, sparse=sparse)
    default = Yielding(DEFAULT_GROUP, L3, cache.full if baseline is None else baseline, floor)
    return Space(cache, reserved, (("other", held),) if held else (), (default,))


def placed(where: Space, *sizes: int, had: int = 0) -> tuple[int, ...] | None:
    found = place(where, sizes, had)
    return found.masks if found else None


def test_the_lowest_of_equal_places() -> None:
    assert placed(space(), 2) == (0b0000_0011,)


def test_fewest_shareable_ways_before_lowest() -> None:
    assert placed(space(shareable=0b0000_0011), 2) == (0b1100_0000,)


def test_fewest_shareable_ways_before_the_shared_run() -> None:
    """Ways 3 and 4 cut the shared mask in the middle, but devices write to all the others."""
    assert placed(space(shareable=0b1110_0111), 2) == (0b0001_1000,)


def test_largest_run_for_the_shared_mask_before_the_smallest_hole() -> None:
    """The default group has ways 0 to 3; ways 5 to 10 are nobody's, and a larger hole remains there."""
    assert placed(space(11, baseline=0b1111, reserved=0b1_0000), 3) == (0b000_1110_0000,)


def test_smallest_hole_before_lowest() -> None:
    """Runs of five and two ways are free outside the default group's two: two ways fill the second."""
    assert placed(space(11, baseline=0b11, reserved=0b001_0000_0100), 2) == (0b110_0000_0000,)


def test_resized_ways_stay_before_all_else() -> None:
    assert placed(space(shareable=0b0000_1100), 2, had=0b0000_1100) == (0b0000_1100,)


def test_reserved_and_held_ways_are_not_taken() -> None:
    assert placed(space(reserved=0b0000_0011, held=0b1100_0000), 4) == (0b0011_1100,)
    assert placed(space(reserved=0b0000_0011, held=0b1100_0000), 5) is None


def test_floor_is_kept_in_one_run() -> None:
    """Four ways could go in the middle, if two single ways were enough for the default group."""
    assert placed(space(6, floor=2), 4) == (0b00_1111,)
    assert placed(space(6, floor=3), 4) is None
    assert placed(space(6, floor=2, held=0b00_0001, baseline=0b11_1110), 4) is None


def test_default_group_under_its_floor_loses_no_more() -> None:
    """The administrator left it one way of the three that it should have: the rest is free."""
    assert placed(space(baseline=0b1000_0000, floor=3), 7) == (0b0111_1111,)
    assert placed(space(baseline=0b1000_0000, floor=3), 8) is None


def test_code_and_data_are_placed_as_one() -> None:
    """Data alone would take ways 0 to 2, where code and data fit together with no way between."""
    assert placed(space(held=0b1000_0000, baseline=0b0100_0000), 3, 3) == (0b00_0111, 0b11_1000)


def test_code_and_data_in_two_runs() -> None:
    """Code needs the run of three, so it is the smaller run that data gets."""
    assert placed(space(7, baseline=0b100_0000, held=0b000_0100), 3, 2) == (0b011_1000, 0b000_0011)


def test_no_scattered_ways_where_masks_must_be_contiguous() -> None:
    assert placed(space(held=0b0101_0101), 2) is None


def test_scattered_ways_where_masks_may_have_holes() -> None:
    assert placed(space(held=0b0101_0101, sparse=True), 2) == (0b0000_1010,)
    assert placed(space(held=0b0101_0101, sparse=True), 2, 1) == (0b0000_1010, 0b0010_0000)


def test_one_run_is_preferred_to_scattered_ways() -> None:
    assert placed(space(held=0b0000_0101, sparse=True), 2) == (0b1100_0000,)


def test_scattered_ways_leave_devices_alone_if_they_can() -> None:
    assert placed(space(held=0b0101_0101, shareable=0b0000_1010, sparse=True), 2) == (0b1010_0000,)


def test_scattered_ways_keep_the_floor() -> None:
    """Only way 5 is not the default group's, and devices write to it: still it is needed."""
    where = space(6, baseline=0b00_1010, floor=1, held=0b01_0101, shareable=0b10_0000, sparse=True)
    assert placed(where, 2) == (0b10_0010,)
    assert placed(where, 3) is None


def test_free_ways_are_what_can_still_be_given_out() -> None:
    assert free_ways(space()) == FreeWays(0b0111_1111, 7)
    assert free_ways(space(reserved=0b0001_0000, floor=2)) == FreeWays(0b0010_1111, 4)


def test_nothing_is_free() -> None:
    assert free_ways(space(held=0b1111_1111)) == FreeWays(0, 0)
    assert free_ways(space(floor=8)) == FreeWays(0, 0)
