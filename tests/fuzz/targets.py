"""What is fuzzed: every place where rdtd reads text or bytes that others wrote.

A target takes any bytes and returns. Errors by which a module refuses are part of its contract and caught
here; whatever else it raises is a finding, and so is an answer that does not hold what it promises.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rdtd.bus.arguments import Reader
from rdtd.bus.framing import Framer, FramingError
from rdtd.bus.library import Variant
from rdtd.bus.message import parse
from rdtd.bus.values import decode_lifetime, decode_regions, decode_targets
from rdtd.bus.wire import WireError, decode, encode, plain
from rdtd.core.allocator import reserve
from rdtd.core.configured import format_configured, read_reservation
from rdtd.core.cpus import format_cpus, parse_cpus
from rdtd.core.errors import InvalidRequest, RdtdError
from rdtd.core.lacking import degraded
from rdtd.core.model import Lifetime, Owner, Region, Reservation, Snapshot, Wanted
from rdtd.core.options import Settings, read_settings
from rdtd.core.plan import plan
from rdtd.core.space import Policy
from rdtd.core.spec import format_spec, parse_spec
from rdtd.core.view import Views
from rdtd.resctrl.filesystem import Resctrl
from rdtd.resctrl.schemata import format_schemata, parse_number_by_id, parse_schemata
from rdtd.store import Store, StoreDamagedError, StoreNewerError
from tests.core.support import host

Seeds = Callable[[], Iterable[bytes]]

SEPARATOR = b"\x1e"  # between the files, or the parts, of one input
VALUES = 20_000


class Target(NamedTuple):
    run: Callable[[bytes], None]
    seeds: Seeds


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@cache
def _hosts() -> list[Snapshot]:
    return [host(0, 1, ways=11).snapshot(), host(0, 3, cdp=True).snapshot(), host(0, sparse=True).snapshot()]


@cache
def _directory() -> Path:
    import atexit

    directory = tempfile.mkdtemp(prefix="rdtd-fuzz-")
    atexit.register(shutil.rmtree, directory)
    return Path(directory)


def spec(data: bytes) -> None:
    """The seed syntax, and what is done with what it says."""
    try:
        regions = parse_spec(_text(data))
    except InvalidRequest:
        return
    assert parse_spec(format_spec(regions)) == regions
    for snapshot in _hosts():
        granted(snapshot, regions)


def granted(snapshot: Snapshot, regions: tuple[Region, ...]) -> None:
    """Reserves: what is granted is exclusive and whole."""
    asked = Reservation("fuzz", regions, (), Owner(0))
    try:
        wanted = reserve(Wanted(), snapshot, Policy(), asked)
    except RdtdError:
        return
    got = wanted.reservations["fuzz"].granted
    assert got
    for one in got:
        cache = snapshot.caches[one.key]
        assert one.mask & ~cache.full == 0
        assert one.mask.bit_count() >= cache.smallest
    plan(wanted, snapshot, Policy())


def cpus(data: bytes) -> None:
    """CPU lists."""
    try:
        found = parse_cpus(_text(data))
    except InvalidRequest:
        return
    assert parse_cpus(format_cpus(found)) == found


def schemata(data: bytes) -> None:
    """schemata, and the files of its syntax."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        masks = parse_schemata(text)
    except ValueError:
        masks = {}
    assert parse_schemata("".join(format_schemata(masks))) == masks
    with suppress(ValueError):
        parse_number_by_id(text, "L3")


FILES = (
    *("schemata", "size", "cpus_list", "mode"),
    *(f"info/L3/{name}" for name in ("cbm_mask", "min_cbm_bits", "shareable_bits", "num_closids")),
    *("info/L3/sparse_masks", "group/schemata", "group/cpus_list", "group/mode"),
    *("sys/devices/system/cpu/online", "sys/devices/system/cpu/cpu0/cache/index3/level"),
    *(f"sys/devices/system/cpu/cpu0/cache/index3/{name}" for name in ("id", "shared_cpu_list")),
)
GOOD = (
    *("    MB:0=  100\n    L3:0=007ff;1=007ff\n", "    L3:0=11534336;1=11534336\n", "0-7\n", "shareable\n"),
    *("7ff\n", "1\n", "600\n", "16\n", "0\n", "    L3:0=3;1=7ff\n", "\n", "exclusive\n"),
    *("0-7\n", "3\n", "0\n", "0-3\n"),
)  # fmt: skip
_written: dict[str, bytes] = {}  # most inputs change one file
KNOWN = Reservation("a", parse_spec("size=1ways"), (), Owner(0))


