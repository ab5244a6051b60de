"""What the start finds: other instances, lost state. (Damaged state: tests/daemon/test_restart.py.)"""

import os
from pathlib import Path

import pytest

from rdtd.core.model import Wanted
from rdtd.engine import Engine
from rdtd.resctrl.filesystem import Resctrl
from rdtd.startup import StartError, claim, restore
from rdtd.store import Store
from tests.engine.conftest import reserving
from tests.support.mount import Mount


def test_one_instance_for_a_directory(tmp_path: Path) -> None:
    directory = str(tmp_path / "run")
    first = claim(directory)
    with pytest.raises(StartError, match="another rdtd is running: it has"):
        claim(directory)
    os.close(first)
    os.close(claim(directory))


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot use the runtime directory"):
        claim(str(tmp_path / "file/run"))


def test_what_was_saved(engine: Engine, resctrl: Resctrl, tmp_path: Path) -> None:
    engine.turn(reserving("a", "size=2ways"))
    warned: list[str] = []
    wanted = restore(Store(str(tmp_path)), resctrl, warned.append)
    assert list(wanted.reservations) == ["a"]
    assert warned == []


def test_a_first_start(resctrl: Resctrl, tmp_path: Path) -> None:
    warned: list[str] = []
    assert restore(Store(str(tmp_path)), resctrl, warned.append) == Wanted()
    assert warned == []


def test_rebuilt_from_the_groups(engine: Engine, resctrl: Resctrl, mount: Mount, tmp_path: Path) -> None:
    engine.turn(reserving("a", "size=2ways,cache-id=0"))
    engine.turn(reserving("b", "size=3ways"))
    before = {name: one.granted for name, one in engine.wanted.reservations.items()}
    os.unlink(engine._saver._store.path)
    warned: list[str] = []
    store = Store(str(tmp_path))
    wanted = restore(store, resctrl, warned.append)
    assert {name: one.granted for name, one in wanted.reservations.items()} == before
    assert wanted.baselines[""] == engine.wanted.baselines[""]
    assert warned == [f"the state ({store.path}) is rebuilt from the groups in {mount.root}, as root's: a, b"]


def test_damage_without_a_mount(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    Path(store.path).write_text("{")
    warned: list[str] = []
    assert restore(store, Resctrl(str(tmp_path / "none")), warned.append) == Wanted()
    assert len(warned) == 1
    assert "was set aside as" in warned[0]
