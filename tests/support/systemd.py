"""As much of org.freedesktop.systemd1 as rdtd uses, on a private bus, and a directory of control groups."""

from pathlib import Path
from typing import Any

from rdtd.bus.connection import Connection
from rdtd.bus.message import Message
from rdtd.bus.paths import escape
from rdtd.bus.wire import encode

NAME = "org.freedesktop.systemd1"
PATH = "/org/freedesktop/systemd1"


class FakeSystemd:
    """Units with control groups, told of by signals; and jobs that end as the test says."""

    def __init__(self, connection: Connection, cgroups: Path) -> None:
        self._connection = connection
        self._directory = cgroups
        self._groups: dict[str, str] = {}
        self.calls: list[tuple[str, list[Any]]] = []
        self.job_results: list[str] = []
        self.fragments: set[str] = set()  # units that have a file
        self.subscribed = False
        (cgroups / "cgroup.controllers").parent.mkdir(exist_ok=True)
        (cgroups / "cgroup.controllers").touch()
        connection.serve(self._serve)

    async def arrive(self) -> None:
        await self._connection.request_name(NAME)

    async def leave(self) -> None:
        await self._connection.call_bus("ReleaseName", "s", NAME)

    def start(self, unit: str, *pids: int, inside: str = "/system.slice") -> None:
        """The unit runs, with these processes. Telling is another matter."""
        self._groups[unit] = f"{inside}/{unit}"
        directory = self._directory / self._groups[unit].strip("/")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))

    def stop(self, unit: str) -> None:
        (self._directory / self._groups.pop(unit).strip("/") / "cgroup.procs").write_text("")

    def tell(self, unit: str) -> None:
        """The signal that comes when a unit changes, if somebody subscribed."""
        if self.subscribed:
            body = encode("sa{sv}as", ["org.freedesktop.systemd1.Unit", {"ActiveState": ("s", "active")}, []])
            self._connection.send_signal(
                _path(unit), "org.freedesktop.DBus.Properties", "PropertiesChanged", body
            )

    def _serve(self, call: Message) -> None:
        arguments = call.body()
        self.calls.append((call.member, arguments))
        match call.member:
            case "Subscribe":
                self.subscribed = True
                self._connection.reply(call)
            case "LoadUnit":
                self._connection.reply(call, encode("o", [_path(arguments[0])]))
            case "Get":
                units = {_path(unit): group for unit, group in self._groups.items()}
                self._connection.reply(call, encode("v", [("s", units.get(call.path, ""))]))
            case "StartTransientUnit" if arguments[0] in self.fragments:
                self._connection.reply_error(call, f"{NAME}.UnitExists", "it has a fragment file")
            case "StartTransientUnit" | "StartUnit":
                self._job(call, arguments[0])
            case _:
                self._connection.reply_error(call, "org.freedesktop.DBus.Error.UnknownMethod", call.member)

    def _job(self, call: Message, unit: str) -> None:
        if not self.job_results:
            self._connection.reply_error(call, "org.freedesktop.DBus.Error.AccessDenied", "not you")
            return
        job = f"{PATH}/job/{len(self.calls)}"
        # The end may be told before the answer to the call.
        ended = encode("uoss", [1, job, unit, self.job_results.pop(0)])
        self._connection.send_signal(PATH, f"{NAME}.Manager", "JobRemoved", ended, call.sender)
        self._connection.reply(call, encode("o", [job]))


def _path(unit: str) -> str:
    return f"{PATH}/unit/{escape(unit)}"
