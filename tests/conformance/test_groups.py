"""mkdir, rmdir and rename of groups. After rdtgroup_mkdir, rdtgroup_rmdir and rdtgroup_rename."""

import errno
import os

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

#: The kernel from which on a monitoring group can be renamed.
RENAME = (6, 5)
#: The kernel from which on mkdir starts with a clear status.
CLEARS = (7, 0)


def test_there_are_as_many_groups_as_closids(resctrl: Resctrl) -> None:
    names = [f"g{number}" for number in range(1, resctrl.host.closids)]
    for name in names:
        resctrl.mkdir(name)
    assert resctrl.status == "ok"
    with resctrl.refused(errno.ENOSPC, "Out of CLOSIDs"):
        resctrl.mkdir("more")
    assert "more" not in resctrl.names()
    resctrl.rmdir(names[-1])
    resctrl.mkdir("more")
    with resctrl.refused(errno.ENOSPC):
        resctrl.mkdir("most")


def test_the_limit_is_the_smallest_of_all_resources(resctrl: Resctrl) -> None:
    limits = [int(resctrl.read("info", line.name, "num_closids")) for line in resctrl.host.lines]
    assert min(limits) == resctrl.host.closids


def test_files_of_a_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    files = {"cpus", "cpus_list", "tasks", "schemata", "mode", "size"}
    if resctrl.host.rmids:
        files |= {"mon_groups", "mon_data"}
    assert resctrl.names("a") == files
    assert resctrl.names() == files | {"info", "a"}


def test_a_new_group_is_empty(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    assert resctrl.tasks("a") == []
    assert resctrl.read("a/tasks") == ""
    assert resctrl.cpus("a") == set()
    assert resctrl.read("a/cpus_list") == "\n"
    assert resctrl.read("a/mode") == "shareable\n"
    assert resctrl.status == "ok"


def test_names_that_are_there(resctrl: Resctrl) -> None:
    resctrl.mkdir("twice")
    stale = resctrl.fail_before()
    for name in ("info", "cpus", "schemata", "tasks", "twice"):
        with resctrl.refused(errno.EEXIST, stale):
            resctrl.mkdir(name)


@needs("monitoring")
def test_reserved_names(resctrl: Resctrl) -> None:
    for name in ("mon_groups", "mon_data"):
        with resctrl.refused(errno.EEXIST):
            resctrl.mkdir(name)


@needs("no-monitoring", "three-groups")
def test_names_are_not_reserved_without_monitoring(resctrl: Resctrl) -> None:
    """The kernel refuses what exists, and without monitoring that does not exist."""
    resctrl.mkdir("mon_data")
    resctrl.mkdir("mon_groups")


def test_names(resctrl: Resctrl) -> None:
    for name in ("rdtd.a", ".hidden", "-x", "a b", "größe", "\t", "\\", "x" * 255, "L3", "..."):
        resctrl.mkdir(name)
        assert name in resctrl.names()
        assert resctrl.mask(name) == resctrl.host.cache.full
        resctrl.rmdir(name)
        assert name not in resctrl.names()


def test_a_name_that_is_not_utf8(resctrl: Resctrl) -> None:
    name = os.fsdecode(b"\xff\xfe")
    resctrl.mkdir(name)
    assert name in resctrl.names()


def test_a_newline_in_a_name(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    for name in ("\n", "a\nb", "a\n"):
        with resctrl.refused(errno.EINVAL, stale):
            resctrl.mkdir(name)


def test_a_name_longer_than_other_file_systems_have(resctrl: Resctrl) -> None:
    """kernfs has no limit of its own."""
    name = "x" * 300
    resctrl.mkdir(name)
    assert resctrl.mask(name) == resctrl.host.cache.full
    resctrl.rmdir(name)


def test_groups_are_made_in_the_root_only(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    with resctrl.refused(errno.EPERM):
        resctrl.mkdir("a", "b")


def test_no_group_in_info(resctrl: Resctrl) -> None:
    later = resctrl.host.kernel >= (7, 0) and resctrl.host.rmids
    with resctrl.refused(errno.ENODEV if later else errno.EPERM):
        resctrl.mkdir("info", "a")


@needs("monitoring")
def test_no_group_in_mon_data(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EPERM):
        resctrl.mkdir("mon_data", "a")


def test_rmdir_of_what_is_no_group(resctrl: Resctrl) -> None:
    directories = ["info", f"info/{resctrl.host.cache.name}"]
    if resctrl.host.rmids:
        directories += ["mon_groups", "mon_data"]
    for directory in directories:
        with resctrl.refused(errno.EPERM):
            resctrl.rmdir(directory)
    with resctrl.refused(errno.ENOTDIR):
        resctrl.rmdir("schemata")
    with resctrl.refused(errno.ENOENT):
        resctrl.rmdir("nowhere")


def test_rmdir_leaves_the_status(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    stale = resctrl.fail_before()
    resctrl.rmdir("a")
    assert resctrl.status == stale


def test_mkdir_clears_the_status_on_later_kernels(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    resctrl.mkdir("a")
    assert resctrl.status == ("ok" if resctrl.host.kernel >= CLEARS else stale)


def test_a_refused_mkdir_adds_to_the_status_of_earlier_kernels(resctrl: Resctrl) -> None:
    for number in range(1, resctrl.host.closids):
        resctrl.mkdir(f"g{number}")
    lines = [resctrl.fail_before(), "Out of CLOSIDs", "Out of CLOSIDs"]
    for _ in range(2):
        with resctrl.refused(errno.ENOSPC):
            resctrl.mkdir("more")
    assert resctrl.status.split("\n") == (lines[-1:] if resctrl.host.kernel >= CLEARS else lines)


def test_a_removed_group_leaves_nothing_to_its_successor(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.set_mask(0x3, "a")
    resctrl.rmdir("a")
    resctrl.mkdir("a")
    assert set(resctrl.masks("a").values()) == {resctrl.host.cache.full}


def test_an_open_file_of_a_removed_group(resctrl: Resctrl) -> None:
    """Not even a group of the same name brings it back."""
    resctrl.mkdir("a")
    fd = os.open(resctrl.path("a/schemata"), os.O_RDWR)
    try:
        resctrl.rmdir("a")
        for again in (False, True):
            if again:
                resctrl.mkdir("a")
            with resctrl.refused(errno.ENODEV):
                os.read(fd, 100)
            with resctrl.refused(errno.ENODEV):
                os.write(fd, f"{resctrl.host.cache.name}:{resctrl.host.domains[0]}=1\n".encode())
    finally:
        os.close(fd)
    assert resctrl.mask("a") == resctrl.host.cache.full


def test_a_control_group_is_not_renamed(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    stale = resctrl.fail_before()
    status = "Source must be a MON group" if resctrl.host.kernel >= RENAME else stale
    with resctrl.refused(errno.EPERM, status):
        os.rename(resctrl.path("a"), resctrl.path("b"))
    assert "a" in resctrl.names()


def test_a_file_is_not_renamed(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    status = "Source and destination must be directories" if resctrl.host.kernel >= RENAME else stale
    with resctrl.refused(errno.EPERM):
        os.rename(resctrl.path("schemata"), resctrl.path("b"))
    assert resctrl.read("info/last_cmd_status").strip() == status
