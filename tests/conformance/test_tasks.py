"""The file tasks, with real threads. After rdtgroup_tasks_write; inheritance is fork's and clone's."""

import errno
import os
import subprocess
import threading
from pathlib import Path

import pytest

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl
from tests.conformance.threads import Process, Worker

#: The kernel from which on one write can move several threads.
LISTS = (6, 7)
NOBODY = 65534
#: No kernel has so many threads (PID_MAX_LIMIT).
NO_THREAD = 1 << 23

#: Kernel 6.1 leaves the status alone; later ones say this.
NO_NUMBER = ("x", "1.5", "1 2", "4294967296", "-")


def test_every_thread_starts_in_the_default_group(resctrl: Resctrl, worker: Worker) -> None:
    tasks = resctrl.tasks()
    assert {os.getpid(), worker.id} <= set(tasks)
    assert len(tasks) == len(set(tasks))


def test_a_write_moves_one_thread(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.move(worker.id, "a")
    assert resctrl.tasks("a") == [worker.id]
    default = resctrl.tasks()
    assert worker.id not in default
    assert os.getpid() in default


@needs("three-groups")
def test_from_group_to_group_and_back(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("b")
    for group in ("a", "b", "b"):
        resctrl.move(worker.id, group)
        assert {name: resctrl.tasks(name) for name in "ab"} == {"a": [], "b": []} | {group: [worker.id]}
    resctrl.move(worker.id)
    assert resctrl.tasks("b") == []
    assert worker.id in resctrl.tasks()


def test_zero_is_who_writes(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    worker.submit(resctrl.echo, "0", "a/tasks").result()
    assert resctrl.tasks("a") == [worker.id]


def test_forms_of_a_number(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    for form in (" {} ", "+{}", "\t{}", "0x{:x}", "0{:o}"):
        resctrl.echo(form.format(worker.id), "a/tasks")
        assert resctrl.tasks("a") == [worker.id]
        resctrl.move(worker.id)


def test_a_newline_is_not_needed(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.write(str(worker.id), "a/tasks")
    assert resctrl.tasks("a") == [worker.id]


def test_no_such_thread(resctrl: Resctrl) -> None:
    status = f"No task {NO_THREAD}"
    if resctrl.host.kernel >= LISTS:
        status += f"\nError while processing task {NO_THREAD}"
    with resctrl.refused(errno.ESRCH, status):
        resctrl.move(NO_THREAD)


def test_a_thread_that_is_gone(resctrl: Resctrl, process: Process) -> None:
    process.end()
    with resctrl.refused(errno.ESRCH):
        resctrl.move(process.pid)
    assert resctrl.status.split("\n")[0] == f"No task {process.pid}"


def test_what_is_no_thread_id(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    is_later = resctrl.host.kernel >= LISTS
    for text in NO_NUMBER:
        with resctrl.refused(errno.EINVAL, f"Task list parsing error pid {text}" if is_later else stale):
            resctrl.echo(text, "tasks")


def test_a_negative_thread_id(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    is_later = resctrl.host.kernel >= LISTS
    with resctrl.refused(errno.EINVAL, "Invalid pid -1" if is_later else stale):
        resctrl.echo("-1", "tasks")


def test_an_empty_line(resctrl: Resctrl) -> None:
    stale = resctrl.fail_before()
    if resctrl.host.kernel >= LISTS:
        resctrl.echo("", "tasks")
        assert resctrl.status == "ok"
    else:
        with resctrl.refused(errno.EINVAL, stale):
            resctrl.echo("", "tasks")


def test_a_list_of_threads(resctrl: Resctrl, worker: Worker, process: Process) -> None:
    resctrl.mkdir("a")
    stale = resctrl.fail_before()
    text = f"{worker.id}, {process.pid}"
    if resctrl.host.kernel >= LISTS:
        resctrl.echo(text, "a/tasks")
        assert sorted(resctrl.tasks("a")) == sorted([worker.id, process.pid])
    else:
        with resctrl.refused(errno.EINVAL, stale):
            resctrl.echo(text, "a/tasks")
        assert resctrl.tasks("a") == []


def test_what_comes_before_a_bad_one_is_moved(resctrl: Resctrl, worker: Worker, process: Process) -> None:
    resctrl.mkdir("a")
    if resctrl.host.kernel < LISTS:
        with resctrl.refused(errno.EINVAL):
            resctrl.echo(f"{worker.id},x", "a/tasks")
        assert resctrl.tasks("a") == []
        return
    with resctrl.refused(errno.EINVAL, "Task list parsing error pid x"):
        resctrl.echo(f"{worker.id},x,{process.pid}", "a/tasks")
    assert resctrl.tasks("a") == [worker.id]
    with resctrl.refused(errno.ESRCH, f"No task {NO_THREAD}\nError while processing task {NO_THREAD}"):
        resctrl.echo(f"{process.pid},{NO_THREAD},{os.getpid()}", "a/tasks")
    assert sorted(resctrl.tasks("a")) == sorted([worker.id, process.pid])


def test_two_lines_are_no_list(resctrl: Resctrl, worker: Worker, process: Process) -> None:
    resctrl.mkdir("a")
    with resctrl.refused(errno.EINVAL):
        resctrl.echo(f"{worker.id}\n{process.pid}", "a/tasks")
    assert resctrl.tasks("a") == []


def test_a_thread_ends_and_is_gone_from_its_group(resctrl: Resctrl, process: Process) -> None:
    resctrl.mkdir("a")
    resctrl.move(process.pid, "a")
    process.end()
    assert resctrl.tasks("a") == []


def test_threads_of_a_process_move_one_by_one(resctrl: Resctrl, process: Process) -> None:
    thread = process.start_thread()
    resctrl.mkdir("a")
    resctrl.move(process.pid, "a")
    assert resctrl.tasks("a") == [process.pid]
    resctrl.move(thread, "a")
    assert sorted(resctrl.tasks("a")) == sorted([process.pid, thread])


def test_new_threads_and_children_are_where_their_parent_is(resctrl: Resctrl, process: Process) -> None:
    before = process.fork()
    resctrl.mkdir("a")
    resctrl.move(process.pid, "a")
    after = {process.start_thread(), process.fork()}
    assert set(resctrl.tasks("a")) == {process.pid} | after
    assert before in resctrl.tasks()


@needs("three-groups")
def test_a_grandchild_is_where_its_parent_was(resctrl: Resctrl, process: Process) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("b")
    resctrl.move(process.pid, "a")
    child = process.fork()
    resctrl.move(process.pid, "b")
    assert (resctrl.tasks("a"), resctrl.tasks("b")) == ([child], [process.pid])


@needs("real")
def test_a_child_is_where_the_thread_was_that_forked(resctrl: Resctrl, worker: Worker) -> None:
    """The simulator cannot know which thread forked: it takes the first one's group."""
    resctrl.mkdir("a")
    resctrl.move(worker.id, "a")
    with worker.submit(subprocess.Popen, ["cat"], stdin=subprocess.PIPE).result() as child:
        assert child.pid in resctrl.tasks("a")


@needs("real")
def test_proc_tells_the_group(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.move(worker.id, "a")
    groups = Path(f"/proc/{os.getpid()}/task/{worker.id}/cpu_resctrl_groups")
    assert groups.read_text() == "res:a\nmon:\n"
    resctrl.rmdir("a")
    assert groups.read_text() == "res:/\nmon:\n"


def test_rmdir_sends_threads_to_the_default_group(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.move(worker.id, "a")
    resctrl.rmdir("a")
    assert worker.id in resctrl.tasks()
    resctrl.mkdir("a")
    assert resctrl.tasks("a") == []


def test_a_user_moves_only_his_own(resctrl: Resctrl, worker: Worker) -> None:
    """Who may write to the file is one thing, whose thread it is another."""
    resctrl.mkdir("a")
    os.chown(resctrl.path("a/tasks"), NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(PermissionError) as caught:
            resctrl.move(worker.id, "a")
    finally:
        os.seteuid(0)
    assert caught.value.errno == errno.EPERM
    assert resctrl.status.split("\n")[0] == f"No permission to move task {worker.id}"
    assert resctrl.tasks("a") == []


@needs("monitoring")
def test_into_a_monitoring_group(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    resctrl.move(worker.id, "a")
    resctrl.move(worker.id, "a/mon_groups/m")
    assert resctrl.tasks("a/mon_groups/m") == [worker.id]
    assert resctrl.tasks("a") == [worker.id]
    resctrl.rmdir("a/mon_groups/m")
    assert resctrl.tasks("a") == [worker.id]


@needs("monitoring")
def test_not_into_a_monitoring_group_of_another(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    with resctrl.refused(errno.EINVAL):
        resctrl.move(worker.id, "a/mon_groups/m")
    assert resctrl.status.split("\n")[0] == "Can't move task to different control group"
    assert worker.id in resctrl.tasks()


def test_the_list_is_by_process_and_thread(resctrl: Resctrl, process: Process) -> None:
    threads = [process.pid, process.start_thread(), process.start_thread()]
    assert [task for task in resctrl.tasks() if task in threads] == threads
    assert threading.get_native_id() in resctrl.tasks()
