"""Another version of the package is installed, and then none."""

import subprocess
from pathlib import Path

from rdtd import __version__
from tests.installed.units import groups_of, wait_for_owner
from tests.support.caller import MANAGER, PATH, Caller
from tests.support.mount import Mount
from tests.support.threads import Threads
from tests.system import machine
from tests.system.machine import run, systemctl

[PACKAGE] = Path("/usr/src/files").glob("rdtd_*.deb")
NEXT = f"{__version__}+next"


def _next_version(directory: Path) -> Path:
    """The package, with another version on it and in the program."""
    tree = directory / "tree"
    run("dpkg-deb", "--raw-extract", str(PACKAGE), str(tree))
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {__version__}\n", f"Version: {NEXT}\n"))
    module = tree / "usr/share/rdtd/rdtd/__init__.py"
    module.write_text(module.read_text().replace(f'"{__version__}"', f'"{NEXT}"'))
    package = directory / "next.deb"
    run("dpkg-deb", "--build", "--root-owner-group", str(tree), str(package))
    return package


def test_an_upgrade_keeps_everything(caller: Caller, mount: Mount, tmp_path: Path) -> None:
    """Groups, threads, reservations; and a client that stays on the bus goes on."""
    package = _next_version(tmp_path)
    with Threads() as threads:
        caller.reserve("a", "size=3ways", processes=("au", [threads.pid]))
        before, rows = mount.dump(threads.ids), caller.reservations()
        caller.signals_so_far()
        try:
            run("dpkg", "--install", str(package))
            wait_for_owner(caller)
            assert caller.get("Version") == NEXT
            assert mount.dump(threads.ids) == before
            assert caller.reservations() == rows
            assert groups_of(threads.pid) == ["rdtd.a"] * 4
        finally:
            run("dpkg", "--install", str(PACKAGE))
        assert caller.get("Version", PATH, MANAGER) == __version__
        assert mount.dump(threads.ids) == before


def test_purge_leaves_nothing(caller: Caller, mount: Mount) -> None:
    """What was reserved is given back; the default group has all ways again."""
    caller.reserve("a", "size=3ways")
    try:
        run("dpkg", "--purge", "rdtd")
        assert mount.groups() == []
        full = int((mount.root / "info/L3/cbm_mask").read_text(), 16)
        assert set(mount.masks().values()) == {full}
        left = run("find", "/etc", "/run", "/usr", "/var", "-xdev", "-name", "*rdtd*", "-not", "-path",
                   "/usr/src/*", "-not", "-path", "*rdtd-vm*").stdout.split()  # fmt: skip
        assert left == []
        gone = subprocess.run(
            ["busctl", "call", "org.rdtd1", "/org/rdtd1", "org.rdtd1.Manager", "ListFree"],
            capture_output=True,
            check=False,
        )
        assert gone.returncode != 0
    finally:
        run("dpkg", "--install", str(PACKAGE))
    Path("/etc/rdtd/reservations.d/boot.conf").write_text("[Reservation]\nRegions=size=2ways\n")
    systemctl("restart", "rdtd.service")
    assert caller.names() == ["boot"]
    assert machine.main_pid()
