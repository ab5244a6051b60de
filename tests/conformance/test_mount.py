"""Mounting: what a fresh mount has, and the options."""

import errno
import os
from pathlib import Path

import pytest

from tests.conformance import real
from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl
from tests.conformance.threads import Worker

#: The kernel from which on there is the option debug.
DEBUG = (6, 7)
OPTION = {2: "cdpl2", 3: "cdp"}


def test_a_fresh_mount_has_forgotten_everything(resctrl: Resctrl, worker: Worker) -> None:
    resctrl.set_mask(0x3)
    resctrl.mkdir("a")
    resctrl.move(worker.id, "a")
    resctrl.echo("0", "a/cpus_list")
    resctrl.driver.mount(resctrl.host.options)
    assert "a" not in resctrl.names()
    assert set(resctrl.masks().values()) == {resctrl.host.cache.full}
    assert worker.id in resctrl.tasks()
    assert resctrl.cpus() == resctrl.online_cpus()
    for number in range(1, resctrl.host.closids):
        resctrl.mkdir(f"g{number}")


def test_a_mount_starts_with_a_clear_status(resctrl: Resctrl) -> None:
    resctrl.fail_before()
    resctrl.driver.mount(resctrl.host.options)
    assert resctrl.status == "ok"


@needs("cdp-capable")
def test_cdp_on_and_off(resctrl: Resctrl) -> None:
    for level in sorted(resctrl.host.cdp_levels):
        resctrl.driver.mount((OPTION[level],))
        assert {f"L{level}CODE", f"L{level}DATA"} <= set(resctrl.schemata())
        assert f"L{level}" not in resctrl.schemata()
        assert {f"L{level}CODE", f"L{level}DATA"} <= resctrl.names("info")
        resctrl.driver.mount(())
        assert f"L{level}" in resctrl.schemata()
        assert f"L{level}CODE" not in resctrl.names("info")


@pytest.mark.parametrize("level", [2, 3])
def test_cdp_of_a_cache_that_has_none(resctrl: Resctrl, level: int) -> None:
    if level in resctrl.host.cdp_levels:
        resctrl.driver.mount((OPTION[level],))
    else:
        with pytest.raises(OSError, match="Invalid argument") as caught:
            resctrl.driver.mount((OPTION[level],))
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("option", ["bogus", "CDP"])
def test_unknown_options(resctrl: Resctrl, option: str) -> None:
    with pytest.raises(OSError, match="Invalid argument") as caught:
        resctrl.driver.mount((option,))
    assert caught.value.errno == errno.EINVAL


@needs("three-groups")
def test_debug(resctrl: Resctrl) -> None:
    if resctrl.host.kernel < DEBUG:
        with pytest.raises(OSError, match="Invalid argument"):
            resctrl.driver.mount(("debug",))
        return
    resctrl.driver.mount(("debug",))
    resctrl.mkdir("a")
    assert resctrl.read("ctrl_hw_id") == "0\n"
    assert resctrl.read("a/ctrl_hw_id") == "1\n"
    resctrl.mkdir("b")
    resctrl.rmdir("a")
    resctrl.mkdir("c")
    assert resctrl.read("c/ctrl_hw_id") == "1\n"  # the lowest free one
    if resctrl.host.rmids:
        assert resctrl.read("mon_hw_id") == "0\n"
        assert int(resctrl.read("b/mon_hw_id")) > 0
    assert os.stat(resctrl.path("ctrl_hw_id")).st_mode & 0o777 == 0o444


@needs("real")
def test_one_mount_in_the_system(resctrl: Resctrl) -> None:
    with pytest.raises(OSError, match="busy") as caught:
        real.mount(())
    assert caught.value.errno == errno.EBUSY


@needs("real")
def test_an_open_directory_keeps_it_mounted(resctrl: Resctrl) -> None:
    fd = os.open(resctrl.root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="busy") as caught:
            resctrl.driver.close()
        assert caught.value.errno == errno.EBUSY
    finally:
        os.close(fd)


@needs("real")
def test_mountinfo_shows_the_options(resctrl: Resctrl) -> None:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    (line,) = (line for line in lines if f" {resctrl.root} " in line)
    kind, _source, options = line.split(" - ")[1].split()
    assert kind == "resctrl"
    assert options.split(",") == ["rw", *resctrl.host.options]
