"""Which files count: names, directories, masks; and what is unreadable."""

import os
from pathlib import Path

import pytest

from rdtd.config import Config, ConfigError, describe, load
from rdtd.core.options import Settings
from rdtd.core.space import ForeignGroups


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    """In place of /etc/rdtd, /run/rdtd, /usr/lib/rdtd."""
    found = [tmp_path / name for name in ("etc", "run", "lib")]
    for place in found:
        (place / "rdtd.conf.d").mkdir(parents=True)
        (place / "reservations.d").mkdir()
    return found


def loaded(places: list[Path]) -> Config:
    return load(None, [str(place) for place in places])


def conf(place: Path, name: str, line: str) -> Path:
    path = place / name
    path.write_text(f"[Manager]\n{line}\n")
    return path


def reservation(place: Path, name: str, text: str = "Regions=size=1ways") -> Path:
    path = place / "reservations.d" / f"{name}.conf"
    path.write_text(f"[Reservation]\n{text}\n")
    return path


def test_nothing_at_all(tmp_path: Path) -> None:
    assert loaded([tmp_path / "none"]) == Config(Settings())


def test_one_main_file_counts(places: list[Path]) -> None:
    etc, _, lib = places
    packaged = conf(lib, "rdtd.conf", "LogLevel=debug\nMount=yes")
    assert loaded(places).settings == Settings(log_level="debug", mount=True)
    own = conf(etc, "rdtd.conf", "Mount=yes")
    found = loaded(places)
    assert found.settings == Settings(mount=True)
    assert found.files == (str(own),)
    own.unlink()
    own.symlink_to("/dev/null")
    assert loaded(places) == Config(Settings())
    own.unlink()
    assert loaded(places).files == (str(packaged),)


def test_drop_ins_by_name_whatever_their_directory(places: list[Path]) -> None:
    etc, run, lib = places
    files = [
        conf(etc, "rdtd.conf", "LogLevel=debug"),
        conf(etc, "rdtd.conf.d/10-a.conf", "LogLevel=info\nMount=yes"),
        conf(run, "rdtd.conf.d/50-b.conf", "LogLevel=warning\nMaxReservations=5"),
        conf(lib, "rdtd.conf.d/90-c.conf", "LogLevel=error"),
    ]
    found = loaded(places)
    assert found.files == tuple(map(str, files))
    assert (found.settings.log_level, found.settings.mount) == ("error", True)
    assert found.settings.limits.reservations == 5


def test_the_same_name_masks(places: list[Path]) -> None:
    etc, run, lib = places
    conf(lib, "rdtd.conf.d/a.conf", "LogLevel=error\nMount=yes")
    conf(run, "rdtd.conf.d/a.conf", "LogLevel=warning")
    assert loaded(places).settings == Settings(log_level="warning")
    (etc / "rdtd.conf.d/a.conf").symlink_to("/dev/null")
    assert loaded(places).settings == Settings()
    (etc / "rdtd.conf.d/a.conf").unlink()
    (etc / "rdtd.conf.d/a.conf").touch()
    assert loaded(places).settings == Settings()


def test_other_files_are_left_alone(places: list[Path]) -> None:
    for name in ("a.conf.dpkg-old", ".hidden.conf", "README"):
        (places[0] / "rdtd.conf.d" / name).write_text("nonsense")
        (places[0] / "reservations.d" / name).write_text("nonsense")
    assert loaded(places) == Config()


def test_a_given_file_takes_the_place_of_all(places: list[Path], tmp_path: Path) -> None:
    conf(places[0], "rdtd.conf", "Mount=yes")
    conf(places[0], "rdtd.conf.d/a.conf", "Cdp=yes")
    path = conf(tmp_path, "own.conf", "ForeignGroups=narrow")
    found = load(str(path), [str(place) for place in places])
    assert found.settings.policy.foreign is ForeignGroups.NARROW
    assert not found.settings.mount
    assert not found.settings.cdp


