"""What rdtd waits for, and for how long: the lock of others, and IDs for monitoring."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from rdtd.bus import message as messages
from rdtd.bus.wire import encode
from tests.recovery.conftest import Host
from tests.support.caller import MANAGER, NAME, PATH, RDTD_ERROR, BusError


@pytest.fixture(scope="module")
def rdtd_options() -> Iterator[Sequence[str]]:
    with TemporaryDirectory(prefix="rdtd-test-") as directory:
        path = Path(directory, "rdtd.conf")
        path.write_text("[Manager]\nLockTimeout=500ms\n")
        yield ["--config", str(path)]


@contextmanager
def lock_held(host: Host) -> Iterator[None]:
    handle = os.open(host.mount.root, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def test_the_lock_of_another_delays_and_then_it_is_busy(host: Host) -> None:
    """The caller is told the limit; others read meanwhile, and nothing of it is left."""
    body = encode("ssa{sv}", ["a", "size=1ways", {}])
    with lock_held(host):
        host.caller.client._send(messages.call(4000, NAME, PATH, MANAGER, "ReserveSpec", body))
        for _ in range(3):  # answered before the call that came first
            assert len(host.caller.free()) == 2
            assert host.caller.reservations() == []
        with pytest.raises(BusError) as caught:
            host.caller.reserve("b", "size=1ways")
    assert caught.value.name == RDTD_ERROR + "Busy"
    text = f"another program holds the lock on {host.mount.root}; gave up after 0.5 s"
    assert caught.value.text == text
    assert host.mount.groups() == host.caller.names() == []


def test_no_rmid_at_once(host: Host) -> None:
    """The kernel gives them back by and by: the call waits."""
    host.control("fail mkdir rdtd.a EBUSY 1 Out of RMIDs")
    assert host.caller.reserve("a", "size=1ways")


def test_no_rmid_at_all(host: Host) -> None:
    host.control("fail mkdir rdtd.a EBUSY always Out of RMIDs")
    with pytest.raises(BusError) as caught:
        host.caller.reserve("a", "size=1ways")
    assert caught.value.name == RDTD_ERROR + "Busy"
    assert "Out of RMIDs" in caught.value.text
    assert caught.value.text.endswith("gave up after 0.5 s")
    assert host.mount.groups() == []


def test_no_rmid_for_a_group_that_was_removed(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    host.caller.signals_so_far()
    host.control("fail mkdir rdtd.a EBUSY 1 Out of RMIDs")
    (host.mount.root / "rdtd.a").rmdir()
    host.until("degraded")
    host.drift("rdtd.a", "removed")
    host.until("ready")
