"""A service manager's end of sd_notify(3): a datagram socket whose messages can be waited for."""

import socket
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.patience import PATIENCE


class NotifySocket:
    """Give `path` to a process as NOTIFY_SOCKET, then wait for what it says."""

    def __init__(self, patience: float = PATIENCE, path: Path | None = None) -> None:
        """`path`: where it is to be, in place of a directory of its own."""
        self._directory = tempfile.TemporaryDirectory(prefix="notify-")
        self.path = str(path or Path(self._directory.name) / "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(patience)
        self.said: list[str] = []

    def wait_for(self, line: str) -> None:
        """Returns when the line came. Raises TimeoutError."""
        while line not in self.said:
            self.wait_for_any()

    def wait_for_any(self) -> None:
        """Takes one more message. Raises TimeoutError."""
        self.said += self._socket.recv(65536).decode().splitlines()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()
        Path(self.path).unlink()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
