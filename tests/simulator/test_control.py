"""The control directory: hotplug, remount, faults, counts, and the machine's sysfs."""

from __future__ import annotations

import errno

import pytest

from tests.simulator.support import Bench


def test_a_domain_comes_back_with_full_masks() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.echo("L3:0=f;1=f0\nMB:1=50", "a/schemata")
    bench.echo("8-9", "a/cpus_list")
    bench.control("offline L3 1")
    assert bench.cat("a/schemata") == "    MB:0=100\n    L3:0=00f\n"
    assert bench.cat("a/cpus_list") == "\n"
    assert bench.cat("cpus_list") == "0-7\n"
    assert bench.cat("info/L3/bit_usage") == "0=XXSSSSSSSSS\n"
    assert bench.ls("mon_data") == bench.ls("a/mon_data") == {"mon_L3_00"}
    with bench.refused(errno.EINVAL, "ok"):
        bench.echo("L3:1=f", "a/schemata")
    bench.control("online L3 1")
    assert bench.cat("a/schemata") == "    MB:0=100;1=100\n    L3:0=00f;1=7ff\n"
    assert bench.cat("a/cpus_list") == "\n"
    assert bench.cat("cpus_list") == "0-15\n"


def test_a_domain_lives_as_long_as_one_of_its_cpus() -> None:
    bench = Bench()
    bench.echo("L3:1=f", "schemata")
    bench.control("offline cpu 8-14")
    assert bench.line("", "L3") == "0=7ff;1=00f"
    bench.control("offline cpu 15")
    bench.control("online cpu 9")
    assert bench.line("", "L3") == "0=7ff;1=7ff"


def test_remount_starts_anew() -> None:
    bench = Bench()
    bench.threads.add(10)
    bench.mkdir("a")
    bench.echo("10", "a/tasks")
    bench.echo("L3:0=f", "schemata")
    bench.control("remount cdp")
    assert bench.line("", "L3CODE") == "0=7ff;1=7ff"
    assert "a" not in bench.ls()
    assert bench.cat("tasks") == "1\n10\n"
    bench.control("remount debug")
    assert bench.cat("ctrl_hw_id") == "0\n"
    assert bench.line("", "L3") == "0=7ff;1=7ff"


def test_a_remount_that_is_impossible_changes_nothing() -> None:
    bench = Bench("l2")
    bench.mkdir("a")
    with bench.refused(errno.EINVAL, "simulator: L2 has no CDP"):
        bench.control("remount cdpl2")
    with bench.refused(errno.EINVAL, "simulator: there is no L3 allocation, so no CDP for it"):
        bench.control("remount cdp")
    assert "a" in bench.ls()


def test_operations_fail_as_often_as_told() -> None:
    bench = Bench()
    bench.mkdir("rdtd.a")
    bench.control("fail write rdtd.*/schemata EIO 2 The machine is on fire")
    for _ in range(2):
        with bench.refused(errno.EIO, "The machine is on fire"):
            bench.echo("L3:0=f", "rdtd.a/schemata")
    bench.echo("L3:0=1", "schemata")
    bench.echo("L3:0=f", "rdtd.a/schemata")


def test_a_failure_without_a_text_leaves_the_status() -> None:
    bench = Bench()
    bench.control("fail mkdir x ENOMEM")
    with bench.refused(errno.ENOMEM, "ok"):
        bench.mkdir("x")
    bench.mkdir("x")
    bench.control("fail rmdir * EBUSY always")
    for _ in range(3):
        with bench.refused(errno.EBUSY):
            bench.rmdir("x")
    bench.control("fail read schemata 5")
    with bench.refused(errno.EIO):
        bench.cat("schemata")
    bench.control("clear")
    bench.rmdir("x")


def test_operations_take_as_long_as_told() -> None:
    bench = Bench()
    bench.control("delay read schemata 2.5 2")
    bench.control("fail read schemata EIO")
    with bench.refused(errno.EIO):
        bench.cat("schemata")
    bench.cat("mode")
    bench.cat("schemata")
    bench.cat("schemata")
    assert bench.slept == [2.5, 2.5]


def test_read_only() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.control("readonly on")
    with bench.refused(errno.EROFS):
        bench.mkdir("b")
    with bench.refused(errno.EROFS):
        bench.rmdir("a")
    with bench.refused(errno.EROFS):
        bench.echo("L3:0=f", "schemata")
    with bench.refused(errno.EROFS):
        bench.machine.open("/schemata", writing=True)
    with bench.refused(errno.EROFS):
        bench.machine.chmod("/schemata", 0o600)
    bench.cat("schemata")
    bench.control("readonly off")
    bench.rmdir("a")


