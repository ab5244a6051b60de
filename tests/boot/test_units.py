"""Units of reservations, with rdtd as a process: attached when it says that it is ready."""

import asyncio
from pathlib import Path

from rdtd.bus.connection import Connection
from tests.boot.conftest import Booted
from tests.support.systemd import FakeSystemd
from tests.support.threads import Threads


async def test_processes_of_units_are_in_place_when_rdtd_is_ready(booted: Booted, tmp_path: Path) -> None:
    booted.etc.reservation("a", "Regions=size=1ways", "Units=web.service")
    booted.daemon.options += ["--cgroups", str(tmp_path / "cgroup")]
    connection = await Connection.open(booted.daemon.address)
    try:
        with Threads() as process:
            systemd = FakeSystemd(connection, tmp_path / "cgroup")
            await systemd.arrive()
            systemd.start("web.service", process.pid)
            await asyncio.to_thread(booted.daemon.start)
            assert booted.mount.tasks("rdtd.a") == set(process.ids)
            booted.etc.reservation("a", "Regions=size=1ways")
            await asyncio.to_thread(booted.daemon.reload)
            booted.etc.reservation("b", "Regions=size=1ways", "Units=web.service")
            await asyncio.to_thread(booted.daemon.reload)
            log = await asyncio.to_thread(booted.said)
            assert booted.mount.tasks("rdtd.b") == set(process.ids)
            assert "units are not followed" not in log
    finally:
        await connection.close()
