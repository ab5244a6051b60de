"""What goes into a guest and what comes out of it."""

import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.vm.errors import VmError
from tests.vm.project import (
    FILES,
    RESULTS,
    SOURCE,
    as_root,
    exit_status,
    extract_files,
    job_script,
    read_status,
    write_job,
)

GUEST_SIDE = "usr/lib/rdtd-vm"


@pytest.fixture(name="archive", scope="module")
def fixture_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("job") / "job"
    extra = path.with_name("extra.deb")
    extra.touch()
    write_job(path, ["true"], None, [extra])
    return path


def test_the_project_is_in_the_archive_as_if_installed(archive: Path) -> None:
    with tarfile.open(archive) as job:
        names = set(job.getnames())
        assert {
            f"{SOURCE}/pyproject.toml",
            f"{SOURCE}/rdtd/__init__.py",
            f"{SOURCE}/tests/vm/cpus.py",
        } <= names
        assert {"usr/bin/rdtd", "usr/bin/rdtctl", "usr/share/dbus-1/system.d/org.rdtd1.conf"} <= names
        assert {f"{GUEST_SIDE}/job", f"{GUEST_SIDE}/finish", f"{GUEST_SIDE}/smoke"} <= names
        assert {"usr/lib/systemd/system/rdtd-vm-job.service", f"{FILES}/extra.deb"} <= names
        assert job.getmember("usr/bin/rdtctl").mode == 0o755


def test_files_belong_to_root_and_compiled_python_stays_out() -> None:
    member = tarfile.TarInfo("rdtd/a.py")
    member.uid = member.gid = 1000
    rooted = as_root(member)
    assert rooted is not None
    assert (rooted.uid, rooted.gid, rooted.uname) == (0, 0, "root")
    assert as_root(tarfile.TarInfo("rdtd/__pycache__/a.pyc")) is None


def test_a_directory_of_the_root_file_system_is_not_replaced(archive: Path) -> None:
    with tarfile.open(archive) as job:
        assert not [member.name for member in job if member.isdir() and not member.name.startswith(SOURCE)]


def test_the_command_reaches_the_shell_unchanged() -> None:
    words = ["printf", "%s|", "a b", "$HOME", "it's", "", "*"]
    script = job_script(words, None).replace(f"cd /{SOURCE}", "cd /").replace("stty", "true")
    assert (
        subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout == b"a b|$HOME|it's||*|"
    )


def test_a_person_gets_a_terminal_of_the_size_of_theirs() -> None:
    assert "stty rows 50 columns 132\n" in job_script(["bash"], os.terminal_size((132, 50)))
    assert "stty -opost -echo\n" in job_script(["bash"], None)


@pytest.mark.parametrize(
    ("text", "status"), [("exited 0\n", 0), ("exited 7\n", 7), ("killed TERM\n", 143), ("dumped SEGV\n", 139)]
)
def test_exit_status_is_a_shells(text: str, status: int) -> None:
    assert exit_status(text) == status


@pytest.fixture(name="disk")
def fixture_disk(tmp_path: Path) -> Callable[[], Path]:
    """Makes the results disk of a guest whose job ended with status 7 and left two files."""

    def make() -> Path:
        tree = tmp_path / RESULTS
        (tree / "files/logs").mkdir(parents=True)
        (tree / "status").write_text("exited 7\n")
        (tree / "files/.keep").touch()
        (tree / "files/report.txt").write_text("report\n")
        (tree / "files/logs/journal").write_text("journal\n")
        disk = tmp_path / "results"
        subprocess.run(
            ["tar", "--create", f"--file={disk}", f"--directory={tree}", "./status", "./files"], check=True
        )
        os.truncate(disk, 1 << 20)
        return disk

    return make


def test_the_status_and_the_files_come_back(disk: Callable[[], Path], tmp_path: Path) -> None:
    results = disk()
    assert read_status(results) == 7
    extract_files(results, tmp_path / "back")
    found = {
        str(path.relative_to(tmp_path / "back")) for path in (tmp_path / "back").rglob("*") if path.is_file()
    }
    assert found == {"report.txt", "logs/journal"}
    assert (tmp_path / "back/logs/journal").read_text() == "journal\n"


def test_a_guest_that_ended_early_has_no_status(tmp_path: Path) -> None:
    (tmp_path / "results").write_bytes(bytes(1 << 20))
    assert read_status(tmp_path / "results") is None


def test_files_that_are_not_whole_are_said_so(disk: Callable[[], Path], tmp_path: Path) -> None:
    results = disk()
    content = results.read_bytes()
    start = content.index(b"journal\n")
    results.write_bytes(content[: start + 3])
    with pytest.raises(VmError, match="not whole"):
        extract_files(results, tmp_path / "back")


def test_no_file_comes_to_lie_outside(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "results", "w") as archive:
        archive.addfile(tarfile.TarInfo("./files/../../escaped"))
    with pytest.raises(VmError, match="outside"):
        extract_files(tmp_path / "results", tmp_path / "a/back")
    assert not (tmp_path / "escaped").exists()
