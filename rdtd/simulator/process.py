"""The simulator in a child process, for tests and for `rdtd --simulate`. Needs no FUSE in this process."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from rdtd.simulator.mounting import SimulatorError, unmount

__all__ = ["SimulatorError", "SimulatorProcess"]

#: How long the child may take to mount or to end, seconds, before it is given up.
PATIENCE = 30.0


class SimulatorProcess:
    """A simulated resctrl, mounted from start() (or `with`) to stop().

    arguments: as on the command line of rdtd-simulator, without the mount point.
    directory: where to mount; by default a fresh temporary directory, removed afterwards.

    The child is told by a socket pair when this process is gone, however that happens, and then
    unmounts and ends.
    """

    def __init__(
        self, arguments: Sequence[str] = (), directory: str | os.PathLike[str] | None = None
    ) -> None:
        self._arguments = list(arguments)
        self._given = None if directory is None else os.fspath(directory)
        self._root: str | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def root(self) -> str:
        """The mount point: what /sys/fs/resctrl is on a real machine."""
        if self._root is None:
            raise SimulatorError("the simulator is not running")
        return self._root

    @property
    def sysfs(self) -> str:
        """What /sys is on a real machine: devices/system/cpu is below it."""
        return f"{self.root}/.simulator/sys"

    @property
    def pid(self) -> int:
        """The child's process ID."""
        if self._process is None:
            raise SimulatorError("the simulator is not running")
        return self._process.pid

    def start(self) -> None:
        """Returns when it is mounted. Raises SimulatorError with one line if it cannot be."""
        self._root = self._given or tempfile.mkdtemp(prefix="rdtd-simulator-")
        ours, theirs = socket.socketpair()
        self._socket = ours
        try:
            with theirs:
                self._process = subprocess.Popen(
                    # -P: no module from the current directory.
                    [
                        sys.executable,
                        "-P",
                        "-m",
                        "rdtd.simulator.main",
                        f"--supervisor={theirs.fileno()}",
                        *self._arguments,
                        "--",
                        self._root,
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    env=_environment(),
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C is for the parent, which then stops this
                )
            self._await_mount(ours)
        except BaseException:
            self.stop()
            raise

    def _await_mount(self, ours: socket.socket) -> None:
        ours.settimeout(PATIENCE)
        answer = b""
        try:
            while not answer.endswith(b"\n"):
                piece = ours.recv(4096)
                if not piece:
                    break
                answer += piece
        except TimeoutError:
            raise SimulatorError(f"the simulator has not mounted within {PATIENCE:.0f} s") from None
        text = answer.decode(errors="replace").strip()
        if text != "ready":
            raise SimulatorError(text or "the simulator ended before it was mounted")

    def control(self, command: str) -> None:
        """Writes to .simulator/control, e.g. "offline L3 1". SimulatorError with the reason if it is bad."""
        try:
            Path(self.root, ".simulator/control").write_text(command + "\n")
        except OSError as error:
            status = Path(self.root, "info/last_cmd_status").read_text().strip()
            raise SimulatorError(f"'{command}': {error.strerror}: {status}") from None

    def stop(self) -> None:
        """Unmounts, and waits for the child's end. Does nothing if it is not running."""
        if self._socket is not None:
            self._socket.close()  # the child sees the end of file
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.returncode < 0:  # it was killed and could not unmount
                unmount(self.root)
            self._process = None
        if self._root is not None and self._given is None:
            with contextlib.suppress(OSError):
                os.rmdir(self._root)
        self._root = None

    def __enter__(self) -> SimulatorProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _environment() -> dict[str, str]:
    """The child finds the same rdtd as this process."""
    package = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{path}" if path else package}
