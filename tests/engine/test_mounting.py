"""Mounting resctrl: with which options, by whom, and how often it is tried."""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rdtd.bus.connection import Connection
from rdtd.bus.systemd import mount_unit
from rdtd.core.model import Wanted
from rdtd.core.space import Policy
from rdtd.daemon.mounter import mounter
from rdtd.engine import Engine
from rdtd.manager import Manager
from rdtd.mounting import Mounting
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.mounting import MountError, choices, mount
from rdtd.simulator.process import SimulatorProcess
from rdtd.store import Store
from rdtd.threads import Threads
from tests.support.patience import PATIENCE
from tests.support.private_bus import PrivateBus
from tests.support.systemd import FakeSystemd


def command(tmp_path: Path, text: str) -> tuple[str, ...]:
    """A shell script in place of mount(8)."""
    script = tmp_path / "mount"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return (str(script),)


def test_the_command(tmp_path: Path) -> None:
    script = command(tmp_path, f'echo "$@" >>{tmp_path}/calls')
    mount("/there", "cdp,cdpl2", script)
    mount("/there", "", script)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["-t resctrl -o cdp,cdpl2 resctrl /there", "-t resctrl resctrl /there"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo 'mount: wrong  fs type' >&2; echo again >&2; exit 32", "mount: wrong fs type again"),
        ("exit 32", "mount ended with status 32"),
    ],
)
def test_why_it_failed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(MountError) as caught:
        mount("/there", "", command(tmp_path, text))
    assert str(caught.value).endswith(told)


def test_no_such_command() -> None:
    with pytest.raises(MountError, match="cannot run /nonexistent: No such file"):
        mount("/there", "", ["/nonexistent"])


def test_options() -> None:
    assert choices(cdp=False) == ("",)
    assert choices(cdp=True) == ("cdp,cdpl2", "cdp", "cdpl2", "")


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/sys/fs/resctrl", "sys-fs-resctrl.mount"),
        ("/", "-.mount"),
        ("/a b/c-d", r"a\x20b-c\x2dd.mount"),
        ("/.x/.y", r"\x2ex-.y.mount"),
        ("/a:b_c.d\\e", r"a:b_c.d\x5ce.mount"),
        ("/caf\u00e9", r"caf\xc3\xa9.mount"),
        ("/run/x/", "run-x.mount"),
    ],
)
def test_the_name_of_a_mount_unit(path: str, unit: str) -> None:
    assert mount_unit(path) == unit


@pytest_asyncio.fixture
async def systemd(tmp_path: Path) -> AsyncIterator[tuple[FakeSystemd, Connection]]:
    """systemd, and another connection to its bus."""
    with PrivateBus() as bus:
        connections = [await Connection.open(bus.address) for _ in range(2)]
        found = FakeSystemd(connections[0], tmp_path / "cgroup")
        await found.arrive()
        yield found, connections[1]
        for connection in connections:
            await connection.close()


async def test_systemd_mounts_it(systemd: tuple[FakeSystemd, Connection]) -> None:
    fake, connection = systemd
    by = mounter("/sys/fs/resctrl", None, lambda: connection)
    fake.job_results = ["done"]
    await by("cdp")
    [(member, (unit, mode, properties, _))] = fake.calls
    assert (member, unit, mode) == ("StartTransientUnit", "sys-fs-resctrl.mount", "replace")
    values = {name: value.value for name, value in properties}
    assert (values["What"], values["Type"], values["Options"]) == ("resctrl", "resctrl", "cdp")


async def test_systemd_has_a_unit_for_it(systemd: tuple[FakeSystemd, Connection]) -> None:
    fake, connection = systemd
    fake.fragments, fake.job_results = {"sys-fs-resctrl.mount"}, ["done"]
    await mounter("/sys/fs/resctrl", None, lambda: connection)("cdp")
    assert fake.calls[1] == ("StartUnit", ["sys-fs-resctrl.mount", "replace"])


