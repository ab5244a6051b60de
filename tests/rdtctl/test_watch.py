"""rdtctl watch: as JSON, as text, on a terminal."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from rdtd.bus.client import Signal
from rdtd.rdtctl.watch import describe
from tests.rdtctl.conftest import Rdtctl


class Watching:
    """A running `rdtctl watch --json`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        document: dict[str, Any] = json.loads(self.process.stdout.readline())
        return document

    def until(self, event: str) -> dict[str, Any]:
        """The first document with an event that has this in it."""
        while True:
            document = self.next()
            if any(event in one for one in document["events"]):
                return document


@contextmanager
def watching(rdtctl: Rdtctl) -> Iterator[Watching]:
    process = rdtctl.start("watch", "--json")
    try:
        yield Watching(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def names(document: dict[str, Any]) -> list[str]:
    return [reservation["name"] for reservation in document["reservations"]]


def test_changes_are_shown_as_they_come(rdtctl: Rdtctl) -> None:
    with watching(rdtctl) as watch:
        first = watch.next()
        assert first["events"] == []
        assert names(first) == []
        rdtctl.ok("reserve", "vm", "size=2ways,cache-id=0")
        added = watch.until("vm was reserved")
        assert names(added) == ["vm"]
        assert added["caches"][0]["reserved_mask"] == 3
        rdtctl.ok("release", "vm")
        assert names(watch.until("vm was released")) == []


def test_the_daemon_leaves_and_comes_back(rdtctl: Rdtctl) -> None:
    rdtctl.ok("reserve", "vm", "size=2ways,cache-id=0")
    with watching(rdtctl) as watch:
        assert names(watch.next()) == ["vm"]
        rdtctl.daemon.kill()
        gone = watch.until("rdtd left the bus")
        assert "caches" not in gone
        rdtctl.daemon.start()
        assert names(watch.until("rdtd is on the bus")) == ["vm"]


def test_the_bus_that_goes_away_ends_it(rdtctl: Rdtctl) -> None:
    process = rdtctl.start("watch")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("L3: 2 caches")
    rdtctl.daemon.stop()
    rdtctl.daemon.bus.stop()
    _, said = process.communicate()
    assert said.startswith("rdtctl: ")
    assert said.count("\n") == 1
    assert process.returncode == 7


def test_it_does_not_begin_without_a_daemon(rdtctl: Rdtctl) -> None:
    rdtctl.daemon.stop()
    assert rdtctl("watch").status == 7


def test_pictures_follow_each_other_without_a_terminal(rdtctl: Rdtctl) -> None:
    process = rdtctl.start("watch", "--no-legend")
    assert process.stdout is not None
    first = [process.stdout.readline() for _ in range(6)]
    assert first[0].startswith("L3: 2 caches")
    rdtctl.ok("reserve", "vm", "size=2ways,cache-id=0")
    assert process.stdout.readline().endswith(" vm was reserved\n")
    second = [process.stdout.readline() for _ in range(6)]
    assert second[2] == "cache 0  # . . . . . . . . a a\n"
    assert second[0:2] == first[0:2]
    process.send_signal(signal.SIGINT)
    assert process.communicate()[1] == ""
    assert process.returncode == 0


def test_on_a_terminal_it_is_redrawn_in_place(rdtctl: Rdtctl) -> None:
    terminal, end = pty.openpty()
    try:
        rdtctl.environment["TERM"] = "xterm"
        process = rdtctl.start("watch", stdout=end)
        os.close(end)
        assert "\033[2J" in read_until(terminal, "\033[J\033[?7h")
        rdtctl.ok("reserve", "vm", "size=2ways,cache-id=0")
        again = read_until(terminal, "vm was reserved")
        assert again.startswith("\033[?7l\033[H")
        assert "\033[2J" not in again
        assert "\033[30;42ma \033[0m" in again
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    finally:
        os.close(terminal)


def read_until(terminal: int, text: str) -> str:
    """What is on the terminal, up to and with this text."""
    read = ""
    while text not in read:
        read += os.read(terminal, 65536).decode()
    return read


@pytest.mark.parametrize(
    ("member", "arguments", "words"),
    [
        ("ReservationAdded", ["vm", "/x"], "vm was reserved"),
        ("ReservationRemoved", ["vm", "/x", "released"], "vm was released"),
        ("ReservationRemoved", ["vm", "/x", "client-left"], "vm was released: its owner left the bus"),
        ("ReservationRemoved", ["vm", "/x", "moon"], "vm was released: moon"),
        ("Drift", ["rdtd.vm", "mask", {}], "drift in group rdtd.vm: mask"),
        ("Drift", ["", "mask", {"found": 3, "put": 7}], "drift in the default group: mask (found 3, put 7)"),
        ("PropertiesChanged", ["org.rdtd1.Manager", {"State": "unmounted"}, []], "rdtd is unmounted"),
        ("PropertiesChanged", ["org.rdtd1.Cache", {"FreeMask": 1}, []], None),
        ("NameOwnerChanged", ["org.rdtd1", ":1.1", ""], "rdtd left the bus"),
        ("NameOwnerChanged", ["org.rdtd1", "", ":1.2"], "rdtd is on the bus"),
        ("InterfacesAdded", ["/x", {}], None),
    ],
)
def test_signals_in_words(member: str, arguments: list[Any], words: str | None) -> None:
    assert describe(Signal(":1.1", "/org/rdtd1", "org.rdtd1.Manager", member, arguments)) == words
