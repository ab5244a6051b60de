"""Through the mounted file system, with the system calls that clients of resctrl use."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import stat
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from rdtd.simulator.process import SimulatorProcess
from tests.simulator.conftest import Mount


@pytest.fixture
def root(simulator: SimulatorProcess) -> Path:
    return Path(simulator.root)


def shell(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], cwd=directory, capture_output=True, text=True, check=False)


def errno_of(operation: Callable[[], object]) -> str:
    with pytest.raises(OSError, match="Errno") as caught:
        operation()
    return errno.errorcode[caught.value.errno or 0]


def test_as_people_use_it(root: Path) -> None:
    result = shell(
        """
        set -e
        mkdir mine
        echo 'L3:0=f' > mine/schemata
        cat mine/schemata
        echo 'L3:0=5' > mine/schemata || true
        cat info/last_cmd_status
        rmdir mine
        ls
        """,
        root,
    )
    assert result.stdout == (
        "    MB:0=100;1=100\n    L3:0=00f;1=7ff\n"
        "The mask 5 has non-consecutive 1-bits\n"
        "cpus\ncpus_list\ninfo\nmode\nmon_data\nmon_groups\nschemata\nsize\ntasks\n"
    )
    assert result.stderr  # the failed echo


def test_permissions_are_those_of_resctrl(root: Path) -> None:
    (root / "a").mkdir()
    modes = {
        path: f"{stat.S_IMODE((root / path).stat().st_mode):o}"
        for path in (".", "a", "info", "schemata", "size", "a/tasks", "info/L3/cbm_mask", "a/mon_data")
    }
    assert modes == {
        ".": "555",
        "a": "755",
        "info": "555",
        "schemata": "644",
        "size": "444",
        "a/tasks": "644",
        "info/L3/cbm_mask": "444",
        "a/mon_data": "755",
    }


def test_files_have_no_size_and_are_read_nevertheless(root: Path) -> None:
    assert (root / "schemata").stat().st_size == 0
    assert (root / "schemata").read_bytes()
    (root / "schemata").write_text("L3:0=f\n")
    assert (root / "schemata").stat().st_size == 0


def test_directories_count_their_subdirectories(root: Path) -> None:
    assert (root / "info").stat().st_nlink == 2 + 3  # L3, L3_MON, MB
    (root / "a").mkdir()
    assert root.stat().st_nlink == 2 + 4


def test_what_a_file_system_of_commands_refuses(root: Path) -> None:
    (root / "a").mkdir()
    assert errno_of(lambda: os.open(root / "size", os.O_WRONLY)) == "EACCES"  # even for root
    assert errno_of(lambda: os.open(root / "info/L3/cbm_mask", os.O_RDWR)) == "EACCES"
    assert errno_of(lambda: (root / "new").touch()) == "EACCES"
    assert errno_of(lambda: (root / "schemata").unlink()) == "EPERM"
    assert errno_of(lambda: (root / "link").symlink_to("x")) == "EPERM"
    assert errno_of(lambda: os.link(root / "tasks", root / "link")) == "EPERM"
    assert errno_of(lambda: os.mkfifo(root / "fifo")) == "EPERM"
    assert errno_of(lambda: (root / "a").rename(root / "b")) == "EPERM"
    assert errno_of(lambda: (root / "info").rmdir()) == "EPERM"
    assert errno_of(lambda: (root / "a").mkdir()) == "EEXIST"
    assert errno_of(lambda: (root / "info").mkdir()) == "EEXIST"
    assert errno_of(lambda: (root / "a\nb").mkdir()) == "EINVAL"
    assert errno_of(lambda: (root / "schemata").rmdir()) == "ENOTDIR"
    assert errno_of(lambda: (root / "schemata").write_text("L3:0=" + "0" * 5000 + "\n")) == "E2BIG"


def test_truncating_and_appending_do_nothing_special(root: Path) -> None:
    os.truncate(root / "schemata", 0)
    assert (root / "schemata").read_text().endswith("L3:0=7ff;1=7ff\n")
    with (root / "schemata").open("a") as file:
        file.write("L3:0=f\n")
    with (root / "schemata").open("r+") as file:
        file.truncate()
        file.write("L3:1=f\n")
    assert (root / "schemata").read_text().endswith("L3:0=00f;1=00f\n")


def test_names_of_any_bytes(root: Path) -> None:
    for name in ("é".encode(), b".hidden", b"\xff\xfe", b"x" * 255, b"a;b=c"):
        os.mkdir(os.fsencode(root) + b"/" + name)
        assert name in os.listdir(os.fsencode(root))
        os.rmdir(os.fsencode(root) + b"/" + name)


def test_a_file_is_read_in_pieces_as_it_was_at_the_start(root: Path) -> None:
    with (root / "schemata").open("rb", buffering=0) as file:
        first = file.read(10)
        (root / "schemata").write_text("L3:0=f;1=f\n")
        rest = file.read()
        assert (first + rest).endswith(b"L3:0=7ff;1=7ff\n")
        file.seek(0)
        assert file.read().endswith(b"L3:0=00f;1=00f\n")


def test_nothing_stale_is_seen(simulator: SimulatorProcess, root: Path) -> None:
    """What changes without the kernel's knowing must not come from its caches."""
    (root / "a").mkdir()
    (root / "a/mon_data/mon_L3_01/llc_occupancy").read_text()
    os.stat(root / "info/L3")
    simulator.control("offline L3 1")
    assert not (root / "a/mon_data/mon_L3_01").exists()
    assert os.listdir(root / "a/mon_data") == ["mon_L3_00"]
    assert (root / "a/schemata").read_text() == "    MB:0=100\n    L3:0=7ff\n"
    simulator.control("remount cdp")
    assert not (root / "a").exists()
    assert not (root / "info/L3").exists()
    assert (root / "info/L3CODE/num_closids").read_text() == "8\n"
    simulator.control("kernel-change / L3CODE:0=1")
    assert "L3CODE:0=001\n" in (root / "schemata").read_text()


