"""mon_data, and the monitoring groups in mon_groups."""

import errno
import os

import pytest

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

pytestmark = needs("monitoring")

#: The kernel from which on a monitoring group can be renamed.
RENAME = (6, 5)
#: The kernel from which on a new group takes its CLOSID first, then its RMID.
CLOSID_FIRST = (6, 9)


def domains(resctrl: Resctrl) -> set[str]:
    return {f"mon_L3_{domain:02d}" for domain in resctrl.host.domains}


def test_mon_data_of_each_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    for group in ("", "a", "a/mon_groups/m"):
        assert resctrl.names(group, "mon_data") == domains(resctrl)
        for domain in domains(resctrl):
            assert resctrl.names(group, "mon_data", domain) == set(resctrl.host.events)


def test_a_figure_is_a_number(resctrl: Resctrl) -> None:
    for domain in domains(resctrl):
        for event in resctrl.host.events:
            assert int(resctrl.read("mon_data", domain, event)) >= 0


def test_files_of_a_monitoring_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("mon_groups/m")
    assert resctrl.names("mon_groups") == {"m"}
    assert resctrl.names("mon_groups/m") == {"cpus", "cpus_list", "tasks", "mon_data"}
    resctrl.rmdir("mon_groups/m")
    assert resctrl.names("mon_groups") == set()


def test_the_same_name_below_two_groups(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    for parent in ("", "a/"):
        resctrl.mkdir(f"{parent}mon_groups/m")
    with resctrl.refused(errno.EEXIST):
        resctrl.mkdir("mon_groups/m")


@pytest.mark.parametrize("name", ["mon_groups", "a\nb"])
def test_names_that_a_monitoring_group_cannot_have(resctrl: Resctrl, name: str) -> None:
    with resctrl.refused(errno.EINVAL if "\n" in name else errno.EPERM):
        resctrl.mkdir("mon_groups", name)
    assert resctrl.names("mon_groups") == set()


def test_no_groups_within_a_monitoring_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("mon_groups/m")
    with resctrl.refused(errno.EPERM):
        resctrl.mkdir("mon_groups/m/n")


def test_monitoring_groups_go_with_their_parent(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    resctrl.rmdir("a")
    assert "a" not in resctrl.names()
    resctrl.mkdir("a")
    assert resctrl.names("a/mon_groups") == set()


def test_there_are_as_many_as_rmids(resctrl: Resctrl) -> None:
    for number in range(1, resctrl.host.rmids):
        resctrl.mkdir(f"mon_groups/m{number}")
    for path in ("mon_groups/more", "a"):
        resctrl.fail_before()
        with resctrl.refused(errno.ENOSPC):
            os.mkdir(resctrl.path(path))
        assert resctrl.status.split("\n")[-1] == "Out of RMIDs"
    assert "a" not in resctrl.names()


def test_out_of_both(resctrl: Resctrl) -> None:
    """Which one the kernel looks for first."""
    for number in range(1, resctrl.host.closids):
        resctrl.mkdir(f"g{number}")
    for number in range(resctrl.host.closids, resctrl.host.rmids):
        resctrl.mkdir(f"mon_groups/m{number}")
    resctrl.fail_before()
    with resctrl.refused(errno.ENOSPC):
        os.mkdir(resctrl.path("a"))
    first = "CLOSIDs" if resctrl.host.kernel >= CLOSID_FIRST else "RMIDs"
    assert resctrl.status.split("\n")[-1] == f"Out of {first}"


def test_a_monitoring_group_is_renamed(resctrl: Resctrl) -> None:
    resctrl.mkdir("mon_groups/m")
    old, new = resctrl.path("mon_groups/m"), resctrl.path("mon_groups/n")
    if resctrl.host.kernel >= RENAME:
        os.rename(old, new)
        assert resctrl.names("mon_groups") == {"n"}
        assert resctrl.status == "ok"
    else:
        with resctrl.refused(errno.EPERM):
            os.rename(old, new)
        assert resctrl.names("mon_groups") == {"m"}


def test_a_monitoring_group_moves_to_another_parent(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("mon_groups/m")
    if resctrl.host.kernel >= RENAME:
        os.rename(resctrl.path("mon_groups/m"), resctrl.path("a/mon_groups/m"))
        assert resctrl.names("a/mon_groups") == {"m"}
        with resctrl.refused(errno.EPERM, "Destination must be a mon_groups subdirectory"):
            os.rename(resctrl.path("a/mon_groups/m"), resctrl.path("m"))
    else:
        with resctrl.refused(errno.EPERM):
            os.rename(resctrl.path("mon_groups/m"), resctrl.path("a/mon_groups/m"))


def test_one_that_monitors_cpus_stays(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("mon_groups/m")
    resctrl.echo("0", "mon_groups/m/cpus_list")
    stale = resctrl.fail_before()
    later = resctrl.host.kernel >= RENAME
    with resctrl.refused(errno.EPERM, "Cannot move a MON group that monitors CPUs" if later else stale):
        os.rename(resctrl.path("mon_groups/m"), resctrl.path("a/mon_groups/m"))
