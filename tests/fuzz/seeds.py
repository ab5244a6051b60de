"""Where fuzzing starts: values as they really are, made by the code that makes them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from rdtd.bus.values import encode_regions
from rdtd.bus.wire import encode
from rdtd.core.allocator import reserve
from rdtd.core.configured import read_reservation
from rdtd.core.model import Domain, Lifetime, Owner, Reservation, Wanted
from rdtd.core.options import defaults
from rdtd.core.space import Policy
from rdtd.core.spec import parse_spec
from rdtd.store import Store
from tests.bus import fake_bus as fake
from tests.core.support import host
from tests.fuzz.targets import GOOD, SEPARATOR

SPECS = (
    "type=both,size=10mb,cacheid=2;type=both,size=2mb,cacheid=1",
    "type=code,size=2ways,cache-id=0; type=data,size=25%,cache_id=0;",
    "size=1GiB,level=2,cache-id=any",
    "SIZE=4096,CACHEID=0",
)


def spec() -> Iterable[bytes]:
    return [one.encode() for one in SPECS]


def cpus() -> Iterable[bytes]:
    return [b"0-3,8,10-11\n", b"3,5-7", b"", b"0", b"0-65535"]


def schemata() -> Iterable[bytes]:
    return [
        b"    MB:0=  100;1=  100\n    L3:0=0000f;1=000f0\n",
        b"    L2:0=ff;1=ff\n    L3:0=f;1=f0\n",
        b"L3CODE:0=7ff;1=7ff\nL3DATA:0=7ff;1=7ff\nSMBA:0=2048\n",
    ]


def mount() -> Iterable[bytes]:
    return [b"", SEPARATOR.join(text.encode() for text in GOOD)]


def state() -> Iterable[bytes]:
    wanted = Wanted(baselines={"": {Domain("L3", 0): 0x7FF}}, written={"": {Domain("L3", 0): 0x7FC}})
    owners = [Owner(0), Owner(1000, ":1.42", "0123456789abcdef0123456789abcdef")]
    lifetimes = (Lifetime.PERSISTENT, Lifetime.CLIENT)
    for name, owner, lifetime in zip(("vm", "rt"), owners, lifetimes, strict=True):
        asked = Reservation(name, parse_spec("size=1ways"), (), owner, lifetime, 7, frozenset({1, 2}))
        wanted = reserve(wanted, host(0, 1).snapshot(), Policy(), asked)
    with tempfile.TemporaryDirectory() as directory:
        Store(directory).save(wanted)
        saved = Path(directory, "state.json").read_bytes()
    return [saved, b'{"version": 2}']


def calls() -> Iterable[tuple[str, bytes]]:
    """Signatures and bodies of Reserve, ReserveSpec, Attach."""
    options = {
        "dry-run": ("b", True),
        "lifetime": ("s", "client"),
        "tasks": ("au", [7]),
        "cpus": ("s", "1"),
    }
    for one in SPECS:
        yield "saa{sv}a{sv}", encode("saa{sv}a{sv}", ["vm", encode_regions(parse_spec(one)), options]).data
        yield "ssa{sv}", encode("ssa{sv}", ["vm", one, options]).data
    yield "sa{sv}", encode("sa{sv}", ["vm", {"processes": ("au", [1, 2]), "cpus": ("s", "3,5-7")}]).data


def call() -> Iterable[bytes]:
    return [body for _, body in calls()]


def wire() -> Iterable[bytes]:
    everything = "ybnqiuxtdsogv"
    values = [1, True, -1, 1, -1, 1, -1, 1, 1.5, "s", "/a", "as", ("a(uv)", [[1, ("s", "x")]])]
    yield everything.encode() + SEPARATOR + encode(everything, values).data
    for signature, body in calls():
        yield signature.encode() + SEPARATOR + body


def message() -> Iterable[bytes]:
    yield fake.PING
    for signature, body in calls():
        fields = [fake.field(99, "from a newer broker", "s"), fake.field(fake.DESTINATION, "org.rdtd1")]
        yield fake.call("/org/rdtd1", "org.rdtd1.Manager", "Reserve", signature, body, 5, *fields)
    answer = [fake.field(fake.REPLY_SERIAL, 7), fake.field(fake.SENDER, ":1.7")]
    yield fake.message(2, answer) + fake.message(3, [*answer, fake.field(fake.ERROR_NAME, "a.b.C")])
    yield fake.message(
        4, [fake.field(fake.PATH, "/"), fake.field(fake.INTERFACE, "a.b"), fake.field(fake.MEMBER, "C")]
    )


def config() -> Iterable[bytes]:
    options = "\n".join(f"{name}={value}" for name, value in defaults().items())
    reservation = (
        "# for the packet path\n[Reservation]\nName=dpdk\nDescription=x \\\n  y\nRegions=size=4mb,cache-id=0;"
        "size=1ways,cache-id=1\nRegions=\nRegions=size=2ways\nCPUs=2-3\nUnits=dpdk.service a@b.scope\n"
        "[X-Other]\nA=b\n"
    )
    assert read_reservation(reservation, "x", "x")[0] is not None
    return [f"[Manager]\n{options}\n".encode(), reservation.encode()]