def test_all_that_is_wrong_is_told(places: list[Path]) -> None:
    first = conf(places[0], "rdtd.conf", "Mount=perhaps\nCdp=perhaps")
    second = conf(places[1], "rdtd.conf.d/a.conf", "LogLevel=loud")
    with pytest.raises(ConfigError) as caught:
        loaded(places)
    found = [(one.path, one.line) for one in caught.value.problems]
    assert found == [(str(first), 2), (str(first), 3), (str(second), 2)]


def test_unreadable_files(places: list[Path], tmp_path: Path) -> None:
    path = places[0] / "rdtd.conf"
    path.mkdir()
    with pytest.raises(ConfigError, match=r"rdtd\.conf: cannot be read: Is a directory"):
        loaded(places)
    path.rmdir()
    path.write_bytes(b"[Manager]\n\nLogLevel=\xff\n")
    with pytest.raises(ConfigError, match=r"rdtd\.conf:3: is not UTF-8"):
        loaded(places)
    path.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match=r"rdtd\.conf: is longer than 1 MiB"):
        loaded(places)
    with pytest.raises(ConfigError, match=r"none\.conf: cannot be read: No such file"):
        load(str(tmp_path / "none.conf"), [])


def test_reservations_come_by_name(places: list[Path]) -> None:
    reservation(places[2], "b")
    reservation(places[0], "a", "Name=z\nRegions=size=1ways")
    found = loaded(places)
    assert [one.name for one in found.reservations] == ["b", "z"]
    assert found.problems == ()


def test_a_wrong_reservation_is_skipped_and_the_rest_stays(places: list[Path]) -> None:
    etc = places[0]
    good = reservation(etc, "good")
    bad = reservation(etc, "bad", "Regions=size=lots")
    (etc / "reservations.d/gone.conf").symlink_to("/nonexistent")
    found = loaded(places)
    assert [one.path for one in found.reservations] == [str(good)]
    assert [str(one).split(": ")[0] for one in found.problems] == [
        f"{bad}:2",
        f"{etc}/reservations.d/gone.conf",
    ]
    assert all(one.fatal for one in found.problems)


def test_one_that_is_masked_is_no_problem(places: list[Path]) -> None:
    for number, name in enumerate("ab"):
        reservation(places[2], name)
        path = places[number] / f"reservations.d/{name}.conf"
        if number:
            path.touch()
        else:
            path.symlink_to("/dev/null")
    assert loaded(places) == Config()


def test_two_files_with_one_name(places: list[Path]) -> None:
    first = reservation(places[2], "a")
    second = reservation(places[0], "b", "Name=a\nRegions=size=2ways")
    found = loaded(places)
    assert [one.path for one in found.reservations] == [str(first)]
    [problem] = found.problems
    assert str(problem) == f"{second}:3: reservation 'a' is in {first} already"


def test_a_unit_belongs_to_one_reservation(places: list[Path]) -> None:
    reservation(places[0], "a", "Regions=size=1ways\nUnits=x.service y.service")
    second = reservation(places[0], "b", "Regions=size=1ways\nUnits=y.service z.service")
    found = loaded(places)
    assert [one.units for one in found.reservations] == [("x.service", "y.service"), ("z.service",)]
    [problem] = found.problems
    assert str(problem).startswith(f"{second}:2: unit y.service is in reservation 'a' already")
    assert not problem.fatal


def test_a_directory_that_cannot_be_listed(places: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(ConfigError, match=r"rdtd\.conf\.d: cannot be listed: Permission denied"):
        loaded(places)


def test_what_is_described_is_what_was_read(places: list[Path], tmp_path: Path) -> None:
    conf(places[0], "rdtd.conf", "Mount=yes\nMaxMessageSize=2mb")
    reservation(places[0], "a", "Regions=size=1ways,cache-id=1\nCPUs=3,1\nDescription=first")
    found = loaded(places)
    text = describe(found)
    assert "Mount=yes\n" in text
    again = conf(tmp_path, "again.conf", text.partition("\n\n")[0].partition("[Manager]\n")[2])
    assert load(str(again), []).settings == found.settings
    path = f"{places[0]}/reservations.d/a.conf"
    assert text.partition("\n\n")[2].splitlines() == [
        f"# {path}",
        "[Reservation]",
        "Name=a",
        "Description=first",
        "Regions=type=both,size=1ways,cache-id=1",
        "CPUs=1,3",
    ]
