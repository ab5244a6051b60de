"""rdtd with files of a configuration of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.caller import Caller
from tests.support.daemon import Daemon
from tests.support.mount import Mount


class Place:
    """A directory like /etc/rdtd."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "reservations.d").mkdir(parents=True)

    def reservation(self, name: str, *lines: str) -> Path:
        path = self.path / "reservations.d" / f"{name}.conf"
        path.write_text("\n".join(["[Reservation]", *lines, ""]))
        return path

    def settings(self, *lines: str) -> Path:
        path = self.path / "rdtd.conf"
        path.write_text("\n".join(["[Manager]", *lines, ""]))
        return path


class Booted:
    """A daemon that may be started, with its configuration."""

    def __init__(self, daemon: Daemon, etc: Place) -> None:
        self.daemon = daemon
        self.etc = etc
        self.mount = Mount(daemon.simulator)

    def caller(self) -> Caller:
        return Caller(self.daemon.address)

    def lifetimes(self) -> dict[str, str]:
        """The reservations with their lifetimes."""
        with self.caller() as caller:
            return {row[0]: row[3]["lifetime"] for row in caller.reservations()}

    def said(self) -> str:
        """Ends rdtd; what it wrote to its log, all of it."""
        self.daemon.stop()
        return self.daemon.log.read_text()


@pytest.fixture
def etc(tmp_path: Path) -> Place:
    return Place(tmp_path / "etc")


@pytest.fixture
def lib(tmp_path: Path) -> Place:
    return Place(tmp_path / "lib")


@pytest.fixture
def make(etc: Place, lib: Place) -> Iterator[Callable[..., Booted]]:
    """Makes a daemon, with these options of rdtd; it is not started."""
    made: list[Daemon] = []

    def build(*options: str) -> Booted:
        places = ("--config-dir", str(etc.path), "--config-dir", str(lib.path))
        made.append(Daemon(options=(*places, *options)))
        return Booted(made[-1], etc)

    yield build
    for one in made:
        if one.process is not None:
            one.stop()
        log = one.log.read_text() if one.log.exists() else ""
        one.close()
        assert "Traceback" not in log, log


@pytest.fixture
def booted(make: Callable[..., Booted]) -> Booted:
    """The simulator's default host: two sockets, 11 ways, eight CLOSIDs."""
    return make()
