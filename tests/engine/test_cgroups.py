"""Control groups: which processes are in them."""

import os
from pathlib import Path

import pytest

from rdtd.cgroups import Cgroups

ME = os.getpid()


def put(directory: Path, *pids: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))


@pytest.mark.parametrize("version", ["unified", "version 1"])
def test_a_group_and_all_below_it(tmp_path: Path, version: str) -> None:
    top = tmp_path if version == "unified" else tmp_path / "systemd"
    put(top / "a.slice", 1)
    put(top / "a.slice/b.service/c", ME)
    put(top / "a.slice/d.service", 2)
    put(top / "e.slice", 2)
    if version == "unified":
        (tmp_path / "cgroup.controllers").touch()
    cgroups = Cgroups(str(tmp_path))
    mine = {int(name) for name in os.listdir("/proc/self/task")}
    assert cgroups.threads("/a.slice/b.service") == mine
    assert mine < cgroups.threads("/a.slice")
    assert cgroups.threads("/a.slice", {"/a.slice/b.service"}).isdisjoint(mine)
    assert cgroups.threads("/a.slice", {"/e.slice", "/a"}) == cgroups.threads("/a.slice")


def test_what_is_not_there(tmp_path: Path) -> None:
    put(tmp_path / "systemd/a", 999999999)
    (tmp_path / "systemd/threaded").mkdir()
    (tmp_path / "secret").mkdir()
    put(tmp_path / "secret", ME)
    cgroups = Cgroups(str(tmp_path))
    for cgroup in ("/a", "/none", "/threaded", "", "a", "/../secret", "/a/../../secret"):
        assert cgroups.threads(cgroup) == frozenset()
