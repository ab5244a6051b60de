"""The files cpus and cpus_list. After rdtgroup_cpus_write, cpus_ctrl_write and cpus_mon_write."""

import errno
from collections.abc import Iterable

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

#: The kernel from which on a write to these files starts with a clear status.
CLEARS = (7, 0)
#: For cpus_list; all of them have the same status.
BAD_LISTS = {
    "x": "EINVAL",
    "1-0": "EINVAL",
    "0-": "EINVAL",
    "-1": "EINVAL",
    "9999": "ERANGE",
    "0,9999": "ERANGE",
    "0-9999": "ERANGE",
}
#: For cpus.
BAD_MASKS = {
    "x": "EINVAL",
    "10000000" + ",00000000" * 20: "EOVERFLOW",
    "0,00000001": "EOVERFLOW",
    "123456789": "EOVERFLOW",
    "0x1": "EINVAL",
}


def form_mask(resctrl: Resctrl, cpus: set[int]) -> str:
    """How the file cpus prints them on a host of up to 32 CPUs."""
    digits = (len(resctrl.online_cpus()) + 3) // 4
    return f"{sum(1 << cpu for cpu in cpus):0{digits}x}\n"


def some(resctrl: Resctrl) -> int:
    return max(resctrl.online_cpus())


def test_every_cpu_starts_in_the_default_group(resctrl: Resctrl) -> None:
    assert resctrl.cpus() == resctrl.online_cpus()
    assert resctrl.read("cpus") == form_mask(resctrl, resctrl.online_cpus())


def test_a_list(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("0-1", "a/cpus_list")
    assert resctrl.read("a/cpus_list") == "0-1\n"
    assert resctrl.read("a/cpus") == form_mask(resctrl, {0, 1})
    assert resctrl.cpus() == resctrl.online_cpus() - {0, 1}


def test_a_mask(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("3", "a/cpus")
    assert resctrl.cpus("a") == {0, 1}


def test_forms_of_a_list(resctrl: Resctrl) -> None:
    texts = ("0", "0,0", "0-0", "0,", ",0", "0 ", "\t0", "0-1:1/2", "0\n")
    assert written(resctrl, "cpus_list", texts) == dict.fromkeys(texts, ("fine: ok", {0}))


def test_forms_of_a_mask(resctrl: Resctrl) -> None:
    texts = ("1", "01", "00000001", "1,", "\t1")
    assert written(resctrl, "cpus", texts) == dict.fromkeys(texts, ("fine: ok", {0}))


def written(resctrl: Resctrl, file: str, texts: Iterable[str]) -> dict[str, tuple[str, set[int]]]:
    """For each text: what came of writing it to a group's file, and the CPUs that the group had then."""
    found = {}
    for text in texts:
        resctrl.mkdir("a")
        resctrl.set_mask(0x1)  # for a clear status
        found[text] = (resctrl.outcome(text, "a", file), resctrl.cpus("a"))
        resctrl.rmdir("a")
    return found


def test_a_newline_is_not_needed(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.write("0", "a/cpus_list")
    assert resctrl.cpus("a") == {0}


@needs("three-groups")
def test_all_and_the_last(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("all", "a/cpus_list")
    assert resctrl.cpus("a") == resctrl.online_cpus()
    assert resctrl.cpus() == set()
    resctrl.mkdir("b")
    resctrl.echo("N", "b/cpus_list")
    assert resctrl.cpus("b") == {some(resctrl)}


def test_bad_lists(resctrl: Resctrl) -> None:
    expected = {text: (f"{code}: Bad CPU list/mask", set[int]()) for text, code in BAD_LISTS.items()}
    assert written(resctrl, "cpus_list", BAD_LISTS) == expected


def test_bad_masks(resctrl: Resctrl) -> None:
    expected = {text: (f"{code}: Bad CPU list/mask", set[int]()) for text, code in BAD_MASKS.items()}
    assert written(resctrl, "cpus", BAD_MASKS) == expected


def test_a_refusal_adds_to_the_status_of_earlier_kernels(resctrl: Resctrl) -> None:
    lines = [resctrl.fail_before(), "Bad CPU list/mask"]
    expected = lines[1:] if resctrl.host.kernel >= CLEARS else lines
    with resctrl.refused(errno.EINVAL, "\n".join(expected)):
        resctrl.echo("x", "cpus_list")


@needs("three-groups")
def test_a_cpu_is_in_one_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("b")
    resctrl.echo("0-1", "a/cpus_list")
    resctrl.echo("1", "b/cpus_list")
    assert (resctrl.cpus("a"), resctrl.cpus("b")) == ({0}, {1})
    resctrl.echo("1", "a/cpus_list")  # what is written is all that it has
    assert (resctrl.cpus("a"), resctrl.cpus("b")) == ({1}, set())
    assert 0 in resctrl.cpus()


def test_dropped_cpus_go_to_the_default_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("0-1", "a/cpus_list")
    resctrl.echo("", "a/cpus_list")
    assert resctrl.cpus("a") == set()
    assert resctrl.cpus() == resctrl.online_cpus()


def test_the_default_group_drops_none(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "Can't drop CPUs from default group"):
        resctrl.echo("0", "cpus_list")
    assert resctrl.cpus() == resctrl.online_cpus()


def test_the_default_group_takes_some(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("0", "a/cpus_list")
    resctrl.echo(",".join(map(str, resctrl.online_cpus())), "cpus_list")
    assert resctrl.cpus("a") == set()


def test_rmdir_sends_cpus_to_the_default_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.echo("0", "a/cpus_list")
    resctrl.rmdir("a")
    assert resctrl.cpus() == resctrl.online_cpus()


def test_cpus_that_are_offline(resctrl: Resctrl) -> None:
    cpu = some(resctrl)
    resctrl.mkdir("a")
    resctrl.driver.offline([cpu])
    with resctrl.refused(errno.EINVAL, "Can only assign online CPUs"):
        resctrl.echo(str(cpu), "a/cpus_list")


@needs("monitoring")
def test_cpus_of_a_monitoring_group_are_its_parents(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    with resctrl.refused(errno.EINVAL, "Can only add CPUs to mongroup that belong to parent"):
        resctrl.echo("0", "a/mon_groups/m/cpus_list")
    resctrl.echo("0-1", "a/cpus_list")
    resctrl.echo("0", "a/mon_groups/m/cpus_list")
    assert (resctrl.cpus("a"), resctrl.cpus("a/mon_groups/m")) == ({0, 1}, {0})
    resctrl.mkdir("a/mon_groups/n")
    resctrl.echo("0", "a/mon_groups/n/cpus_list")
    assert resctrl.cpus("a/mon_groups/m") == set()


@needs("monitoring", "three-groups")
def test_a_monitoring_group_loses_what_its_parent_loses(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    resctrl.echo("0-1", "a/cpus_list")
    resctrl.echo("0-1", "a/mon_groups/m/cpus_list")
    resctrl.mkdir("b")
    resctrl.echo("1", "b/cpus_list")
    assert resctrl.cpus("a/mon_groups/m") == {0}
    resctrl.echo("0", "a/cpus_list")  # a write to the parent takes all from them
    assert resctrl.cpus("a/mon_groups/m") == set()
