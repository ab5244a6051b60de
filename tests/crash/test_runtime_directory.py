"""A runtime directory that is full, read-only, gone, or has something else in it: nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from rdtd.core.errors import KernelRefused
from rdtd.core.model import Lifetime
from rdtd.manager import Manager
from rdtd.startup import StartError
from tests.crash.killing import changes
from tests.model.host import Host, request

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small tmpfs: needs root")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host in memory. Its runtime directory is a real one."""
    found = Host(tmp_path)
    with found.in_place():
        yield found


@contextmanager
def tmpfs(directory: Path) -> Iterator[None]:
    """A small file system over the directory, for as long as the block lasts."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def fill(path: Path) -> None:
    """Takes all room that is left."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


async def with_two(host: Host) -> Manager:
    """rdtd with two reservations, one of them a client's."""
    manager = await host.start()
    await manager.reserve(request("a", "size=3ways,cache-id=0"))
    await manager.reserve(request("c", "size=2ways,cache-id=1", Lifetime.CLIENT))
    return manager


async def start_again(host: Host, manager: Manager) -> Manager:
    """After rdtd was killed."""
    await host.end(manager)
    return await host.start()


def lifetimes(manager: Manager) -> dict[str, Lifetime]:
    return {name: one.lifetime for name, one in manager.public.reservations.items()}


WHOLE = {"a": Lifetime.PERSISTENT, "c": Lifetime.CLIENT}


async def refuses_but_repairs(host: Host, manager: Manager, reason: str) -> None:
    """Nothing is promised that cannot be saved; what was promised is put right all the same."""
    before = host.dump()
    for change in (
        lambda: manager.reserve(request("x", "size=1ways")),
        lambda: manager.release("a"),
        lambda: manager.resize("a", request("a", "size=5ways").regions),
    ):
        with pytest.raises(KernelRefused, match=f"cannot save the state to {host.store.path}: {reason}"):
            await change()
        assert host.dump() == before
        assert lifetimes(manager) == WHOLE
    host.echo("L3:0=7ff", "rdtd.a/schemata")
    host.machine.rmdir("/rdtd.c")
    host.echo("L3:0=7ff;1=7ff", "schemata")
    with pytest.raises(KernelRefused, match="cannot save the state"):
        await manager.reconcile()
    assert host.dump() == before


async def is_well_again(host: Host, manager: Manager) -> None:
    assert await manager.reconcile() == 0
    await manager.reserve(request("x", "size=1ways"))
    await manager.release("x")
    manager = await start_again(host, manager)
    assert lifetimes(manager) == WHOLE
    await host.end(manager)


@needs_root
async def test_full(host: Host) -> None:
    with tmpfs(host.run):
        manager = await with_two(host)
        filler = host.run / "filler"
        fill(filler)
        await refuses_but_repairs(host, manager, "No space left on device")
        assert not (host.run / "state.json.new").exists()
        manager = await start_again(host, manager)
        assert lifetimes(manager) == WHOLE
        filler.unlink()
        await is_well_again(host, manager)


async def test_read_only(host: Host) -> None:
    manager = await with_two(host)

    def refuse(_: int, name: str, arguments: tuple[Any, ...]) -> None:
        if str(arguments[0]).startswith(str(host.run)) and changes(name, arguments):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    host.call = refuse
    await refuses_but_repairs(host, manager, "Read-only file system")
    host.call = lambda *_: None
    await is_well_again(host, manager)


async def test_the_directory_is_removed(host: Host) -> None:
    """Its file is written again by the next turn, whatever that is for."""
    manager = await with_two(host)
    shutil.rmtree(host.run)
    assert await manager.reconcile() == 0
    manager = await start_again(host, manager)
    assert lifetimes(manager) == WHOLE
    await host.end(manager)


async def test_the_file_is_removed_or_changed(host: Host) -> None:
    manager = await with_two(host)
    state = host.run / "state.json"
    for text in (None, "", "{}", state.read_text() + " "):
        state.unlink()
        if text is not None:
            state.write_text(text)
        assert await manager.reconcile() == 0
        assert host.store.load() == host.engine.wanted
    await host.end(manager)


@pytest.mark.parametrize("name", ["state.json", "state.json.new"])
async def test_a_directory_in_its_place(host: Host, name: str) -> None:
    manager = await with_two(host)
    (host.run / name).unlink(missing_ok=True)
    (host.run / name).mkdir()
    await refuses_but_repairs(host, manager, "Is a directory")
    (host.run / name).rmdir()
    await is_well_again(host, manager)


@pytest.mark.parametrize("left", [b"", b'{"version":1,', b"\xff" * 10_000])
async def test_what_was_being_written_is_left(host: Host, left: bytes) -> None:
    manager = await with_two(host)
    await host.end(manager)
    (host.run / "state.json.new").write_bytes(left)
    manager = await host.start()
    assert lifetimes(manager) == WHOLE
    await manager.release("c")
    assert not (host.run / "state.json.new").exists()
    await host.end(manager)


async def starts_not(host: Host, reason: str) -> None:
    """rdtd says why in one line, and has touched neither the file nor resctrl."""
    before = host.dump(), sorted(host.run.rglob("*"))
    with pytest.raises(StartError, match=reason):
        host.boot()
    host.dies()
    assert (host.dump(), sorted(host.run.rglob("*"))) == before


async def test_a_later_versions_file(host: Host) -> None:
    manager = await with_two(host)
    await host.end(manager)
    state = host.run / "state.json"
    whole = state.read_text()
    later = json.dumps(json.loads(whole) | {"version": 99})
    state.write_text(later)
    await starts_not(host, "rdtd of a later version wrote it.*start that version, or move the file away")
    assert state.read_text() == later
    state.write_text(whole)
    await is_well_again(host, await host.start())


async def test_a_directory_at_the_start(host: Host) -> None:
    manager = await with_two(host)
    await host.end(manager)
    (host.run / "state.json").rename(host.run / "kept")
    (host.run / "state.json").mkdir()
    await starts_not(host, "cannot read .*state.json: Is a directory")
    (host.run / "state.json").rmdir()
    (host.run / "kept").rename(host.run / "state.json")
    await is_well_again(host, await host.start())


async def test_a_file_that_cannot_be_read(host: Host) -> None:
    manager = await with_two(host)
    await host.end(manager)

    def fail(_: int, name: str, arguments: tuple[object, ...]) -> None:
        if name == "open" and str(arguments[0]).endswith("state.json"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    host.call = fail
    await starts_not(host, "cannot read .*state.json: Input/output error")
    host.call = lambda *_: None
    await is_well_again(host, await host.start())
