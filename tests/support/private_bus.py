"""A message bus of one's own: a dbus-daemon that nobody else knows, for tests, demos and benchmarks."""

import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{type}</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
{policy}
  </policy>
{includes}
</busconfig>
"""

# As in the session bus's own configuration: everything is allowed.
_OPEN = """    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>"""

# As in the system bus's own configuration: signals and replies pass, calls and names need a policy file.
_STRICT = """    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>"""


class PrivateBus:
    """A running dbus-daemon; `address` is its D-Bus address. Its socket can be reached by every user.

    Without policy files everything is allowed, as on a session bus. With some (such as dbus/org.rdtd1.conf)
    the bus is of the type `system` and what they do not allow is forbidden.
    """

    def __init__(self, policies: tuple[Path, ...] = ()) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="private-bus-")
        directory = Path(self._directory.name)
        directory.chmod(0o755)
        config = directory / "bus.conf"
        config.write_text(
            _CONFIG.format(
                type="system" if policies else "session",
                socket=directory / "socket",
                policy=_STRICT if policies else _OPEN,
                includes="\n".join(f"  <include>{policy.absolute()}</include>" for policy in policies),
            )
        )
        self.address = f"unix:path={directory / 'socket'}"
        try:
            self.start()
        except BaseException:
            self._directory.cleanup()
            raise

    def start(self) -> None:
        """Start the bus again after `end`, at the same address. (With `with`, it runs already.)"""
        directory = Path(self._directory.name)
        command = ["dbus-daemon", f"--config-file={directory / 'bus.conf'}"]
        command += ["--nofork", "--nopidfile", "--nosyslog"]
        reader, writer = os.pipe()
        try:
            with (directory / "log").open("w") as log:
                command.append(f"--print-address={writer}")
                self._daemon = subprocess.Popen(command, pass_fds=[writer], stderr=log)
        finally:
            os.close(writer)
        with os.fdopen(reader) as addresses:
            # The line comes when the bus listens; its end of the pipe closes if it could not start.
            if not addresses.readline():
                self.end()
                raise RuntimeError(f"dbus-daemon did not start: {(directory / 'log').read_text()}")

    @property
    def pid(self) -> int:
        """The process ID of the dbus-daemon."""
        return self._daemon.pid

    def end(self) -> None:
        """End the bus, and every connection to it. May be called again."""
        self._daemon.terminate()
        self._daemon.wait()

    def stop(self) -> None:
        """End the bus for good. May be called again."""
        self.end()
        self._directory.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
