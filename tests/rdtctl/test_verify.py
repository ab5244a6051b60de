"""rdtctl verify: the daemon's own reading of files, and its word on whether they fit."""

import json
from pathlib import Path

from tests.rdtctl.conftest import Rdtctl


def file(directory: Path, name: str, *lines: str) -> str:
    path = directory / name
    path.write_text("\n".join([*lines, ""]))
    return str(path)


def reservation(directory: Path, name: str, *lines: str) -> str:
    return file(directory, f"{name}.conf", "[Reservation]", *lines)


def test_what_fits(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    web = reservation(tmp_path, "web", "Regions=size=2ways,cache-id=0", "CPUs=900")
    settings = file(tmp_path, "rdtd.conf", "[Manager]", "Mount=yes")
    out = shared_rdtctl.ok("verify", web, settings)
    assert out == f"{web}: web would have 4.5 MiB on L3 0\n{settings}: nothing is wrong\n"
    assert shared_rdtctl.ok("list", "--no-legend") == ""


def test_what_is_wrong(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    bad = reservation(tmp_path, "bad", "Regions=size=lots", "Colour=red")
    good = reservation(tmp_path, "good", "Regions=size=1ways", "Colour=red")
    outcome = shared_rdtctl("verify", bad, good, str(tmp_path / "none.conf"))
    assert outcome.status == 1
    assert outcome.out == f"{good}: good would have 2.25 MiB on each of L3 0-1\n"
    first, second, third, fourth = outcome.err.splitlines()
    assert first.startswith(f"{bad}:2: Regions='size=lots'")
    assert second.startswith(f"{bad}:3: unknown option Colour")
    assert third.startswith(f"{good}:3: unknown option Colour")
    assert third.endswith("(warning)")
    assert fourth == f"{tmp_path}/none.conf: cannot be read: No such file or directory"


def test_a_warning_is_no_failure(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    outcome = shared_rdtctl("verify", "--offline", file(tmp_path, "rdtd.conf", "[Manager]", "New=1"))
    assert (outcome.status, outcome.err.count("(warning)")) == (0, 1)


def test_what_does_not_fit(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    large = reservation(tmp_path, "large", "", "Regions=size=99ways,cache-id=1")
    outcome = shared_rdtctl("verify", large)
    assert (outcome.status, outcome.out) == (5, "")
    assert outcome.err.startswith(f"{large}:3: L3 cache 1: 99 ways")
    elsewhere = reservation(tmp_path, "elsewhere", "Regions=size=1ways,cache-id=7")
    outcome = shared_rdtctl("verify", elsewhere)
    assert outcome.status == 5
    assert "L3 has no cache 7" in outcome.err


def test_two_files_with_one_name(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    first = reservation(tmp_path, "a", "Regions=size=1ways")
    second = reservation(tmp_path, "b", "Name=a", "Regions=size=1ways")
    outcome = shared_rdtctl("verify", first, second)
    assert outcome.status == 1
    assert outcome.err == f"{second}:3: reservation 'a' is in {first} already\n"


def test_one_that_is_there_is_compared_as_what_it_becomes(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    path = reservation(tmp_path, "there", "Regions=size=10ways,cache-id=0")
    shared_rdtctl.ok("reserve", "there", "size=6ways,cache-id=0")
    assert "there would have 22.5 MiB on L3 0" in shared_rdtctl.ok("verify", path)
    shared_rdtctl.ok("release", "there")


def test_json(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    path = reservation(tmp_path, "a", "Regions=size=1ways,cache-id=0", "Odd=1")
    outcome = shared_rdtctl("verify", "--json", path)
    assert (outcome.status, outcome.err) == (0, "")
    [found] = json.loads(outcome.out)["files"]
    assert found["problems"][0]["line"] == 3
    assert not found["problems"][0]["fatal"]
    assert (found["name"], found["refused"], found["granted"][0]["ways"]) == ("a", "", 1)


def test_without_a_daemon(shared_rdtctl: Rdtctl, tmp_path: Path) -> None:
    path = reservation(tmp_path, "a", "Regions=size=99ways")
    outcome = shared_rdtctl("--bus", "unix:path=/nonexistent", "verify", path)
    assert (outcome.status, outcome.out) == (0, f"{path}: nothing is wrong\n")
    assert outcome.err.startswith("not compared with this host: ")
    assert shared_rdtctl("--bus", "unix:path=/nonexistent", "verify", "--offline", path).err == ""
