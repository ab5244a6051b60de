"""Owners and permissions, and what a file system of commands refuses."""

import errno
import os
import stat
from collections.abc import Callable

import pytest

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

NOBODY = 65534


def permissions(resctrl: Resctrl, path: str) -> str:
    return f"{stat.S_IMODE(os.stat(resctrl.path(path)).st_mode):04o}"


def test_permissions(resctrl: Resctrl) -> None:
    os.umask(os.umask(0o022))
    resctrl.mkdir("a")
    cache = resctrl.host.cache.name
    expected = {
        "": "0555",
        "a": "0755",
        "info": "0555",
        f"info/{cache}": "0555",
        f"info/{cache}/cbm_mask": "0444",
        f"info/{cache}/bit_usage": "0444",
        "info/last_cmd_status": "0444",
    }
    for group in ("", "a/"):
        expected |= {f"{group}{name}": "0644" for name in ("cpus", "cpus_list", "mode", "schemata", "tasks")}
        expected |= {f"{group}size": "0444"}
    assert {path: permissions(resctrl, path) for path in expected} == expected


@needs("monitoring")
def test_permissions_of_monitoring(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.mkdir("a/mon_groups/m")
    domain = f"mon_data/mon_L3_{resctrl.host.domains[0]:02d}"
    expected = {
        "mon_groups": "0555",
        "mon_data": "0555",
        domain: "0555",
        f"{domain}/llc_occupancy": "0444",
        "a/mon_groups": "0755",
        "a/mon_data": "0755",
        f"a/{domain}": "0755",
        f"a/{domain}/llc_occupancy": "0444",
        "a/mon_groups/m": "0755",
        "a/mon_groups/m/tasks": "0644",
        "info/L3_MON/max_threshold_occupancy": "0644",
    }
    assert {path: permissions(resctrl, path) for path in expected} == expected


def test_mkdir_takes_permissions(resctrl: Resctrl) -> None:
    os.mkdir(resctrl.path("a"), 0o700)
    assert permissions(resctrl, "a") == "0700"
    assert permissions(resctrl, "a/schemata") == "0644"


def test_everything_is_roots(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    for path in ("", "schemata", "info", "a", "a/tasks"):
        status = os.stat(resctrl.path(path))
        assert (status.st_uid, status.st_gid) == (0, 0)


def test_owner_and_permissions_can_be_changed(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    os.chmod(resctrl.path("a/tasks"), 0o664)
    os.chown(resctrl.path("a/tasks"), NOBODY, -1)
    status = os.stat(resctrl.path("a/tasks"))
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o664, NOBODY, 0)
    assert permissions(resctrl, "a/schemata") == "0644"


def test_a_user_looks_and_does_not_touch(resctrl: Resctrl) -> None:
    os.seteuid(NOBODY)
    try:
        assert resctrl.read("schemata")
        assert resctrl.read("info/last_cmd_status")
        denied: list[Callable[[], object]] = [
            lambda: resctrl.echo("x", "schemata"),
            lambda: resctrl.echo("0", "tasks"),
            lambda: os.mkdir(resctrl.path("a")),
        ]
        for attempt in denied:
            with pytest.raises(PermissionError) as caught:
                attempt()
            assert caught.value.errno == errno.EACCES
    finally:
        os.seteuid(0)


def test_read_only_files_are_not_opened_for_writing(resctrl: Resctrl) -> None:
    """Not even by root."""
    cache = resctrl.host.cache.name
    for path in ("size", f"info/{cache}/cbm_mask", f"info/{cache}/bit_usage", "info/last_cmd_status"):
        for flags in (os.O_WRONLY, os.O_RDWR):
            with resctrl.refused(errno.EACCES):
                os.open(resctrl.path(path), flags)


def test_commands_can_be_read_and_written_with_one_descriptor(resctrl: Resctrl) -> None:
    fd = os.open(resctrl.path("mode"), os.O_RDWR)
    try:
        assert os.read(fd, 100) == b"shareable\n"
        assert os.write(fd, b"shareable\n") == 10
        assert os.pread(fd, 5, 2) == b"areab"
    finally:
        os.close(fd)


def test_files_have_no_size(resctrl: Resctrl) -> None:
    assert os.stat(resctrl.path("schemata")).st_size == 0


@pytest.mark.parametrize("place", ["", "info", "a"])
def test_only_mkdir_makes_something(resctrl: Resctrl, place: str) -> None:
    resctrl.mkdir("a")
    new, file = resctrl.path(place, "new"), resctrl.path("schemata")
    before = resctrl.names(place)
    with resctrl.refused(errno.EACCES):
        os.open(new, os.O_CREAT | os.O_WRONLY)
    with resctrl.refused(errno.EPERM):
        os.symlink("x", new)
    with resctrl.refused(errno.EPERM):
        os.link(file, new)
    with resctrl.refused(errno.EPERM):
        os.mkfifo(new)
    assert resctrl.names(place) == before


def test_files_are_not_removed(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    for path in ("schemata", "a/tasks", "info/last_cmd_status"):
        with resctrl.refused(errno.EPERM):
            os.unlink(resctrl.path(path))
    with resctrl.refused(errno.EISDIR):
        os.unlink(resctrl.path("a"))


def test_truncating_does_nothing(resctrl: Resctrl) -> None:
    """So that `echo > file` works, which opens with O_TRUNC."""
    before = resctrl.read("schemata")
    os.truncate(resctrl.path("schemata"), 0)
    os.close(os.open(resctrl.path("schemata"), os.O_WRONLY | os.O_TRUNC))
    assert resctrl.read("schemata") == before


def test_truncating_a_read_only_file_does_nothing_either(resctrl: Resctrl) -> None:
    """Only open(2) refuses to write to it."""
    before = resctrl.read("size")
    os.truncate(resctrl.path("size"), 0)
    assert resctrl.read("size") == before


def test_appending_is_writing(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    fd = os.open(resctrl.path("schemata"), os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, f"{cache.name}:{cache.domains[0]}=1\n".encode())
    finally:
        os.close(fd)
    assert resctrl.mask() == 1