def mount(data: bytes) -> None:
    """Every file of a mounted resctrl and of sysfs that rdtd reads; what is left out is as it should be."""
    root = _directory() / "resctrl"
    parts = data.split(SEPARATOR)
    for index, name in enumerate(FILES):
        content = parts[index] if index < len(parts) else GOOD[index].encode()
        if _written.get(name) != content:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
            _written[name] = content
    resctrl = Resctrl(str(root), str(root / "sys"))
    try:
        snapshot = resctrl.observe()
    except RdtdError:
        return
    wanted = Wanted({"a": KNOWN})
    Views().compute(wanted, snapshot, Policy())
    plan(wanted, snapshot, Policy())
    degraded(wanted, snapshot)
    granted(snapshot, KNOWN.regions)


def state(data: bytes) -> None:
    """The state file: read as a whole and the same again when it is saved, or refused."""
    directory = _directory() / "state"
    directory.mkdir(exist_ok=True)
    (directory / "state.json").write_bytes(data)
    store = Store(str(directory))
    try:
        found = store.load()
    except (StoreDamagedError, StoreNewerError):
        assert (directory / "state.json").read_bytes() == data
        return
    assert found is not None
    store.save(found)
    assert store.load() == found


def message(data: bytes) -> None:
    """What comes on the socket: cut into messages, with headers and bodies; cut elsewhere the same."""
    whole = _messages([data])
    assert _messages([data[: len(data) // 2], data[len(data) // 2 :]]) == whole


def _messages(pieces: list[bytes]) -> list[str]:
    framer = Framer(1 << 20)
    found = []
    try:
        for piece in pieces:
            framer.feed(piece)
            while (frame := framer.next()) is not None:
                try:
                    one = parse(frame.data, frame.too_large)
                    found.append(f"{one and not one.too_large and one.body(VALUES)!r}")
                except WireError:
                    found.append("malformed")
    except FramingError:
        found.append("nonsense")
    return found


def wire(data: bytes) -> None:
    """A body of any type: what could be read can be written, and is the same when it is read again."""
    raw, _, body = data.partition(SEPARATOR)
    try:
        signature = raw.decode("ascii", "replace")
        values = decode(signature, b"l" + bytes(7) + body, 8, VALUES)
        written = encode(signature, values)
    except WireError:
        return
    again = decode(signature, b"l" + bytes(7) + written.data, 8, VALUES)
    assert repr(plain(again)) == repr(plain(values))  # as text, for NaN is not NaN


SIGNATURES = ("saa{sv}a{sv}", "ssa{sv}", "sa{sv}")


def call(data: bytes) -> None:
    """The arguments of rdtd's own methods."""
    for signature in SIGNATURES:
        try:
            values = decode(signature, b"l" + bytes(7) + data, 8, VALUES)
        except WireError:
            continue
        try:
            if isinstance(values[1], list):
                regions = decode_regions(values[1], 1024)
                for snapshot in _hosts():
                    granted(snapshot, regions)
            elif isinstance(values[1], str):
                parse_spec(values[1])
        except RdtdError:
            continue
        _options(values[-1])


def _options(options: dict[str, Variant]) -> None:
    reader = Reader(options, "options")
    try:
        reader.take("dry-run", "b", default=False)
        assert decode_lifetime(reader) in Lifetime
        targets = decode_targets(reader)
        reader.done()
    except InvalidRequest:
        return
    assert all(thread >= 0 for thread in (*targets.tasks, *targets.processes))


def config(data: bytes) -> None:
    """rdtd.conf and the files of reservations.d."""
    text = _text(data)
    read_settings(Settings(), text, "rdtd.conf")
    found, problems = read_reservation(text, "x.conf", "x")
    assert found is not None or any(problem.fatal for problem in problems)
    if found is not None:
        again, complaints = read_reservation(format_configured(found), "x.conf", "x")
        assert again is not None, complaints
        assert (again.name, again.regions, again.cpus, again.units) == (
            *(found.name, found.regions, found.cpus, found.units),
        )