def test_an_open_file_of_a_removed_group_is_dead(root: Path) -> None:
    (root / "a").mkdir()
    with (root / "a/schemata").open("r+b", buffering=0) as file:
        (root / "a").rmdir()
        assert errno_of(lambda: os.pwrite(file.fileno(), b"L3:0=f\n", 0)) == "ENODEV"
        (root / "a").mkdir()
        assert errno_of(lambda: os.pread(file.fileno(), 100, 0)) == "ENODEV"


def test_real_threads(root: Path) -> None:
    (root / "a").mkdir()
    tasks = root / "a/tasks"
    assert str(os.getpid()) in (root / "tasks").read_text().split()
    started, stop = threading.Event(), threading.Event()
    found: list[int] = []

    def run() -> None:
        found.append(threading.get_native_id())
        tasks.write_text("0\n")  # 0: who writes
        started.set()
        stop.wait()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        started.wait()
        assert tasks.read_text().split() == [str(found[0])]
        with subprocess.Popen(["sleep", "60"]) as child:
            tasks.write_text(f"{child.pid}\n")
            assert sorted(map(int, tasks.read_text().split())) == sorted([found[0], child.pid])
            assert str(child.pid) not in (root / "tasks").read_text().split()
            child.kill()
    finally:
        stop.set()
        thread.join()
    assert tasks.read_text() == ""
    assert errno_of(lambda: tasks.write_text("4194305\n")) == "ESRCH"
    assert (root / "info/last_cmd_status").read_text().startswith("No task 4194305\n")


def test_children_inherit(root: Path) -> None:
    (root / "a").mkdir()
    result = shell("echo $$ > a/tasks; sleep 60 & echo $$ $!; cat a/tasks; kill $!", root)
    shell_and_child, *listed = result.stdout.splitlines()
    assert set(shell_and_child.split()) <= set(listed)


