"""The file mode, and what exclusive means. After rdtgroup_mode_write and rdtgroup_mode_test_exclusive."""

import errno

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl


def test_exclusive_and_back(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    assert resctrl.read("ex/mode") == "exclusive\n"
    resctrl.echo("exclusive", "ex/mode")  # it is already
    resctrl.echo("shareable", "ex/mode")
    assert resctrl.read("ex/mode") == "shareable\n"
    assert resctrl.status == "ok"


def test_unknown_modes(resctrl: Resctrl) -> None:
    for text in ("", "Exclusive", "exclusive ", " shareable", "exclusive\n", "pseudo-locked", "x" * 99):
        with resctrl.refused(errno.EINVAL, "Unknown or unsupported mode"):
            resctrl.echo(text, "mode")
    assert resctrl.read("mode") == "shareable\n"


def test_without_a_newline_it_is_no_command(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    with resctrl.refused(errno.EINVAL, stale):
        resctrl.write("shareable", "mode")


def test_not_where_another_group_has_the_ways(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.set_mask(0x3, "a")
    with resctrl.refused(errno.EINVAL, "Schemata overlaps"):
        resctrl.echo("exclusive", "a/mode")
    assert resctrl.read("a/mode") == "shareable\n"


@needs("domains")
def test_not_where_they_meet_in_a_single_domain(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    resctrl.set_mask(0xC)
    resctrl.mkdir("a")
    resctrl.set_mask(0x3, "a")
    resctrl.echo(f"{cache.name}:{cache.domains[-1]}=6", "a/schemata")
    with resctrl.refused(errno.EINVAL, "Schemata overlaps"):
        resctrl.echo("exclusive", "a/mode")


@needs("shareable")
def test_not_with_ways_that_devices_use(resctrl: Resctrl) -> None:
    resctrl.set_mask(0x3)
    resctrl.mkdir("a")
    resctrl.set_mask(resctrl.host.cache.shareable, "a")
    with resctrl.refused(errno.EINVAL, "Schemata overlaps"):
        resctrl.echo("exclusive", "a/mode")


@needs("shareable")
def test_not_the_default_group_while_it_has_them(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "Schemata overlaps"):
        resctrl.echo("exclusive", "mode")
    resctrl.set_mask(0x3)
    resctrl.echo("exclusive", "mode")


@needs("no-shareable")
def test_the_default_group_alone_may_be_exclusive(resctrl: Resctrl) -> None:
    resctrl.echo("exclusive", "mode")
    assert resctrl.read("mode") == "exclusive\n"


@needs("three-groups")
def test_nobody_else_gets_the_ways(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    resctrl.mkdir("a")
    for group in ("", "a"):
        with resctrl.refused(errno.EINVAL, "Overlaps with exclusive group"):
            resctrl.set_mask(0x6, group)
    assert resctrl.mask() == 0x1C


def test_an_exclusive_group_takes_nobody_elses(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    with resctrl.refused(errno.EINVAL, "Overlaps with other group"):
        resctrl.set_mask(0x7, "ex")
    assert resctrl.mask("ex") == 0x3


@needs("shareable")
def test_an_exclusive_group_takes_no_shareable_ways(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    with resctrl.refused(errno.EINVAL, "Overlaps with other group"):
        resctrl.set_mask(resctrl.host.cache.shareable, "ex")


def test_an_exclusive_group_may_change_within_what_is_free(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    resctrl.set_mask(0x60, "ex")
    assert set(resctrl.masks("ex").values()) == {0x60}
    resctrl.set_mask(0x3)
    assert resctrl.mask() == 0x3


@needs("three-groups")
def test_two_exclusive_groups_side_by_side(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x10)
    resctrl.mkdir("b")
    resctrl.set_mask(0x60, "b")
    resctrl.echo("exclusive", "b/mode")
    with resctrl.refused(errno.EINVAL, "Overlaps with exclusive group"):
        resctrl.set_mask(0x6, "b")


def test_the_ways_are_free_again_when_the_group_is_gone(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    resctrl.rmdir("ex")
    resctrl.set_mask(0x1F)
    assert resctrl.mask() == 0x1F


def test_a_new_group_with_the_closid_of_an_exclusive_one_is_shareable(resctrl: Resctrl) -> None:
    resctrl.make_exclusive(0x3, rest=0x1C)
    resctrl.rmdir("ex")
    resctrl.mkdir("a")
    assert resctrl.read("a/mode") == "shareable\n"


@needs("cdp")
def test_code_and_data_of_others_both_count(resctrl: Resctrl) -> None:
    level = resctrl.host.cache.level
    resctrl.set_mask(0x3, lines=[f"L{level}CODE"])
    resctrl.set_mask(0xC, lines=[f"L{level}DATA"])
    resctrl.mkdir("a")
    resctrl.set_mask(0xC, "a", lines=[f"L{level}CODE"])
    resctrl.set_mask(0x30, "a", lines=[f"L{level}DATA"])
    with resctrl.refused(errno.EINVAL, "Schemata overlaps"):
        resctrl.echo("exclusive", "a/mode")
    resctrl.set_mask(0x30, "a")
    resctrl.echo("exclusive", "a/mode")


def test_no_pseudo_locking_of_the_default_group(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "Cannot pseudo-lock default group"):
        resctrl.echo("pseudo-locksetup", "mode")


@needs("no-cdp")
def test_no_pseudo_locking_on_these_cpus(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    with resctrl.refused(errno.EINVAL, "Pseudo-locking not supported"):
        resctrl.echo("pseudo-locksetup", "a/mode")


@needs("cdp")
def test_no_pseudo_locking_with_cdp(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    with resctrl.refused(errno.EINVAL, "CDP enabled"):
        resctrl.echo("pseudo-locksetup", "a/mode")
