"""Fixtures for every suite. Nothing a test starts may be left behind."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.daemon import Daemon

# Tests that are started in the background may have these ignored, and every child inherits that: no test of
# Ctrl-C would end. In the foreground this changes nothing.
signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(_number, signal.SIG_DFL)

StartDaemon = Callable[..., Daemon]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Fails a test that leaves more child processes than there were, zombies included.

    One that a fixture of the whole module started may have been replaced by another.
    """
    before = _children()
    yield
    after = _children()
    assert len(after) <= len(before), f"child processes are left: {sorted(after - before)}"


def _children() -> set[str]:
    found: set[str] = set()
    for thread in Path(f"/proc/{os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            found.update((thread / "children").read_text().split())
    return found


@pytest.fixture
def start_daemon() -> Iterator[StartDaemon]:
    """Starts rdtd with those options of the simulator, and of its own."""
    with ExitStack() as stack:

        def start(
            simulator: Sequence[str] = (), *, options: Sequence[str] = (), policies: tuple[Path, ...] = ()
        ) -> Daemon:
            return stack.enter_context(Daemon(simulator, options=options, policies=policies))

        yield start


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    """rdtd on a private bus, over the simulator's default host: two sockets, 11 ways, DDIO."""
    return start_daemon()
