"""mkdir, rmdir and rename, and what a new group starts with."""

from __future__ import annotations

import errno

import pytest

from rdtd.simulator.tasks import Caller
from tests.simulator.support import Bench


def test_files_of_a_group() -> None:
    bench = Bench()
    bench.mkdir("a")
    files = {"cpus", "cpus_list", "mode", "mon_data", "mon_groups", "schemata", "size", "tasks"}
    assert bench.ls("a") == files
    assert bench.ls() == files | {"a", "info"}
    bench.mkdir("a/mon_groups/m")
    assert bench.ls("a/mon_groups/m") == {"cpus", "cpus_list", "mon_data", "tasks"}


def test_files_of_info() -> None:
    bench = Bench()
    assert bench.ls("info") == {"L3", "L3_MON", "MB", "last_cmd_status"}
    assert bench.ls("info/L3") == {
        "bit_usage",
        "cbm_mask",
        "min_cbm_bits",
        "num_closids",
        "shareable_bits",
        "sparse_masks",
    }
    assert bench.ls("info/MB") == {
        "bandwidth_gran",
        "delay_linear",
        "min_bandwidth",
        "num_closids",
        "thread_throttle_mode",
    }
    assert bench.ls("info/L3_MON") == {"max_threshold_occupancy", "mon_features", "num_rmids"}
    assert "mbm_assign_mode" in Bench(kernel="7.2").ls("info/L3_MON")


def test_no_monitoring_without_the_hardware() -> None:
    bench = Bench("l2")
    assert bench.ls() == {"cpus", "cpus_list", "info", "mode", "schemata", "size", "tasks"}
    assert bench.cat("schemata") == "L2:0=ff;1=ff\n"
    bench.mkdir("a")
    with bench.refused(errno.EPERM):
        bench.mkdir("a/x")


def test_the_smallest_number_of_closids_is_the_limit() -> None:
    bench = Bench()  # L3 has 16, MB has 8
    for index in range(7):
        bench.mkdir(f"g{index}")
    with bench.refused(errno.ENOSPC, "Out of CLOSIDs"):
        bench.mkdir("g7")
    bench.rmdir("g3")
    bench.rmdir("g1")
    bench.mkdir("g7")
    assert bench.state.groups["g7"].closid == 2  # the lowest free one


def test_rmids_are_a_limit_too() -> None:
    bench = Bench(kernel="7.2", rmids=3)
    bench.mkdir("a")
    bench.mkdir("a/mon_groups/m")
    with bench.refused(errno.ENOSPC, "Out of RMIDs"):
        bench.mkdir("b")
    with bench.refused(errno.ENOSPC, "Out of RMIDs"):
        bench.mkdir("mon_groups/m")
    bench.rmdir("a")  # gives back the monitoring group's too
    bench.mkdir("b")
    bench.mkdir("mon_groups/m")


@pytest.mark.parametrize(
    ("kernel", "status"), [("6.12", "Missing ':'\nOut of CLOSIDs"), ("7.2", "Out of CLOSIDs")]
)
def test_older_kernels_add_to_the_last_status(kernel: str, status: str) -> None:
    bench = Bench(kernel=kernel, mb=1)
    with bench.refused(errno.EINVAL):
        bench.echo("L3", "schemata")
    with bench.refused(errno.ENOSPC, status):
        bench.mkdir("a")


@pytest.mark.parametrize("name", ["info", "mon_groups", "mon_data", "schemata", "a"])
def test_names_that_are_there(name: str) -> None:
    bench = Bench()
    bench.mkdir("a")
    with bench.refused(errno.EEXIST):
        bench.mkdir(name)


@pytest.mark.parametrize("name", ["é", ".hidden", "x" * 255, "a b", "\udcff"])
def test_odd_names_that_are_fine(name: str) -> None:
    bench = Bench()
    bench.mkdir(name)
    assert name in bench.ls()
    bench.rmdir(name)
    assert name not in bench.ls()


def test_a_newline_is_refused_and_the_status_stays() -> None:
    bench = Bench()
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.echo("L3", "schemata")
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.mkdir("a\nb")


