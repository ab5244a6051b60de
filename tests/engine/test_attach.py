"""Threads into groups and out again, when some of them fail or end on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rdtd.attach import Targets, attach, detach
from rdtd.core.errors import InvalidRequest, KernelRefused, NotFound
from rdtd.core.model import Group, Snapshot
from rdtd.resctrl.filesystem import Resctrl
from rdtd.threads import Threads


class Kernel(Resctrl):
    """Groups in memory. `on_move` is called before each move and may raise."""

    def __init__(self, **groups: set[int]) -> None:
        super().__init__("/nonexistent")
        self.members = {"": set[int](), **groups}
        self.on_move: Callable[[str, int], None] = lambda group, thread: None
        self.moves: list[tuple[str, int]] = []

    def move_task(self, group: str, task: int) -> None:
        self.on_move(group, task)
        if not any(task in members for members in self.members.values()):
            raise ProcessLookupError
        for members in self.members.values():
            members.discard(task)
        self.members[group].add(task)
        self.moves.append((group, task))

    def tasks(self, group: str) -> frozenset[int]:
        return frozenset(self.members[group])

    def snapshot(self) -> Snapshot:
        return Snapshot({}, {name: Group(name, {}) for name in self.members}, 16)

    def dump(self) -> dict[str, set[int]]:
        return {name: set(members) for name, members in self.members.items()}


class Host(Threads):
    """Processes in memory: {process: threads}."""

    def __init__(self, processes: dict[int, set[int]]) -> None:
        super().__init__("/nonexistent")
        self.processes = processes

    def check(self, thread: int) -> None:
        if not any(thread in threads for threads in self.processes.values()):
            raise NotFound(f"there is no thread {thread}")

    def of_process(self, process: int) -> frozenset[int]:
        return frozenset(self.processes.get(process, ()))


def run(work: Iterator[None]) -> None:
    for _ in work:
        pass


def failing_at(number: int, kernel: Kernel) -> Callable[[str, int], None]:
    def fail(group: str, thread: int) -> None:
        if len(kernel.moves) == number:
            kernel.on_move = lambda group, thread: None
            raise KernelRefused("not now")

    return fail


@pytest.mark.parametrize("number", range(6))
def test_any_move_fails(number: int) -> None:
    """Each thread goes back to the group that it came from."""
    kernel = Kernel(a={1}, b={2, 3}, x=set())
    kernel.members[""] = {4, 5, 6}
    host = Host({1: {1, 2}, 3: {3, 4, 5, 6}})
    before = kernel.dump()
    kernel.on_move = failing_at(number, kernel)
    with pytest.raises(KernelRefused):
        run(attach(kernel, host, "x", Targets((1, 2), (3,)), kernel.snapshot()))
    assert kernel.dump() == before


def test_threads_of_one_process_go_back_where_they_were() -> None:
    kernel = Kernel(a={1, 2}, x=set())
    before = kernel.dump()
    kernel.on_move = failing_at(1, kernel)
    with pytest.raises(KernelRefused):
        run(attach(kernel, Host({1: {1, 2}}), "x", Targets(processes=(1,)), kernel.snapshot()))
    assert kernel.dump() == before


@pytest.mark.parametrize("steps", range(4))
def test_closed_before_its_end(steps: int) -> None:
    kernel = Kernel(a={1, 2}, x=set())
    kernel.members[""] = {3}
    before = kernel.dump()
    work = attach(kernel, Host({1: {1, 2, 3}}), "x", Targets(processes=(1,)), kernel.snapshot())
    for _ in range(steps):
        next(work)
    work.close()
    assert kernel.dump() == before


def test_until_no_thread_is_new() -> None:
    """One that is not moved yet starts others, which are not inside then."""
    kernel = Kernel(x=set())
    host = Host({1: {1}})
    kernel.members[""] = {1}

    def start_another(group: str, thread: int) -> None:
        if thread < 20:
            host.processes[1].add(thread + 1)
            kernel.members[""].add(thread + 1)

    kernel.on_move = start_another
    run(attach(kernel, host, "x", Targets(processes=(1,)), kernel.snapshot()))
    assert kernel.members["x"] == set(range(1, 21))


def test_a_thread_that_was_named_ends() -> None:
    kernel = Kernel(a={1}, x=set())
    with pytest.raises(NotFound, match="there is no thread 2"):
        run(attach(kernel, Host({1: {1, 2}}), "x", Targets((1, 2)), kernel.snapshot()))
    assert kernel.members == {"": set(), "a": {1}, "x": set()}


def test_a_thread_of_a_process_ends() -> None:
    kernel = Kernel(a={1}, x=set())
    run(attach(kernel, Host({1: {1, 2}}), "x", Targets(processes=(1,)), kernel.snapshot()))
    assert kernel.members["x"] == {1}


def test_a_thread_ends_on_its_way_back() -> None:
    kernel = Kernel(a={1, 2}, x=set())

    def fail(group: str, thread: int) -> None:
        if len(kernel.moves) == 1:
            kernel.members["x"].discard(1)
            kernel.on_move = lambda group, thread: None
            raise KernelRefused("not now")

    kernel.on_move = fail
    with pytest.raises(KernelRefused):
        run(attach(kernel, Host({1: {1, 2}}), "x", Targets(processes=(1,)), kernel.snapshot()))
    assert kernel.members == {"": set(), "a": {2}, "x": set()}


@pytest.mark.parametrize("number", range(3))
def test_a_failed_detach_puts_all_back(number: int) -> None:
    kernel = Kernel(x={1, 2, 3}, a={4})
    before = kernel.dump()
    kernel.on_move = failing_at(number, kernel)
    with pytest.raises(KernelRefused):
        run(detach(kernel, Host({1: {1, 2, 3, 4}}), "x", Targets(processes=(1,))))
    assert kernel.dump() == before


def test_detach_takes_what_is_inside() -> None:
    kernel = Kernel(x={1, 2}, a={4})
    run(detach(kernel, Host({1: {1, 2, 3, 4}}), "x", Targets(processes=(1,))))
    assert kernel.members == {"": {1, 2}, "x": set(), "a": {4}}


def test_detach_of_what_is_not_inside() -> None:
    kernel = Kernel(x={1}, a={4})
    host = Host({1: {1}, 4: {4}})
    with pytest.raises(InvalidRequest, match="thread 4 is not in group 'x'"):
        detach(kernel, host, "x", Targets((1, 4)))
    with pytest.raises(InvalidRequest, match="no thread of process 4 is in group 'x'"):
        detach(kernel, host, "x", Targets(processes=(1, 4)))
    with pytest.raises(NotFound, match="there is no process 9"):
        detach(kernel, host, "x", Targets(processes=(9,)))
    assert kernel.moves == []


def stat_line(command: str, flags: int) -> str:
    return f"7 ({command}) S 1 7 7 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 24 0 0\n"


@pytest.mark.parametrize("command", ["sleep", "a) S 1 (b", ") 2097152 2097152 2097152 (", "(", ""])
def test_kernel_threads_are_told_by_their_flags(tmp_path: Path, command: str) -> None:
    threads = Threads(str(tmp_path))
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text(stat_line(command, 0x00400040))
    threads.check(7)
    (tmp_path / "7/stat").write_text(stat_line(command, 0x00208040))
    with pytest.raises(InvalidRequest, match="is a kernel thread") as caught:
        threads.check(7)
    assert f"thread 7 ({command})" in str(caught.value)


def test_threads_of_a_process(tmp_path: Path) -> None:
    threads = Threads(str(tmp_path))
    for thread in (7, 12):
        (tmp_path / f"7/task/{thread}").mkdir(parents=True)
    assert threads.of_process(7) == {7, 12}
    assert threads.of_process(8) == frozenset()
    with pytest.raises(NotFound, match="there is no thread 8"):
        threads.check(8)