def test_flock_excludes_other_processes(root: Path) -> None:
    ours = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(ours, fcntl.LOCK_EX)
        taken = subprocess.run(["flock", "-n", root, "true"], check=False)
        assert taken.returncode == 1
        fcntl.flock(ours, fcntl.LOCK_SH)
        assert subprocess.run(["flock", "-n", "-s", root, "true"], check=False).returncode == 0
    finally:
        os.close(ours)
    assert subprocess.run(["flock", "-n", root, "true"], check=False).returncode == 0


class Watch:
    """inotify(7) on directories, read up to an event that must come."""

    KINDS: ClassVar = {0x2: "MODIFY", 0x8: "CLOSE_WRITE", 0x100: "CREATE", 0x200: "DELETE"}
    IS_DIRECTORY = 0x40000000

    def __init__(self, *directories: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_CLOEXEC)
        self._events: list[tuple[str, str]] = []
        for directory in directories:
            assert libc.inotify_add_watch(self._descriptor, os.fsencode(directory), sum(self.KINDS)) >= 0

    def until(self, last: tuple[str, str]) -> list[tuple[str, str]]:
        """The events up to this one: (kind, name), a directory's name with a slash."""
        while last not in self._events:
            ready, _, _ = select.select([self._descriptor], [], [], 10)
            assert ready, f"no {last} in {self._events}"
            data = os.read(self._descriptor, 65536)
            while data:
                _watch, mask, _cookie, length = struct.unpack_from("iIII", data)
                name = data[16 : 16 + length].rstrip(b"\0").decode()
                self._events.append(
                    (self.KINDS.get(mask & 0xFFF, "?"), name + "/" * bool(mask & self.IS_DIRECTORY))
                )
                data = data[16 + length :]
        return self._events[: self._events.index(last) + 1]

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def test_inotify_tells_what_other_processes_do(root: Path) -> None:
    (root / "b").mkdir()
    with Watch(root, root / "b") as watch:
        shell("mkdir a; echo 'L3:0=f' > schemata; echo 'L3:0=f' > b/tasks; rmdir a", root)
        events = watch.until(("DELETE", "a/"))
    assert ("CREATE", "a/") in events
    assert ("MODIFY", "schemata") in events
    assert ("CLOSE_WRITE", "schemata") in events
    assert ("CLOSE_WRITE", "tasks") in events  # though that write failed


def test_users_may_look_but_not_write(root: Path) -> None:
    (root / "a").mkdir()
    script = 'cat "$0/schemata" && ! mkdir "$0/x" && ! echo "L3:0=f" > "$0/a/schemata"'
    # The temporary directory that it is mounted on is its owner's alone, but the mount is not.
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script, str(root)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stderr.count("ermission denied") == 2


def test_a_fault_reaches_the_caller(simulator: SimulatorProcess, root: Path) -> None:
    simulator.control("fail mkdir rdtd.* ENOMEM 1 No memory")
    assert errno_of(lambda: (root / "rdtd.x").mkdir()) == "ENOMEM"
    assert (root / "info/last_cmd_status").read_text() == "No memory\n"
    (root / "rdtd.x").mkdir()
    simulator.control("readonly on")
    assert errno_of(lambda: (root / "rdtd.x").rmdir()) == "EROFS"
    assert errno_of(lambda: os.open(root / "schemata", os.O_WRONLY)) == "EROFS"


def test_every_kernel_can_be_mounted(mount: Mount) -> None:
    printed = {
        kernel: Path(mount("--preset=xeon-cdp", "--kernel", kernel, "--no-cdp").root, "schemata").read_text()
        for kernel in ("6.1", "6.12", "7.2")
    }
    assert printed["6.1"] == printed["6.12"] == printed["7.2"] == "    L3:0=fffff;1=fffff\n"


def test_the_large_machine(mount: Mount) -> None:
    root = Path(mount("--preset=large").root)
    for index in range(100):
        (root / f"g{index}").mkdir()
    assert len(os.listdir(root)) == 100 + 9
    (root / "g99/schemata").write_text("L3:" + ";".join(f"{domain}=f" for domain in range(32)) + "\n")
    assert (root / "g99/schemata").read_text().count("=0000000f") == 32