def test_the_kernel_changes_a_mask_by_itself() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.control("kernel-change a L3:0=f;1=f0")
    bench.control("kernel-change / MB:1=33")
    assert bench.line("a", "L3") == "0=00f;1=0f0"
    assert bench.line("", "MB") == "0=100;1= 40"
    assert bench.status == "ok\n"


def test_control_shows_its_commands_and_what_is_pending() -> None:
    bench = Bench()
    bench.control("fail write */schemata EIO 3 On fire\ndelay mkdir * 0.5\nreadonly on")
    assert bench.cat(".simulator/control").endswith(
        "\nfail write */schemata EIO 3 On fire\ndelay mkdir * 0.5 1\nreadonly on\n"
    )
    assert "offline LEVEL CACHE-ID" in bench.cat(".simulator/control")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("explode", "unknown command 'explode'"),
        ("offline L3 7", "no cache L3 7"),
        ("offline L3", "give L3 and a cache ID, or cpu and a list"),
        ("offline cpu 99", "no such CPUs '99'"),
        ("offline cpu 0-15", "the last CPU stays online"),
        ("fail write x EFUNNY", "unknown errno 'EFUNNY'"),
        ("fail write x errorcode", "unknown errno 'errorcode'"),
        ("fail open x EIO", "unknown operation 'open'"),
        ("fail write x EIO 0", "'0' is no count"),
        ("fail write", "give an operation, a path, and what is to happen"),
        ("delay write x -1", "'-1' is no delay"),
        ("delay write x soon", "could not convert string to float: 'soon'"),
        ("readonly maybe", "readonly on, or off"),
        ("clear all", "clear takes no argument"),
        ("remount ro", "unknown option 'ro'"),
        ("kernel-change x L3:0=1", "no group 'x'"),
        ("kernel-change / L9:0=1", "no line 'L9' in schemata"),
        ("kernel-change / L3:7=1", "no domain '7'"),
        ("kernel-change /", "give a group and a line of schemata"),
    ],
)
def test_bad_commands(command: str, reason: str) -> None:
    bench = Bench()
    with bench.refused(errno.EINVAL, f"simulator: {reason}"):
        bench.control(command)


def test_the_directory_is_hidden_and_cannot_be_changed() -> None:
    bench = Bench()
    assert ".simulator" not in bench.ls()
    assert bench.ls(".simulator") == {"control", "operations", "sys"}
    with bench.refused(errno.EPERM):
        bench.mkdir(".simulator/x")
    with bench.refused(errno.EPERM):
        bench.rmdir(".simulator/sys")
    with bench.refused(errno.EACCES):
        bench.machine.open("/.simulator/sys/devices/system/cpu/online", writing=True)


def test_operations_are_counted() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.echo("L3:0=f", "a/schemata")
    bench.cat("a/schemata")
    bench.cat("schemata")
    bench.rmdir("a")
    bench.cat(".simulator/control")
    assert bench.cat(".simulator/operations") == "mkdir 1\nread schemata 2\nrmdir 1\nwrite schemata 1\n"
    bench.echo("", ".simulator/operations")
    assert bench.cat(".simulator/operations") == ""


def test_sysfs_tells_of_the_caches() -> None:
    bench = Bench()
    base = ".simulator/sys/devices/system/cpu"
    assert bench.cat(f"{base}/online") == bench.cat(f"{base}/present") == "0-15\n"
    l3 = f"{base}/cpu9/cache/index3"
    assert bench.ls(l3) >= {"id", "level", "type", "size", "shared_cpu_list", "ways_of_associativity"}
    assert [bench.cat(f"{l3}/{name}") for name in ("id", "level", "type", "size", "shared_cpu_list")] == [
        "1\n",
        "3\n",
        "Unified\n",
        "25344K\n",
        "8-15\n",
    ]
    bench.control("offline cpu 8-9")
    assert bench.cat(f"{base}/online") == "0-7,10-15\n"
    assert bench.cat(f"{base}/offline") == "8-9\n"
    assert bench.cat(f"{base}/cpu9/online") == "0\n"
    assert bench.ls(f"{base}/cpu9") == {"online"}
    assert bench.cat(f"{base}/cpu10/cache/index3/shared_cpu_list") == "10-15\n"


def test_sysfs_of_a_part_without_l3() -> None:
    bench = Bench("l2")
    cache = ".simulator/sys/devices/system/cpu/cpu3/cache"
    assert bench.ls(cache) == {"index0", "index1", "index2"}
    assert bench.cat(f"{cache}/index2/shared_cpu_list") == "2-3\n"
