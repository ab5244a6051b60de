"""rdtd as a process that mounts resctrl, follows units, and prints its configuration."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import Booted, Place


def checked(*places: Place) -> "subprocess.CompletedProcess[str]":
    options = [option for place in places for option in ("--config-dir", str(place.path))]
    return subprocess.run(
        [sys.executable, "-m", "rdtd.daemon", "--check-config", *options], capture_output=True, text=True
    )


def test_check_config(etc: Place, lib: Place) -> None:
    main = etc.settings("Mount=yes")
    one = lib.reservation("a", "Regions=size=10mb;size=2ways,level=2", "Units=x.service")
    done = checked(etc, lib)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:3] == [f"# {main}", f"# {one}", "[Manager]"]
    assert "Mount=yes" in lines
    assert "LockTimeout=5s" in lines
    assert lines[-4:] == ["[Reservation]", "Name=a", lines[-2], "Units=x.service"]
    assert lines[-2] == "Regions=type=both,size=10mb;type=both,size=2ways,level=2"


def test_check_config_tells_what_is_wrong(etc: Place, lib: Place) -> None:
    bad = lib.reservation("bad", "Regions=size=lots")
    main = etc.settings("Colour=red")
    done = checked(etc, lib)
    assert done.returncode == 1
    warning, error = done.stderr.splitlines()
    assert warning.startswith(f"{main}:2: unknown option Colour")
    assert warning.endswith("(warning)")
    assert error.startswith(f"{bad}:2: Regions='size=lots'")
    assert "[Manager]" in done.stdout
    etc.settings("Mount=perhaps")
    done = checked(etc, lib)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.fixture
def appearing(make: Callable[..., Booted], tmp_path: Path) -> Booted:
    """resctrl appears where the mount command says; the options that it was called with are in `calls`."""
    booted = make()
    root, calls, script = tmp_path / "resctrl", tmp_path / "calls", tmp_path / "mount"
    script.write_text(
        f'#!/bin/sh\necho "$@" >>{calls}\n'
        f'case "$*" in *cdp*) echo no CDP here >&2; exit 32;; esac\nln -s {booted.daemon.root} {root}\n'
    )
    script.chmod(0o755)
    booted.daemon.options += ["--root", str(root), "--mount-command", str(script)]
    return booted


def test_resctrl_is_mounted_before_the_reservations(appearing: Booted, tmp_path: Path) -> None:
    appearing.etc.settings("Mount=yes", "Cdp=yes")
    appearing.etc.reservation("a", "Regions=size=1ways")
    appearing.daemon.start()
    assert appearing.mount.groups() == ["rdtd.a"]
    tried = [line.split()[3] for line in (tmp_path / "calls").read_text().splitlines()]
    assert tried == ["cdp,cdpl2", "cdp", "cdpl2", str(tmp_path / "resctrl")][: len(tried)]
    assert len(tried) == 4
    log = appearing.said()
    assert "without code and data prioritization, and Cdp=yes is configured; it stays as it is" in log
    assert "cannot" not in log


def test_a_reload_can_want_it_mounted(appearing: Booted, tmp_path: Path) -> None:
    appearing.etc.reservation("a", "Regions=size=1ways")
    appearing.daemon.start()
    assert not (tmp_path / "calls").exists()
    with appearing.caller() as caller:
        caller.subscribe()
        appearing.etc.settings("Mount=yes")
        appearing.daemon.reload()
        assert caller.signal("ReservationAdded").arguments[0] == "a"


def test_units_without_systemd(booted: Booted) -> None:
    path = booted.etc.reservation("a", "Regions=size=1ways", "Units=x.service")
    booted.daemon.start()
    assert booted.mount.groups() == ["rdtd.a"]
    booted.daemon.reload()
    log = booted.said()
    assert log.count("units are not followed: there is no systemd on this bus") == 1
    assert str(path) not in log