async def test_systemd_fails(systemd: tuple[FakeSystemd, Connection]) -> None:
    fake, connection = systemd
    by = mounter("/sys/fs/resctrl", None, lambda: connection)
    fake.job_results = ["failed"]
    with pytest.raises(MountError, match=r"sys-fs-resctrl\.mount: failed; see 'journalctl"):
        await by("")
    with pytest.raises(MountError, match=r"systemd does not start sys-fs-resctrl\.mount: not you"):
        await by("")


async def test_without_systemd_the_command(systemd: tuple[FakeSystemd, Connection], tmp_path: Path) -> None:
    fake, connection = systemd
    [script] = command(tmp_path, f'echo "$@" >>{tmp_path}/calls')
    await mounter("/there", f"{shlex.quote(script)} -v", lambda: connection)("")
    assert fake.calls == []
    await fake.leave()
    os.environ["PATH"], path = f"{tmp_path}:{os.environ['PATH']}", os.environ["PATH"]
    try:
        for nobody in (lambda: connection, lambda: None):
            await mounter("/there", None, nobody)("cdp")
    finally:
        os.environ["PATH"] = path
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["-v -t resctrl resctrl /there", *2 * ["-t resctrl -o cdp resctrl /there"]]


class Host:
    """A directory where the simulator appears when it is mounted, if the options are among `takes`."""

    def __init__(self, simulator: SimulatorProcess, tmp_path: Path) -> None:
        self.root = tmp_path / "resctrl"
        self.takes = {"", "cdp", "cdpl2", "cdp,cdpl2"}
        self.tried: list[str] = []
        self.reported: list[str] = []
        self._simulator = simulator
        engine = Engine(Resctrl(str(self.root), simulator.sysfs), Store(str(tmp_path)), Policy(), Wanted())
        self.manager = Manager(engine, Threads())
        self.mounting = Mounting(self.manager, self._mount, self.reported.append)
        self.mounting.wanted = True

    async def _mount(self, options: str) -> None:
        self.tried.append(options)
        if options not in self.takes:
            raise MountError(f"no {options}")
        self.root.symlink_to(self._simulator.root)

    def umount(self) -> None:
        self.root.unlink()

    async def state(self, state: str) -> None:
        """Waits until rdtd has published that state."""
        reached = asyncio.Event()
        self.manager.subscribe(lambda published: reached.set() if published.after.state == state else None)
        if self.manager.public.state != state:
            async with asyncio.timeout(PATIENCE):
                await reached.wait()


@pytest_asyncio.fixture
async def host(simulator: SimulatorProcess, tmp_path: Path) -> AsyncIterator[Host]:
    found = Host(simulator, tmp_path)
    yield found
    await found.manager.close()


async def test_the_best_options_that_the_kernel_takes(host: Host) -> None:
    host.mounting.cdp = True
    host.takes = {"", "cdpl2"}
    assert await host.mounting.once()
    assert host.tried == ["cdp,cdpl2", "cdp", "cdpl2"]
    assert host.reported == []


async def test_one_message_for_one_reason(host: Host) -> None:
    host.takes = set()
    assert not await host.mounting.once()
    assert not await host.mounting.once()
    assert host.reported == ["no "]
    host.takes = {""}
    assert await host.mounting.once()
    host.umount()
    host.takes = set()
    assert not await host.mounting.once()
    assert host.reported == ["no ", "no "]


async def test_it_is_mounted_again_and_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    async def sleep(pause: float) -> None:
        pauses.append(pause)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    host.mounting.check()
    running = asyncio.create_task(host.mounting.run())
    try:
        for _ in range(4):
            await host.state("ready")
            host.umount()
            with pytest.raises(Exception, match="not mounted"):
                await host.manager.reconcile()
        await host.state("ready")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert host.tried == [""] * 5


async def test_nobody_wants_it(host: Host) -> None:
    host.mounting.wanted = False
    host.mounting.check()
    running = asyncio.create_task(host.mounting.run())
    await asyncio.sleep(0)
    assert host.tried == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
