"""The file tasks, and who inherits what."""

from __future__ import annotations

import errno

import pytest

from rdtd.simulator.tasks import Caller
from tests.simulator.support import Bench


def bench_with_threads(*threads: int, kernel: str = "6.12") -> Bench:
    bench = Bench(kernel=kernel)
    for thread in threads:
        bench.threads.add(thread)
    bench.mkdir("a")
    bench.mkdir("b")
    return bench


def test_one_write_moves_one_thread() -> None:
    bench = bench_with_threads(10)
    bench.threads.add(11, process=10)
    bench.echo("10", "a/tasks")
    assert bench.cat("a/tasks") == "10\n"
    assert bench.cat("tasks") == "1\n11\n"
    bench.echo("10", "tasks")
    assert bench.cat("tasks") == "1\n10\n11\n"


def test_removing_a_group_gives_its_tasks_back() -> None:
    bench = bench_with_threads(10)
    bench.echo("10", "a/tasks")
    bench.rmdir("a")
    assert bench.cat("tasks") == "1\n10\n"


def test_zero_is_who_writes() -> None:
    bench = bench_with_threads(10)
    bench.echo("0", "a/tasks", Caller(thread=10))
    assert bench.cat("a/tasks") == "10\n"


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("999", errno.ESRCH, "No task 999\nError while processing task 999"),
        ("x", errno.EINVAL, "Task list parsing error pid x"),
        ("-1", errno.EINVAL, "Invalid pid -1"),
        ("10,,11", errno.EINVAL, "Task list parsing error pid "),
        ("10 11", errno.EINVAL, "Task list parsing error pid 10 11"),
        ("4294967296", errno.EINVAL, "Task list parsing error pid 4294967296"),
    ],
)
def test_what_is_refused(text: str, code: int, status: str) -> None:
    bench = bench_with_threads(10, 11)
    with bench.refused(code, status):
        bench.echo(text, "a/tasks")


def test_a_list_moves_what_comes_before_the_bad_one() -> None:
    bench = bench_with_threads(10, 11, 12)
    with bench.refused(errno.ESRCH):
        bench.echo("10, 11,99,12", "a/tasks")
    assert bench.cat("a/tasks") == "10\n11\n"


@pytest.mark.parametrize("text", ["", "10,"])
def test_lists_that_end_early_are_fine(text: str) -> None:
    bench = bench_with_threads(10)
    bench.echo(text, "a/tasks")
    assert bench.status == "ok\n"


@pytest.mark.parametrize("text", ["10,11", "x", "-1", ""])
def test_kernel_6_1_takes_one_thread_and_says_nothing(text: str) -> None:
    bench = bench_with_threads(10, 11, kernel="6.1")
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.echo("L3", "schemata")
    with bench.refused(errno.EINVAL, "Missing ':'"):
        bench.echo(text, "a/tasks")
    assert bench.cat("a/tasks") == ""


def test_kernel_6_1_has_one_line_for_a_missing_thread() -> None:
    bench = bench_with_threads(kernel="6.1")
    with bench.refused(errno.ESRCH, "No task 999"):
        bench.echo("999", "a/tasks")


def test_users_move_their_own() -> None:
    bench = bench_with_threads(10)
    bench.threads.add(20, uid=7)
    bench.echo("20", "a/tasks", Caller(uid=7))
    with bench.refused(errno.EPERM, "No permission to move task 10\nError while processing task 10"):
        bench.echo("10", "a/tasks", Caller(uid=7))


def test_children_and_threads_inherit() -> None:
    bench = bench_with_threads(10)
    bench.echo("10", "a/tasks")
    bench.threads.add(11, process=10)
    bench.threads.add(20, parent=10)
    bench.threads.add(21, process=20, parent=10)
    bench.threads.add(30, parent=20)
    assert bench.cat("a/tasks") == "10\n11\n20\n21\n30\n"
    assert bench.cat("tasks") == "1\n"


def test_what_was_there_before_the_move_does_not_inherit() -> None:
    bench = bench_with_threads(10)
    bench.threads.add(20, parent=10)
    bench.echo("10", "a/tasks")
    assert bench.cat("a/tasks") == "10\n"
    bench.threads.add(21, parent=10)
    bench.echo("10", "b/tasks")
    assert bench.cat("a/tasks") == "21\n"
    assert bench.cat("b/tasks") == "10\n"


def test_the_dead_vanish_and_a_reused_number_is_new() -> None:
    bench = bench_with_threads(10, 11)
    bench.echo("10,11", "a/tasks")
    del bench.threads.table[10]
    bench.threads.starts[11] = 5
    assert bench.cat("a/tasks") == ""
    assert bench.cat("tasks") == "1\n11\n"


def test_monitoring_groups_take_from_their_parent_only() -> None:
    bench = bench_with_threads(10, 11)
    bench.mkdir("a/mon_groups/m")
    with bench.refused(
        errno.EINVAL, "Can't move task to different control group\nError while processing task 10"
    ):
        bench.echo("10", "a/mon_groups/m/tasks")
    bench.echo("10,11", "a/tasks")
    bench.echo("10", "a/mon_groups/m/tasks")
    assert bench.cat("a/mon_groups/m/tasks") == "10\n"
    assert bench.cat("a/tasks") == "10\n11\n"
    bench.rmdir("a/mon_groups/m")
    assert bench.cat("a/tasks") == "10\n11\n"
    bench.mkdir("a/mon_groups/m")
    bench.echo("10", "a/mon_groups/m/tasks")
    bench.rmdir("a")
    assert bench.cat("tasks") == "1\n10\n11\n"


def test_monitoring_groups_of_the_default_group() -> None:
    bench = bench_with_threads(10)
    bench.mkdir("mon_groups/m")
    bench.echo("10", "mon_groups/m/tasks")
    assert bench.cat("mon_groups/m/tasks") == "10\n"
    assert bench.cat("tasks") == "1\n10\n"
    bench.rmdir("mon_groups/m")
    assert bench.cat("tasks") == "1\n10\n"
