"""A user's own threads, and nobody else's: also when an ID gets another meaning on the way."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rdtd.attach import Targets, attach
from rdtd.core.errors import AccessDenied, NotFound
from rdtd.threads import Threads
from tests.access.conftest import ROOT
from tests.access.test_actions import Sleeper
from tests.engine.test_attach import Kernel, run
from tests.support.users import NOBODY


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    sleeper = Sleeper(NOBODY)
    yield sleeper
    sleeper.close()


def test_whose_a_thread_is() -> None:
    mine = os.getpid()
    with Threads().of_user(mine, None), Threads().of_user(mine, os.getuid()):
        pass
    with pytest.raises(AccessDenied, match=f"thread {mine} is not of user 54321"):
        Threads().of_user(mine, 54321).__enter__()
    with pytest.raises(NotFound), Threads().of_user(4_194_305, 0):
        pass


@pytest.mark.parametrize("uids", ["0 0 0", "1000 0 0", "1000 1000 0", "0 1000 1000"])
def test_a_program_that_runs_set_user_id_is_not_its_users(tmp_path: Path, uids: str) -> None:
    (tmp_path / "7").mkdir()
    real, effective, saved = uids.split()
    (tmp_path / "7" / "status").write_text(f"Name:\tx\nUid:\t{real}\t{effective}\t{saved}\t{effective}\n")
    with pytest.raises(AccessDenied), Threads(str(tmp_path)).of_user(7, 1000):
        pass


def kernel_that_ends(sleeper: Sleeper) -> Kernel:
    """Its thread is in group "other", and ends when it is moved to "mine"."""
    kernel = Kernel(other={sleeper.process.pid}, mine=set())

    def end(group: str, _: int) -> None:
        if group == "mine":
            sleeper.process.kill()
            sleeper.process.wait()

    kernel.on_move = end
    return kernel


@ROOT
def test_a_thread_that_ends_while_it_is_moved_is_put_back(sleeper: Sleeper) -> None:
    """Another could have its ID by then: whoever has it is put where the first one was."""
    thread = sleeper.process.pid
    kernel = kernel_that_ends(sleeper)
    with pytest.raises(NotFound):
        run(attach(kernel, Threads(), "mine", Targets(tasks=(thread,), of_user=NOBODY), kernel.snapshot()))
    assert kernel.moves == [("mine", thread), ("other", thread)]
    assert kernel.dump() == {"": set(), "other": {thread}, "mine": set()}


@ROOT
def test_a_process_that_ends_while_it_is_moved_is_put_back(sleeper: Sleeper) -> None:
    thread = sleeper.process.pid
    kernel = kernel_that_ends(sleeper)
    targets = Targets(processes=(thread,), of_user=NOBODY)
    run(attach(kernel, Threads(), "mine", targets, kernel.snapshot()))
    assert kernel.dump() == {"": set(), "other": {thread}, "mine": set()}


def test_a_thread_that_becomes_another_users_while_it_is_moved_is_put_back(tmp_path: Path) -> None:
    status = tmp_path / "7" / "status"
    status.parent.mkdir()
    status.write_text("Uid:\t1000\t1000\t1000\t1000\n")
    (status.parent / "stat").write_text("7 (x) S 1 1 1 0 -1 0\n")
    kernel = Kernel(other={7}, mine=set())

    def become_root(group: str, _: int) -> None:
        status.write_text("Uid:\t1000\t0\t0\t0\n")

    kernel.on_move = become_root
    targets = Targets(tasks=(7,), of_user=1000)
    with pytest.raises(AccessDenied):
        run(attach(kernel, Threads(str(tmp_path)), "mine", targets, kernel.snapshot()))
    assert kernel.dump() == {"": set(), "other": {7}, "mine": set()}