@pytest.mark.parametrize(
    ("kernel", "path", "code", "status"),
    [
        ("6.12", "a/x", errno.EPERM, "Missing ':'"),
        ("7.2", "a/x", errno.EPERM, "ok"),
        ("6.12", "info/x", errno.EPERM, "Missing ':'"),
        ("7.2", "info/x", errno.ENODEV, "Missing ':'"),
        ("6.12", "mon_groups/mon_groups", errno.EPERM, "Missing ':'"),
        ("7.2", "mon_groups/mon_groups", errno.EPERM, "ok"),
        ("7.2", "a/mon_data/x", errno.EPERM, "ok"),
    ],
)
def test_where_no_directory_can_be_made(kernel: str, path: str, code: int, status: str) -> None:
    bench = Bench(kernel=kernel)
    bench.mkdir("a")
    with bench.refused(errno.EINVAL):
        bench.echo("L3", "schemata")
    with bench.refused(code, status):
        bench.mkdir(path)


@pytest.mark.parametrize(
    "path", ["info", "info/L3", "mon_groups", "mon_data", "mon_data/mon_L3_00", "a/mon_groups", "a/mon_data"]
)
def test_directories_that_stay(path: str) -> None:
    bench = Bench()
    bench.mkdir("a")
    with bench.refused(errno.EPERM):
        bench.rmdir(path)


def test_rmdir_of_what_is_no_group() -> None:
    bench = Bench()
    with bench.refused(errno.ENOENT):
        bench.rmdir("a")
    with bench.refused(errno.ENOTDIR):
        bench.rmdir("schemata")


def test_rmdir_leaves_the_status() -> None:
    bench = Bench()
    bench.mkdir("a")
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.echo("L3", "schemata")
    bench.rmdir("a")
    assert bench.status == "Missing ':'\n"


def test_a_new_group_has_every_way_that_is_not_exclusive() -> None:
    bench = Bench(shareable_bits=0)
    bench.echo("L3:0=f0;1=f", "schemata")
    bench.mkdir("a")
    assert bench.line("a", "L3") == "0=7ff;1=7ff"
    bench.echo("L3:0=6;1=70", "a/schemata")
    bench.echo("exclusive", "a/mode")
    bench.mkdir("b")
    assert bench.line("b", "L3") == "0=001;1=00f"  # the lowest run of what is left


def test_a_new_group_needs_room_for_the_shortest_mask() -> None:
    bench = Bench(shareable_bits=0, min_cbm_bits=2)
    bench.echo("L3:0=3;1=3", "schemata")
    bench.mkdir("a")
    bench.echo("L3:0=7f8;1=7f0", "a/schemata")
    bench.echo("exclusive", "mode")
    bench.echo("exclusive", "a/mode")
    with bench.refused(errno.ENOSPC, "No space on L3:0"):  # one way there, two on cache 1
        bench.mkdir("b")
    assert "b" not in bench.ls()
    bench.echo("L3:0=7f0", "a/schemata")
    bench.mkdir("b")
    assert bench.line("b", "L3") == "0=00c;1=00c"


def test_with_cdp_the_other_half_counts_too() -> None:
    bench = Bench("xeon-cdp", shareable_bits=0)
    bench.echo("L3CODE:0=fff;1=fff\nL3DATA:0=fff;1=fff", "schemata")
    bench.mkdir("a")
    bench.echo("L3CODE:0=f0000;1=f0000\nL3DATA:0=f000;1=f000", "a/schemata")
    bench.echo("exclusive", "a/mode")
    bench.mkdir("b")
    assert bench.line("b", "L3CODE") == bench.line("b", "L3DATA") == "0=00fff;1=00fff"


def test_a_removed_closid_starts_afresh() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.echo("L3:0=1\nMB:0=10", "a/schemata")
    bench.rmdir("a")
    bench.mkdir("b")
    assert bench.cat("b/schemata") == "    MB:0=100;1=100\n    L3:0=7ff;1=7ff\n"


