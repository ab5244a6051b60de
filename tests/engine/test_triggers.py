"""What the kernel's uevents say of CPUs."""

import pytest

from rdtd.triggers import _parse


def event(head: str, *fields: str) -> bytes:
    return b"".join(f"{text}\0".encode() for text in (head, *fields))


@pytest.mark.parametrize(
    ("message", "offline"),
    [
        (event("offline@/devices/system/cpu/cpu12", "ACTION=offline", "SUBSYSTEM=cpu"), {12}),
        (event("remove@/devices/system/cpu/cpu3", "SUBSYSTEM=cpu"), {3}),
        (event("online@/devices/system/cpu/cpu12", "SUBSYSTEM=cpu"), set()),
        (event("add@/devices/system/cpu/cpu12", "SUBSYSTEM=cpu"), set()),
        (event("offline@/devices/system/memory/memory3", "SUBSYSTEM=memory"), None),
        (event("change@/devices/system/cpu/cpu3", "SUBSYSTEM=cpu"), None),
        (b"libudev\0", None),
        (b"", None),
    ],
)
def test_cpus_that_come_and_go(message: bytes, offline: set[int] | None) -> None:
    assert _parse(message) == offline
