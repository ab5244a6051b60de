"""The files cpus and cpus_list."""

from __future__ import annotations

import errno

import pytest

from tests.simulator.support import Bench


def test_both_files_say_the_same() -> None:
    bench = Bench()  # 16 CPUs
    assert bench.cat("cpus") == "ffff\n"
    assert bench.cat("cpus_list") == "0-15\n"
    bench.mkdir("a")
    assert bench.cat("a/cpus") == "0000\n"
    assert bench.cat("a/cpus_list") == "\n"


def test_cpus_move_between_groups() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.mkdir("b")
    bench.echo("2-5", "a/cpus_list")
    bench.echo("30", "b/cpus")  # CPUs 4 and 5
    assert bench.cat("a/cpus_list") == "2-3\n"
    assert bench.cat("b/cpus_list") == "4-5\n"
    assert bench.cat("cpus_list") == "0-1,6-15\n"
    bench.echo("4", "b/cpus_list")
    assert bench.cat("cpus_list") == "0-1,5-15\n"
    bench.rmdir("a")
    assert bench.cat("cpus_list") == "0-3,5-15\n"


def test_the_default_group_only_takes() -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.echo("2-5", "a/cpus_list")
    with bench.refused(errno.EINVAL, "Can't drop CPUs from default group"):
        bench.echo("0", "cpus_list")
    bench.echo("0-3,6-15", "cpus_list")
    assert bench.cat("a/cpus_list") == "4-5\n"


@pytest.mark.parametrize(
    ("file", "text", "code", "status"),
    [
        ("cpus_list", "16", errno.ERANGE, "Bad CPU list/mask"),
        ("cpus_list", "x", errno.EINVAL, "Bad CPU list/mask"),
        ("cpus", "10000", errno.EOVERFLOW, "Bad CPU list/mask"),
        ("cpus_list", "3", errno.EINVAL, "Can only assign online CPUs"),
    ],
)
def test_what_is_refused(file: str, text: str, code: int, status: str) -> None:
    bench = Bench()
    bench.mkdir("a")
    bench.control("offline cpu 3")
    with bench.refused(code, status):
        bench.echo(text, f"a/{file}")


@pytest.mark.parametrize(
    ("kernel", "status"),
    [
        ("6.1", "Missing ':'\nBad CPU list/mask"),
        ("6.12", "Missing ':'\nBad CPU list/mask"),
        ("7.2", "Bad CPU list/mask"),
    ],
)
def test_older_kernels_add_to_the_last_status(kernel: str, status: str) -> None:
    bench = Bench(kernel=kernel)
    with bench.refused(errno.EINVAL):
        bench.echo("L3", "schemata")
    with bench.refused(errno.EINVAL, status):
        bench.echo("x", "cpus_list")


def test_monitoring_groups_have_cpus_of_their_parent() -> None:
    bench = Bench()
    for path in ("a", "a/mon_groups/m", "a/mon_groups/n"):
        bench.mkdir(path)
    with bench.refused(errno.EINVAL, "Can only add CPUs to mongroup that belong to parent"):
        bench.echo("1", "a/mon_groups/m/cpus_list")
    bench.echo("1-3", "a/cpus_list")
    bench.echo("1-2", "a/mon_groups/m/cpus_list")
    bench.echo("2-3", "a/mon_groups/n/cpus_list")
    assert bench.cat("a/mon_groups/m/cpus_list") == "1\n"
    assert bench.cat("a/cpus_list") == "1-3\n"
    bench.mkdir("b")
    bench.echo("2", "b/cpus_list")  # taken from the parent, so from its monitoring group too
    assert bench.cat("a/mon_groups/n/cpus_list") == "3\n"
    bench.echo("1-3", "a/cpus_list")  # a new mask of the parent clears its monitoring groups
    assert bench.cat("a/mon_groups/n/cpus_list") == "\n"
