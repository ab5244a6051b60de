"""The child process: how it starts, and that it never leaves a mount behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rdtd.simulator.process import SimulatorError, SimulatorProcess


def mounted(directory: str | os.PathLike[str]) -> bool:
    return f" {os.fspath(directory)} " in Path("/proc/self/mountinfo").read_text()


def wait_for_end(pid: int) -> None:
    """Waits for a process that is nobody's child of ours."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 20)[0], f"process {pid} does not end"
    finally:
        os.close(descriptor)


def test_it_is_there_while_it_runs() -> None:
    simulator = SimulatorProcess()
    with pytest.raises(SimulatorError, match="not running"):
        _ = simulator.root
    with simulator:
        root = simulator.root
        assert mounted(root)
        assert Path(simulator.sysfs, "devices/system/cpu/online").read_text() == "0-15\n"
    assert not mounted(root)
    assert not Path(root).exists()
    simulator.stop()  # once more does no harm
    with simulator:
        assert mounted(simulator.root)


def test_a_given_directory_stays(tmp_path: Path) -> None:
    with SimulatorProcess(directory=tmp_path) as simulator:
        assert simulator.root == str(tmp_path)
        assert mounted(tmp_path)
    assert tmp_path.is_dir()
    assert not mounted(tmp_path)


def test_an_open_file_does_not_keep_it() -> None:
    with SimulatorProcess() as simulator:
        root = simulator.root
        descriptor = os.open(root, os.O_RDONLY)
    try:
        assert not mounted(root)
    finally:
        os.close(descriptor)


def test_control_says_what_was_wrong() -> None:
    with SimulatorProcess() as simulator:
        simulator.control("offline L3 1")
        with pytest.raises(SimulatorError, match="simulator: no cache L3 7"):
            simulator.control("offline L3 7")


def test_a_killed_child_leaves_no_mount() -> None:
    with SimulatorProcess() as simulator:
        root = simulator.root
        os.kill(simulator.pid, signal.SIGKILL)
    assert not mounted(root)
    assert not Path(root).exists()


def test_a_killed_parent_leaves_no_mount() -> None:
    script = (
        "import sys, time\n"
        "from rdtd.simulator.process import SimulatorProcess\n"
        "simulator = SimulatorProcess()\n"
        "simulator.start()\n"
        "print(simulator.root, simulator.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        root, pid = parent.stdout.readline().split()
        assert mounted(root)
        parent.kill()
    wait_for_end(int(pid))
    assert not mounted(root)
    os.rmdir(root)


@pytest.mark.parametrize(
    ("arguments", "directory", "reason"),
    [
        (["--ways=99"], None, "L3: 99 ways, must be 1 to 32"),
        ([], "/nonexistent/directory", "/nonexistent/directory: No such file or directory"),
        ([], "/dev/null", "/dev/null: Not a directory"),
    ],
)
def test_what_goes_wrong_is_one_line(arguments: list[str], directory: str | None, reason: str) -> None:
    simulator = SimulatorProcess(arguments, directory)
    with pytest.raises(SimulatorError) as caught:
        simulator.start()
    assert str(caught.value) == reason


def test_the_same_directory_twice_is_refused() -> None:
    with SimulatorProcess() as simulator:
        second = SimulatorProcess(directory=simulator.root)
        with pytest.raises(SimulatorError, match="something is mounted there already"):
            second.start()
        assert mounted(simulator.root)


def test_this_process_needs_no_fuse() -> None:
    script = "import sys, rdtd.simulator.process; sys.exit('mfusepy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mfusepy.py").write_text("raise ImportError('no module')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SimulatorError, match=r"mfusepy is missing"):
        SimulatorProcess().start()


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mfusepy.py").write_text("raise OSError('Unable to find libfuse')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SimulatorError, match=r"libfuse is missing"):
        SimulatorProcess().start()
