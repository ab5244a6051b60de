"""rdtd on a bus like the system's, and callers of several users."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.access.fake_authority import AuthorityThread
from tests.support.caller import Caller
from tests.support.daemon import Daemon
from tests.support.users import caller_as

DBUS = Path(__file__).parents[2] / "dbus"
POLICY = DBUS / "org.rdtd1.conf"
_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"

As = Callable[[int], Caller]

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


@contextmanager
def on_the_system_bus(daemon: Daemon) -> Iterator[None]:
    """The daemon's bus is the system bus, for what this process starts in the block."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = daemon.address
    daemon.options += ["--bus", "system"]
    try:
        yield
    finally:
        del os.environ[_VARIABLE]
        if before is not None:
            os.environ[_VARIABLE] = before


@pytest.fixture(scope="module")
def rdtd_options() -> tuple[str, ...]:
    """The options of a module's rdtd; modules have fixtures of this name for others."""
    return ()


@pytest.fixture(scope="module")
def rdtd(rdtd_options: tuple[str, ...]) -> Iterator[Daemon]:
    """rdtd, and nobody who is polkit yet."""
    fake = Path(__file__).with_name("fake-authority.conf")
    daemon = Daemon(policies=(POLICY, fake), options=rdtd_options)
    with on_the_system_bus(daemon), daemon:
        yield daemon


@pytest.fixture(scope="module")
def the_polkit(rdtd: Daemon) -> Iterator[AuthorityThread]:
    with AuthorityThread(rdtd.address) as running:
        yield running


@pytest.fixture
def polkit(the_polkit: AuthorityThread) -> AuthorityThread:
    """The module's polkit, which says no to everything until the test lets it say something else."""
    the_polkit.answer()
    return the_polkit


@pytest.fixture
def caller(rdtd: Daemon) -> Iterator[As]:
    """Callers by user ID. What was reserved is released at the end, and the log has no trace."""
    with ExitStack() as stack:
        yield lambda uid: stack.enter_context(caller_as(uid, rdtd.address))
    with Caller(rdtd.address) as root:
        for name in root.names():
            root.release(name)
    log = rdtd.log.read_text()
    assert "Traceback" not in log, log
