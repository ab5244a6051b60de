"""rdtd as a process, on a private bus over a simulated resctrl, for tests, the demo and the benchmark."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from rdtd.simulator.process import SimulatorProcess
from tests.support.notify_socket import NotifySocket
from tests.support.patience import PATIENCE
from tests.support.private_bus import PrivateBus


class DaemonFailedError(Exception):
    """rdtd ended before it was ready. The text is what it said on stderr."""


class DaemonProcess:
    """A running rdtd. The bus and the mount go on when it is stopped, killed and started again."""

    def __init__(
        self,
        address: str,
        root: str,
        sysfs: str,
        *,
        options: Sequence[str] = (),
        stack: ExitStack | None = None,
    ) -> None:
        """`options`: those of rdtd; `stack`: what is closed with it."""
        self._stack = stack or ExitStack()
        self.address = address
        self.root = root
        self.sysfs = sysfs
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rdtd-test-")))
        self.options = list(options)
        self.process: subprocess.Popen[bytes] | None = None
        self.log = self.directory / "log"

    @property
    def state_file(self) -> Path:
        return self.directory / "run" / "state.json"

    def command(self) -> list[str]:
        """How rdtd is called."""
        return [
            *(sys.executable, "-m", "rdtd.daemon", "--bus", self.address),
            *("--root", self.root, "--sysfs", self.sysfs),
            *("--state-dir", str(self.directory / "run"), *self.options),
        ]

    def start(self) -> Self:
        """Returns when rdtd is ready. Raises DaemonFailedError."""
        with self._notified() as notified, self.log.open("ab") as log:
            environment = os.environ | {"NOTIFY_SOCKET": notified.path}
            self.process = subprocess.Popen(self.command(), stderr=log, env=environment)
            ended = os.pidfd_open(self.process.pid)
            try:
                with selectors.DefaultSelector() as selector:
                    selector.register(ended, selectors.EVENT_READ, "ended")
                    selector.register(notified, selectors.EVENT_READ, "said")
                    while "READY=1" not in notified.said:
                        events = {key.data for key, _ in selector.select(PATIENCE)}
                        if "said" in events:
                            notified.wait_for_any()
                        elif "ended" in events or not events:
                            self.kill()
                            raise DaemonFailedError(self.log.read_text())
            finally:
                os.close(ended)
        return self

    def _notified(self) -> NotifySocket:
        return NotifySocket(path=self.directory / "notify")

    def reload(self) -> None:
        """SIGHUP; returns when rdtd says that the configuration is loaded."""
        assert self.process is not None
        with self._notified() as notified:
            self.process.send_signal(signal.SIGHUP)
            notified.wait_for("RELOADING=1")
            notified.wait_for("READY=1")

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.terminate()
        status = self.process.wait(PATIENCE)
        self.process = None
        return status

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process = None

    def close(self) -> None:
        """Ends everything."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        self._stack.close()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Daemon(DaemonProcess):
    """A running rdtd on a bus of its own, over a simulator of its own."""

    def __init__(
        self, simulator: Sequence[str] = (), *, options: Sequence[str] = (), policies: tuple[Path, ...] = ()
    ) -> None:
        """`simulator`: the options of rdtd-simulator; `options`: those of rdtd."""
        with ExitStack() as stack:
            self.bus = stack.enter_context(PrivateBus(policies))
            self.simulator = stack.enter_context(SimulatorProcess(simulator))
            root, sysfs = self.simulator.root, self.simulator.sysfs
            super().__init__(self.bus.address, root, sysfs, options=options, stack=stack.pop_all())