def test_a_group_belongs_to_its_maker() -> None:
    bench = Bench()
    bench.mkdir("a", Caller(uid=7, gid=8))
    for path in ("/a", "/a/tasks", "/a/mon_groups", "/a/mon_data/mon_L3_00/llc_occupancy"):
        node = bench.machine.lookup(path)
        assert (node.uid, node.gid) == (7, 8)
    bench.machine.chown("/a/tasks", -1, 9)
    bench.machine.chmod("/a/tasks", 0o664)
    node = bench.machine.lookup("/a/tasks")
    assert (node.uid, node.gid, node.mode & 0o777) == (7, 9, 0o664)


def test_an_open_file_does_not_outlive_its_group() -> None:
    bench = Bench()
    bench.mkdir("a")
    owner = bench.machine.open("/a/schemata", writing=True)
    bench.rmdir("a")
    with bench.refused(errno.ENODEV):
        bench.machine.read("/a/schemata", owner)
    bench.mkdir("a")
    with bench.refused(errno.ENODEV):
        bench.machine.write("/a/schemata", "L3:0=1\n", Caller(), owner=owner)
    assert bench.line("a", "L3") == "0=7ff;1=7ff"


def test_monitoring_groups_can_be_renamed_and_moved() -> None:
    bench = Bench()
    bench.threads.add(50)
    for path in ("a", "b", "a/mon_groups/m"):
        bench.mkdir(path)
    bench.echo("50", "a/tasks")
    bench.echo("50", "a/mon_groups/m/tasks")
    bench.echo("L3:0=1", "b/schemata")
    bench.machine.rename("/a/mon_groups/m", "/b/mon_groups/n")
    bench.now += 1.0
    traffic = [bench.cat(f"{group}/mon_data/mon_L3_00/mbm_total_bytes") for group in ("a", "b/mon_groups/n")]
    assert int(traffic[0]) == 11 * int(traffic[1]) > 0  # it has the one way of b now
    assert bench.ls("a/mon_groups") == set()
    assert bench.ls("b/mon_groups") == {"n"}
    assert bench.cat("b/tasks") == bench.cat("b/mon_groups/n/tasks") == "50\n"
    assert bench.cat("a/tasks") == ""


@pytest.mark.parametrize(
    ("kernel", "old", "new", "code", "status"),
    [
        ("6.12", "a", "c", errno.EPERM, "Source must be a MON group"),
        ("7.2", "a/mon_groups", "x", errno.EPERM, "Source must be a MON group"),
        ("6.12", "a/mon_groups/m", "m", errno.EPERM, "Destination must be a mon_groups subdirectory"),
        ("6.12", "info/L3", "info/L4", errno.ENOENT, "ok"),
        ("6.1", "a/mon_groups/m", "a/mon_groups/n", errno.EPERM, "ok"),
        ("6.12", "a/mon_groups/m", "b/mon_groups/taken", errno.EEXIST, "ok"),
    ],
)
def test_what_cannot_be_renamed(kernel: str, old: str, new: str, code: int, status: str) -> None:
    bench = Bench(kernel=kernel)
    for path in ("a", "b", "a/mon_groups/m", "b/mon_groups/taken"):
        bench.mkdir(path)
    with bench.refused(code, status):
        bench.machine.rename(f"/{old}", f"/{new}")
    assert bench.ls("a/mon_groups") == {"m"}


def test_the_kernel_forgot_a_newline_where_a_file_is_renamed() -> None:
    bench = Bench()
    with bench.refused(errno.EPERM):
        bench.machine.rename("/schemata", "/x")
    assert bench.status == "Source and destination must be directories"


def test_a_monitoring_group_with_cpus_does_not_move() -> None:
    bench = Bench()
    for path in ("a", "b", "a/mon_groups/m"):
        bench.mkdir(path)
    bench.echo("3", "a/cpus_list")
    bench.echo("3", "a/mon_groups/m/cpus_list")
    with bench.refused(errno.EPERM, "Cannot move a MON group that monitors CPUs"):
        bench.machine.rename("/a/mon_groups/m", "/b/mon_groups/m")
