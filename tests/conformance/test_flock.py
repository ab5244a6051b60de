"""flock(2) on the root directory, as libvirt, pqos and rdtd use it."""

import fcntl
import os
from collections.abc import Iterator

import pytest

from tests.conformance.resctrl import Resctrl


@pytest.fixture
def two(resctrl: Resctrl) -> Iterator[tuple[int, int]]:
    """The root directory, opened twice."""
    fds = [os.open(resctrl.root, os.O_RDONLY | os.O_DIRECTORY) for _ in range(2)]
    yield fds[0], fds[1]
    for fd in fds:
        os.close(fd)


def is_taken(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False


def test_exclusive(two: tuple[int, int]) -> None:
    fcntl.flock(two[0], fcntl.LOCK_EX)
    assert is_taken(two[1], fcntl.LOCK_EX)
    assert is_taken(two[1], fcntl.LOCK_SH)
    fcntl.flock(two[0], fcntl.LOCK_UN)
    assert not is_taken(two[1], fcntl.LOCK_EX)


def test_shared(two: tuple[int, int]) -> None:
    fcntl.flock(two[0], fcntl.LOCK_SH)
    assert not is_taken(two[1], fcntl.LOCK_SH)
    assert is_taken(two[1], fcntl.LOCK_EX)


def test_it_keeps_nobody_from_writing(resctrl: Resctrl, two: tuple[int, int]) -> None:
    fcntl.flock(two[0], fcntl.LOCK_EX)
    resctrl.mkdir("a")
    resctrl.set_mask(0x3, "a")
    assert resctrl.mask("a") == 0x3
