"""Hints from inotify on a simulated resctrl."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.watch import Watch
from rdtd.simulator.process import SimulatorProcess


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess() as running:
        yield running


@pytest.fixture
def root(simulator: SimulatorProcess) -> Iterator[Path]:
    path = Path(simulator.root)
    (path / "one").mkdir()
    yield path
    simulator.control("remount")


@pytest.fixture
def watch(root: Path) -> Iterator[Watch]:
    found = Watch(str(root))
    found.follow(["one"])
    assert found.pending()
    assert found.drain() is None  # at first everything has to be looked at
    yield found
    found.close()


def drained(watch: Watch) -> set[str]:
    hints = watch.drain()
    assert hints is not None
    return set(hints)


def test_writes_to_what_a_snapshot_is_made_of(root: Path, watch: Watch) -> None:
    assert not watch.pending()
    (root / "schemata").write_text("L3:0=7f\n")
    (root / "one/cpus_list").write_text("3\n")
    assert watch.pending()
    assert drained(watch) == {"", "one"}
    assert not watch.pending()


def test_threads_that_move_are_a_hint_to_look_for_threads(root: Path, watch: Watch) -> None:
    (root / "one/tasks").write_text(f"{os.getpid()}\n")
    (root / "tasks").write_text(f"{os.getpid()}\n")
    assert watch.drain() == {"one": {"tasks"}, "": {"tasks"}}


def test_a_refused_write_is_a_hint_like_any_other(root: Path, watch: Watch) -> None:
    with pytest.raises(OSError, match="Invalid argument"), (root / "one/schemata").open("w") as file:
        file.write("L3:0=0\n")
    assert drained(watch) == {"one"}


def test_groups_come_and_go(root: Path, watch: Watch) -> None:
    (root / "two").mkdir()
    assert drained(watch) == {"two"}
    watch.follow(["one", "two"])
    (root / "two/schemata").write_text("L3:0=1\n")
    assert drained(watch) == {"two"}
    (root / "two").rmdir()
    assert drained(watch) == {"two"}
    watch.follow(["one"])
    (root / "two").mkdir()
    assert drained(watch) == {"two"}


def test_names_of_any_bytes_lose_no_hint(root: Path, watch: Watch) -> None:
    name = os.fsencode(root) + b"/\xff"
    os.mkdir(name)
    (root / "one/schemata").write_text("L3:0=1\n")
    assert drained(watch) == {"\udcff", "one"}
    watch.follow(["one", "\udcff"])
    assert watch.drain() is not None


def test_no_watch_is_leaked(root: Path, watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    """Nor is there a word from the library on stderr."""
    for number in range(50):
        group = root / f"group{number}"
        group.mkdir()
        watch.follow(["one", group.name])
        group.rmdir()
        if number % 2:
            watch.drain()
        watch.follow(["one"])
    watch.drain()
    assert len(watch._manager.watches) == len(watch._watches) == len(watch._groups) == 2
    info = Path(f"/proc/self/fdinfo/{watch.fd}").read_text()
    assert info.count("inotify wd:") == 2
    assert capfd.readouterr().err == ""


def test_a_group_that_was_made_again_is_watched_again(tmp_path: Path) -> None:
    """Between two looks. A directory that is still open tells its watch nothing of its end, as in kernfs."""
    group = tmp_path / "one"
    group.mkdir()
    watch = Watch(str(tmp_path))
    watch.follow(["one"])
    watch.drain()
    with open_directory(group):
        group.rmdir()
        group.mkdir()
        watch.drain()
        watch.follow(["one"])
        (group / "schemata").write_text("")
        assert watch.drain() == {"one": {"schemata"}}
    watch.close()


@contextmanager
def open_directory(path: Path) -> Iterator[None]:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
    finally:
        os.close(directory)


def test_monitoring_groups_of_own_groups_are_hints(root: Path, watch: Watch) -> None:
    (root / "rdtd.a").mkdir()
    watch.follow(["one", "rdtd.a"])
    watch.drain()
    (root / "rdtd.a/mon_groups/guest").mkdir()
    (root / "one/mon_groups/guest").mkdir()
    assert watch.drain() == {"rdtd.a": {"mon_groups"}}


def test_hints_about_others(root: Path, watch: Watch) -> None:
    """Threads and CPUs that go to another group concern those from which they come."""
    (root / "one/schemata").write_text("L3:0=1\n")
    (root / "tasks").write_text(f"{os.getpid()}\n")
    (root / "cpus_list").write_text("0-15\n")
    assert watch.pending()
    assert not watch.pending(["one"])
    assert watch.pending(["two"])


def test_no_watch_is_leaked_by_any_number_of_groups(tmp_path: Path) -> None:
    """RDTD_WATCHED_GROUPS=100000 for the long run. inotify lets a user have some ten thousand."""
    watch = Watch(str(tmp_path))
    for number in range(0, int(os.environ.get("RDTD_WATCHED_GROUPS", "500")), 20):
        names = [f"rdtd.{one}" for one in range(number, number + 20)]
        for name in names:
            (tmp_path / name / "mon_groups").mkdir(parents=True)
        watch.follow(names)
        for name in names:
            (tmp_path / name / "mon_groups").rmdir()
            (tmp_path / name).rmdir()
        if number % 40:
            watch.drain()
        watch.follow(())
    watch.drain()
    assert Path(f"/proc/self/fdinfo/{watch.fd}").read_text().count("inotify wd:") == 1
    assert len(watch._manager.watches) == len(watch._watches) == len(watch._groups) == 1
    watch.close()


def test_an_overflow_means_everything_and_hints_are_coalesced(tmp_path: Path) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "schemata").touch()
    watch = Watch(str(tmp_path))
    watch.follow(["one", "two"])
    watch.drain()

    def write(number: int) -> None:
        for _ in range(number):  # equal events that follow one another are one to the kernel already
            for name in ("one", "two"):
                os.close(os.open(tmp_path / name / "schemata", os.O_WRONLY))

    write(100)
    assert watch.drain() == {"one": {"schemata"}, "two": {"schemata"}}
    write(most // 2 + 1)
    assert watch.drain() is None
    (tmp_path / "one/schemata").write_text("")
    assert watch.drain() == {"one": {"schemata"}}
    watch.close()


def test_what_is_not_followed_any_more_gives_no_hint(root: Path, watch: Watch) -> None:
    """kernfs does not drop the watch of a directory that goes: rdtd does."""
    watch.follow([])
    (root / "one/schemata").write_text("L3:0=1\n")
    assert not watch.pending()
    assert Path(f"/proc/self/fdinfo/{watch.fd}").read_text().count("inotify wd:") == 1


def test_a_group_that_is_gone_cannot_be_followed(watch: Watch, capfd: pytest.CaptureFixture[str]) -> None:
    watch.follow(["one", "never"])
    assert capfd.readouterr().err == ""
    assert "never" not in watch._watches


def test_the_descriptor_is_not_inherited(watch: Watch) -> None:
    assert not os.get_inheritable(watch.fd)
    assert not os.get_blocking(watch.fd)


def test_umount_means_everything() -> None:
    with SimulatorProcess() as simulator:
        watch = Watch(simulator.root)
        watch.follow([])
        watch.drain()
    assert watch.pending()
    assert watch.drain() is None
    assert watch.unmounted()
    assert not watch.unmounted()
    watch.close()


def test_an_observation_reads_what_has_changed(root: Path, simulator: SimulatorProcess) -> None:
    """Own groups are taken over unless a hint names them; hotplug, which no hint tells, has all read."""
    (root / "rdtd.a").mkdir()
    resctrl = Resctrl(str(root), simulator.sysfs)
    first = resctrl.observe()
    assert resctrl.observe(first, {}) is first
    simulator.control("kernel-change rdtd.a L3:0=3")
    assert resctrl.observe(first, {}) == first
    assert resctrl.observe(first, {"rdtd.a": {"mode"}}) == first
    seen = resctrl.observe(first, {"rdtd.a": {"schemata"}})
    assert seen.groups["rdtd.a"].masks != first.groups["rdtd.a"].masks
    assert seen == resctrl.observe(first, None)
    simulator.control("offline cpu 1")
    assert resctrl.observe(first, {}) == resctrl.observe()
    simulator.control("online cpu 1")
