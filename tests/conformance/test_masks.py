"""Which capacity bitmasks are accepted. After cbm_validate."""

import errno

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

HOLES = (0x5, 0x9, 0xF1, 0xAA)


def shapes(resctrl: Resctrl) -> dict[str, int]:
    full = resctrl.host.cache.full
    return {"lowest": 1, "highest": (full + 1) >> 1, "middle": 0x18, "all but one": full >> 1, "full": full}


def test_one_run_of_ways(resctrl: Resctrl) -> None:
    for mask in shapes(resctrl).values():
        resctrl.set_mask(mask)
        assert set(resctrl.masks().values()) == {mask}


@needs("contiguous")
def test_a_hole_is_refused(resctrl: Resctrl) -> None:
    for mask in HOLES:
        with resctrl.refused(errno.EINVAL, f"The mask {mask:x} has non-consecutive 1-bits"):
            resctrl.set_mask(mask)
    assert resctrl.mask() == resctrl.host.cache.full


@needs("sparse")
def test_a_hole_is_taken_where_masks_may_be_sparse(resctrl: Resctrl) -> None:
    for mask in HOLES:
        resctrl.set_mask(mask)
        assert set(resctrl.masks().values()) == {mask}


@needs("one-bit")
def test_no_ways_are_refused(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "Mask out of range"):
        resctrl.set_mask(0)


@needs("no-bits")
def test_no_ways_are_taken_where_min_cbm_bits_is_0(resctrl: Resctrl) -> None:
    resctrl.set_mask(0)
    assert set(resctrl.masks().values()) == {0}
    assert resctrl.read("info", resctrl.host.cache.name, "min_cbm_bits") == "0\n"


@needs("contiguous")
def test_the_mask_in_the_text_is_as_the_kernel_prints_it(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "The mask a5 has non-consecutive 1-bits"):
        resctrl.echo(f"{resctrl.host.cache.name}:{resctrl.host.domains[0]}=0x00A5", "schemata")


@needs("contiguous")
def test_out_of_range_comes_before_holes(resctrl: Resctrl) -> None:
    mask = (resctrl.host.cache.full + 1) | 1
    with resctrl.refused(errno.EINVAL, "Mask out of range"):
        resctrl.set_mask(mask)


def test_shareable_ways_may_be_used(resctrl: Resctrl) -> None:
    """They are a hint, and a rule for exclusive groups only."""
    resctrl.mkdir("a")
    mask = resctrl.host.cache.shareable or 1
    resctrl.set_mask(mask, "a")
    assert set(resctrl.masks("a").values()) == {mask}


@needs("three-groups")
def test_groups_may_overlap(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("b")
    for group in ("", "a", "b"):
        resctrl.set_mask(0xE, group)
    assert {resctrl.mask(group) for group in ("", "a", "b")} == {0xE}
