"""What the journal has: fields to search for, and explanations."""

import json
from typing import Any

from rdtd.messages import Message
from tests.support.caller import Caller
from tests.support.mount import Mount
from tests.system import machine
from tests.system.machine import run


def _entries(message: Message) -> list[dict[str, Any]]:
    printed = run("journalctl", "--boot", "--output=json", "_SYSTEMD_UNIT=rdtd.service",
                  f"MESSAGE_ID={message}").stdout  # fmt: skip
    return [json.loads(line) for line in printed.splitlines()]


def test_a_repair_is_told_with_its_fields(caller: Caller, mount: Mount) -> None:
    caller.reserve("a", "size=1ways")
    caller.signals_so_far()
    (mount.root / "rdtd.a").rmdir()
    caller.signal("Drift", machine.PATIENCE)
    caller.call("Reconcile")
    run("journalctl", "--sync")
    entry = _entries(Message.REPAIRED)[-1]
    assert "rdtd.a" in entry["MESSAGE"]
    assert "a" in [value for field, value in entry.items() if field.startswith("RDTD_")]


def test_every_message_that_an_administrator_may_meet_is_explained() -> None:
    """The package's catalog is part of journald's."""
    known = {line.split()[0] for line in run("journalctl", "--list-catalog").stdout.splitlines()}
    assert {str(message) for message in Message} - known == set()


def test_it_told_of_its_start() -> None:
    assert _entries(Message.READY)
