"""A refused change carries the kernel's words for it, and never those for an older command."""

import errno
from pathlib import Path

import pytest

from rdtd.core.errors import Busy, KernelRefused, NoClosid, NotMounted
from rdtd.resctrl.files import Told, explain


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "schemata").write_text("L3:0=f\n")
    (tmp_path / "info").mkdir()
    return tmp_path


def refused(root: Path, status: str, number: int, told: Told = Told.ALL) -> Exception:
    (root / "info/last_cmd_status").write_text(status)
    return explain(str(root), "mkdir 'a'", OSError(number, "as strerror has it"), told)


def test_every_line_counts_where_the_command_cleared_the_text(root: Path) -> None:
    error = refused(root, "No task 5\nError while processing task 5\n", errno.ESRCH)
    assert isinstance(error, KernelRefused)
    assert "last_cmd_status: No task 5; Error while processing task 5" in str(error)


def test_the_last_line_counts_where_older_kernels_only_add_one(root: Path) -> None:
    error = refused(root, "Mask out of range\nOut of CLOSIDs\n", errno.ENOSPC, Told.LAST)
    assert isinstance(error, NoClosid)
    assert "Out of CLOSIDs" in str(error)
    assert "range" not in str(error)


def test_a_closid_that_was_missing_earlier_is_not_missing_now(root: Path) -> None:
    error = refused(root, "Out of CLOSIDs\nNo space on L3:0\n", errno.ENOSPC, Told.LAST)
    assert isinstance(error, KernelRefused)


def test_monitoring_ids_that_are_not_free_yet(root: Path) -> None:
    error = refused(root, "Out of RMIDs\n", errno.EBUSY, Told.LAST)
    assert isinstance(error, Busy)
    assert "last_cmd_status: Out of RMIDs" in str(error)
    assert "try again" in str(error)
    assert isinstance(refused(root, "Out of RMIDs\n", errno.ENOSPC, Told.LAST), KernelRefused)


@pytest.mark.parametrize(
    ("number", "told"), [(errno.EACCES, Told.ALL), (errno.EINVAL, Told.NOTHING), (errno.EINTR, Told.LAST)]
)
def test_the_text_of_an_older_command_is_not_quoted(root: Path, number: int, told: Told) -> None:
    assert "the kernel gave no reason" in str(refused(root, "Mask out of range\n", number, told))


def test_ok_is_no_reason(root: Path) -> None:
    assert "the kernel gave no reason" in str(refused(root, "ok\n", errno.EINVAL))


def test_read_only_and_unmounted_say_what_to_do(root: Path) -> None:
    assert "remount it with -o rw" in str(refused(root, "ok\n", errno.EROFS))
    (root / "schemata").unlink()
    assert isinstance(refused(root, "ok\n", errno.ENOENT), NotMounted)
