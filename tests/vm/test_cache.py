"""The cache: built once for its inputs, whole or not at all, by one builder."""

import os
import threading
from pathlib import Path

import pytest

from tests.vm import cache as cache_module
from tests.vm.cache import KEPT_SECONDS, Cache, cache_root, key_of
from tests.vm.errors import VmError


def write(directory: Path) -> None:
    (directory / "file").write_text("built")


def must_not_build(_directory: Path) -> None:
    raise AssertionError("built again")


def test_the_key_tells_the_inputs_apart_and_not_their_order() -> None:
    assert key_of({"a": 1, "b": ["x"]}) == key_of({"b": ["x"], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})


def test_an_entry_is_built_once_for_its_inputs(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "not" / "there")
    entry = cache.get("root", {"a": 1}, write)
    assert (entry / "file").read_text() == "built"
    assert cache.get("root", {"a": 1}, must_not_build) == entry
    assert cache.get("root", {"a": 2}, write) != entry


@pytest.mark.parametrize("failure", [VmError("no"), KeyboardInterrupt(), OSError("disk full")])
def test_a_build_that_fails_leaves_nothing(tmp_path: Path, failure: BaseException) -> None:
    def fail(directory: Path) -> None:
        write(directory)
        raise failure

    with pytest.raises((VmError, KeyboardInterrupt)):
        Cache(tmp_path).get("root", {}, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["root.lock"]


def test_what_a_killed_build_left_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / f"root-{key_of({})}.partial"
    leftover.mkdir()
    write(leftover)
    entry = Cache(tmp_path).get("root", {}, lambda directory: (directory / "other").touch())
    assert [path.name for path in entry.iterdir()] == ["other"]
    assert not leftover.exists()


def test_entries_that_nobody_uses_go_when_another_is_built(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    old, used = cache.get("root", {"a": 1}, write), cache.get("root", {"a": 2}, write)
    other = cache.get("root-like", {"a": 1}, write)
    long_ago = old.stat().st_mtime - KEPT_SECONDS - 1
    for entry in (old, other):
        os.utime(entry, (long_ago, long_ago))
    cache.get("root", {"a": 3}, write)
    assert not old.exists()
    assert used.exists()
    assert other.exists()


def test_a_second_builder_waits_for_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, entries = threading.Event(), []
    monkeypatch.setattr(cache_module, "say", lambda text: waits.set() if "waiting" in text else None)

    def second() -> None:
        entries.append(Cache(tmp_path).get("root", {}, must_not_build))

    thread = threading.Thread(target=second)

    def first(directory: Path) -> None:
        thread.start()
        assert waits.wait(60)
        write(directory)

    entries.append(Cache(tmp_path).get("root", {}, first))
    thread.join()
    assert entries[0] == entries[1]


def test_too_little_disk_is_said_before_the_build(tmp_path: Path) -> None:
    with pytest.raises(VmError, match="make room or set XDG_CACHE_HOME"):
        Cache(tmp_path).get("root", {}, must_not_build, space=1 << 60)


def test_a_cache_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(VmError, match="cannot be used"):
        Cache(tmp_path / "file").get("root", {}, write)


def test_the_cache_is_where_xdg_says() -> None:
    assert cache_root({"XDG_CACHE_HOME": "/var/tmp/c"}) == Path("/var/tmp/c/rdtd-vm")
    assert cache_root({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache/rdtd-vm"
    assert cache_root({}) == Path.home() / ".cache/rdtd-vm"
