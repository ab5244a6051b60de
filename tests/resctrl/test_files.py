"""What a refused change is explained with."""

import errno
from pathlib import Path

import pytest

from rdtd.core.errors import KernelRefused, NoClosid, NotMounted
from rdtd.resctrl.files import Told, explain, read_text, write_text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "info").mkdir()
    (tmp_path / "schemata").write_text("")
    status(tmp_path, "Mask out of range\n")
    return tmp_path


def status(root: Path, text: str) -> None:
    (root / "info/last_cmd_status").write_text(text)


def error(code: int) -> OSError:
    return OSError(code, "what strerror says")


def test_the_kernels_reason(root: Path) -> None:
    found = explain(str(root), "write x", error(errno.EINVAL))
    assert isinstance(found, KernelRefused)
    assert str(found) == "write x: what strerror says (EINVAL); last_cmd_status: Mask out of range"


@pytest.mark.parametrize("text", ["ok\n", "", "\n"])
def test_no_reason(root: Path, text: str) -> None:
    status(root, text)
    found = explain(str(root), "write x", error(errno.EINVAL))
    assert str(found).endswith("(EINVAL); the kernel gave no reason in last_cmd_status")


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ENOMEM, errno.EINTR])
def test_a_text_about_an_older_command_is_not_quoted(root: Path, code: int) -> None:
    assert "Mask out of range" not in str(explain(str(root), "write x", error(code)))


def test_only_the_last_line_where_older_ones_stay(root: Path) -> None:
    status(root, "Mask out of range\nOut of CLOSIDs\n")
    found = explain(str(root), "mkdir x", error(errno.ENOSPC), Told.LAST)
    assert isinstance(found, NoClosid)
    assert "Mask" not in str(found)
    assert "last_cmd_status: Out of CLOSIDs" in str(found)


def test_rmdir_says_nothing(root: Path) -> None:
    assert "Mask" not in str(explain(str(root), "rmdir x", error(errno.EBUSY), Told.NOTHING))


def test_no_room_for_another_reason_is_no_closid(root: Path) -> None:
    status(root, "Out of RMIDs\n")
    assert type(explain(str(root), "mkdir x", error(errno.ENOSPC))) is KernelRefused


def test_read_only(root: Path) -> None:
    found = explain(str(root), "write x", error(errno.EROFS))
    assert "mounted read-only" in str(found)
    assert "-o rw" in str(found)


def test_a_mount_that_is_gone(root: Path) -> None:
    assert type(explain(str(root), "write x", error(errno.ENOENT))) is KernelRefused
    (root / "schemata").unlink()
    assert type(explain(str(root), "write x", error(errno.ENOENT))) is NotMounted


def test_texts_of_any_bytes(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    Path(path).write_bytes(b"\xff\xfe" * 100_000)
    text = read_text(path)
    write_text(path, text)
    assert Path(path).read_bytes() == b"\xff\xfe" * 100_000
