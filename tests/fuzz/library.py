"""All targets by name, and what was found: an input that once broke something stays in tests/fuzz/found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.fuzz import seeds, targets
from tests.fuzz.targets import Target
from tests.fuzz.transport import transport

FOUND = Path(__file__).with_name("found")

TARGETS = {
    "spec": Target(targets.spec, seeds.spec),
    "cpus": Target(targets.cpus, seeds.cpus),
    "schemata": Target(targets.schemata, seeds.schemata),
    "mount": Target(targets.mount, seeds.mount),
    "state": Target(targets.state, seeds.state),
    "config": Target(targets.config, seeds.config),
    "message": Target(targets.message, seeds.message),
    "wire": Target(targets.wire, seeds.wire),
    "call": Target(targets.call, seeds.call),
    "transport": Target(transport, seeds.message),
}


def found(name: str) -> Iterator[Path]:
    """The inputs that broke a target once, each a file named for what it did."""
    yield from sorted((FOUND / name).glob("*"))
