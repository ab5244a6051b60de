"""What is refused: with the right error, a text that helps, and nothing changed."""

import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from rdtd.bus import message as messages
from rdtd.bus.client import BusGone
from rdtd.bus.wire import Encoded, encode
from tests.daemon.conftest import Host
from tests.daemon.refusal import refused
from tests.daemon.simulated import with_faults
from tests.support.caller import INVALID_ARGS, PATH, RDTD_ERROR, Caller
from tests.support.threads import Threads

Region = dict[str, tuple[str, Any]]

NO_SPACE = RDTD_ERROR + "NoSpace"
NOT_FOUND = RDTD_ERROR + "NotFound"
UNSUPPORTED = RDTD_ERROR + "Unsupported"
EXISTS = RDTD_ERROR + "Exists"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"


NAMES = ["", "../x", ".", "..", ".hidden", "-x", "a/b", "a\nb", "a b", "ä", "x" * 201, "a\x7f", "info\t"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_that_are_none(host: Host, name: str) -> None:
    shown = name if len(name) < 60 else "xxx..."
    for method in (
        lambda: host.caller.reserve(name, "size=1ways"),
        lambda: host.caller.reserve(name, "size=1ways", dry_run=("b", True)),
        lambda: host.caller.release(name),
        lambda: host.caller.call("Resize", "saa{sv}a{sv}", name, [{"ways": ("u", 1)}], {}),
        lambda: host.caller.attach(name, tasks=("au", [1])),
        lambda: host.caller.detach(name, cpus=("s", "1")),
        lambda: host.caller.call("GetReservation", "s", name),
    ):
        with refused(host, INVALID_ARGS, repr(shown).strip("'"), "1 to 200 of the characters"):
            method()


@pytest.mark.parametrize("name", ["x" * 200, "info", "mon_groups", "@+:_", "9", "a.-b"])
def test_odd_names_that_are_fine(host: Host, name: str) -> None:
    host.caller.reserve(name, "size=1ways")
    assert host.mount.groups() == [f"rdtd.{name}"]
    path = host.caller.call("GetReservation", "s", name)[0]
    assert host.caller.get("Name", path, "org.rdtd1.Reservation") == name


def test_a_name_that_is_not_utf_8(host: Host) -> None:
    """No such message reaches rdtd: the bus ends the connection of whoever sends one."""
    groups = host.mount.dump()
    body = encode("ssa{sv}", ["NAME", "size=1ways", {}])
    broken = Encoded(body.signature, body.data.replace(b"NAME", b"\xff\xfe\xfd\xfc"))
    with Caller(host.daemon.address) as caller:
        frame = messages.call(9, "org.rdtd1", PATH, "org.rdtd1.Manager", "ReserveSpec", broken)
        caller.client._send(frame)
        with pytest.raises(BusGone):
            caller.reservations()
    assert host.mount.dump() == groups
    assert host.caller.reservations() == []


SPECS = [
    ("", INVALID_ARGS, "the specification is empty"),
    (";", INVALID_ARGS, "region 1 is empty"),
    ("size=0", INVALID_ARGS, "size 0: the smallest region is one way"),
    ("size=-1", INVALID_ARGS, "size '-1': write it as 10mb"),
    ("size=1e3", INVALID_ARGS, "size '1e3': write it as 10mb"),
    ("size=10xb", INVALID_ARGS, "'10xb': unknown unit 'xb'"),
    ("size=1.5mb", INVALID_ARGS, "'1.5mb'"),
    ("size=9223372036854775808", INVALID_ARGS, "sizes go up to 2^63-1"),
    ("size=99999999999999999999", INVALID_ARGS, "sizes go up to 2^63-1"),
    ("size=9007199254740992gb", INVALID_ARGS, "sizes go up to 2^63-1"),
    ("size=9223372036854775807", NO_SPACE, "the cache has {ways} ways"),
    ("size=1gb", NO_SPACE, "{gib_ways} ways (1 GiB) asked, the cache has {ways} ways"),
    ("size={more}ways", NO_SPACE, ") asked, the cache has {ways} ways"),
    ("size={ways}ways", NO_SPACE, "the default group keeps 1"),
    ("size=101%", INVALID_ARGS, "percent 101: a cache has 100%"),
    ("size=0%", INVALID_ARGS, "percent 0"),
    ("size=1ways,cache-id=99", INVALID_ARGS, "L3 has no cache 99; its cache IDs are {cache_ids}"),
    ("size=1ways,cache-id=4294967296", INVALID_ARGS, "cache-id '4294967296'"),
    ("size=1ways,cache-id=-1", INVALID_ARGS, "cache-id '-1'"),
    ("size=1ways,level=1", INVALID_ARGS, "level 1: caches of level 3 and 2"),
    ("size=1ways,level=2", UNSUPPORTED, "it can allocate: L3"),
    ("size=1ways,type=code", UNSUPPORTED, "-o cdp"),
    ("type=code,size=1ways;type=data,size=1ways", UNSUPPORTED, "-o cdp"),
    ("size=1ways,type=all", INVALID_ARGS, "type 'all': the types are both, code and data"),
    ("size=1ways;size=2ways", INVALID_ARGS, "L3 cache 0: two regions of type both"),
    ("size=1ways,cache-id=0;size=1ways", INVALID_ARGS, "L3 cache 0: two regions of type both"),
    ("size=1ways,colour=red", INVALID_ARGS, "unknown key 'colour'; the keys are type, size"),
    ("size=1ways,size=2ways", INVALID_ARGS, "size is given twice"),
    ("cache-id=0", INVALID_ARGS, "size is missing"),
    ("size", INVALID_ARGS, "'size' is not KEY=VALUE"),
    ("size=1ways;" * 10_000, INVALID_ARGS, "10000 regions in one specification; 1024 are the most"),
]


@pytest.mark.parametrize(("spec", "name", "text"), SPECS, ids=range(len(SPECS)))
def test_specifications(host: Host, spec: str, name: str, text: str) -> None:
    spec, text = spec.format_map(host.machine.words), text.format_map(host.machine.words)
    with refused(host, name, text):
        host.caller.reserve("a", spec)
    with refused(host, name, text):
        host.caller.reserve("a", spec, dry_run=("b", True))


WAYS: Region = {"ways": ("u", 1)}
REGIONS: list[tuple[list[Region], str, str]] = [
    ([], INVALID_ARGS, "no region was asked for"),
    ([{}], INVALID_ARGS, "region 1: exactly one of size, ways and percent is needed, none of them is given"),
    ([WAYS | {"size": ("t", 1)}], INVALID_ARGS, "region 1: exactly one of size, ways and percent"),
    ([{"size": ("t", 0)}], INVALID_ARGS, "region 1: size 0"),
    ([{"ways": ("u", 0)}], INVALID_ARGS, "region 1: ways 0"),
    ([{"percent": ("u", 101)}], INVALID_ARGS, "region 1: percent 101"),
    ([{"size": ("t", 2**63)}], INVALID_ARGS, "region 1: size 9223372036854775808: sizes go up to 2^63-1"),
    ([{"size": ("t", 2**64 - 1)}], INVALID_ARGS, "sizes go up to 2^63-1"),
    ([{"size": ("t", 2**63 - 1)}], NO_SPACE, "the cache has {ways} ways"),
    ([{"ways": ("u", 2**32 - 1)}], NO_SPACE, "the cache has {ways} ways"),
    ([{"size": ("x", -1)}], INVALID_ARGS, "region 1: 'size' must be t (a number), not x"),
    ([{"size": ("s", "10mb")}], INVALID_ARGS, "region 1: 'size' must be t"),
    ([{"size": ("d", 1.0)}], INVALID_ARGS, "region 1: 'size' must be t"),
    ([{"ways": ("t", 1)}], INVALID_ARGS, "region 1: 'ways' must be u"),
    ([{"percent": ("y", 1)}], INVALID_ARGS, "region 1: 'percent' must be u"),
    ([WAYS | {"type": ("u", 1)}], INVALID_ARGS, "region 1: 'type' must be s"),
    ([WAYS | {"level": ("i", 3)}], INVALID_ARGS, "region 1: 'level' must be u"),
    ([WAYS | {"cache-id": ("i", 0)}], INVALID_ARGS, "region 1: 'cache-id' must be u (a number, or 'any')"),
    ([WAYS | {"cache-id": ("s", "0")}], INVALID_ARGS, "region 1: cache-id '0': it is a number or 'any'"),
    ([WAYS | {"cache-id": ("u", 99)}], INVALID_ARGS, "L3 has no cache 99; its cache IDs are {cache_ids}"),
    ([WAYS | {"level": ("u", 4)}], INVALID_ARGS, "level 4: caches of level 3 and 2"),
    ([WAYS | {"type": ("s", "Both")}], INVALID_ARGS, "type 'Both': the types are both, code and data"),
    ([WAYS | {"type": ("s", "code")}], UNSUPPORTED, "-o cdp"),
    ([WAYS, WAYS], INVALID_ARGS, "two regions of type both"),
    ([WAYS | {"cacheid": ("u", 0)}], INVALID_ARGS, "region 1: unknown key 'cacheid': the known ones are"),
]


@pytest.mark.parametrize(("regions", "name", "text"), REGIONS, ids=range(len(REGIONS)))
def test_regions(host: Host, regions: list[Region], name: str, text: str) -> None:
    text = text.format_map(host.machine.words)
    with refused(host, name, text):
        host.caller.reserve_regions("a", regions)
    host.caller.reserve("a", "size=2ways")
    with refused(host, name, text):
        host.caller.call("Resize", "saa{sv}a{sv}", "a", regions, {})


def test_ten_thousand_regions(host: Host) -> None:
    with refused(host, LIMITS_EXCEEDED, "the arguments of Reserve have more than 20000 values"):
        host.caller.reserve_regions("a", [WAYS] * 10_000)
    with refused(host, LIMITS_EXCEEDED, "3000 regions in one call, and 1024 are the most"):
        host.caller.reserve_regions("a", [WAYS] * 3000)
    named = [WAYS | {"cache-id": ("u", number)} for number in range(1024)]
    with refused(host, INVALID_ARGS, f"L3 has no cache {len(host.machine.cache_ids)}"):
        host.caller.reserve_regions("a", named)


OPTIONS: list[tuple[dict[str, tuple[str, Any]], str, str]] = [
    ({"dry-run": ("u", 1)}, INVALID_ARGS, "options: 'dry-run' must be b (a boolean), not u"),
    ({"dry_run": ("b", True)}, INVALID_ARGS, "options: unknown key 'dry_run'"),
    ({"lifetime": ("s", "forever")}, INVALID_ARGS, "lifetime 'forever': it is 'persistent' or 'client'"),
    ({"lifetime": ("u", 1)}, INVALID_ARGS, "options: 'lifetime' must be s"),
    ({"tasks": ("ai", [1])}, INVALID_ARGS, "options: 'tasks' must be au (thread IDs), not ai"),
    ({"processes": ("u", 1)}, INVALID_ARGS, "options: 'processes' must be au (process IDs), not u"),
    ({"cpus": ("au", [1])}, INVALID_ARGS, "options: 'cpus' must be s (a CPU list such as 3,5-7), not au"),
    ({"cpus": ("s", "1,,2")}, INVALID_ARGS, "CPU list '1,,2': there is an empty part"),
    ({"cpus": ("s", "7-5")}, INVALID_ARGS, "'7-5' runs backwards"),
    ({"cpus": ("s", "0-99999")}, INVALID_ARGS, "'0-99999' is not a CPU or a range"),
    ({"cpus": ("s", "4096")}, NOT_FOUND, "CPU 4096 is not online; online are 0-{last_cpu}"),
    ({"cpus": ("s", "1,99")}, NOT_FOUND, "CPU 99 is not online"),
    ({"tasks": ("au", [2**32 - 1])}, NOT_FOUND, "there is no thread 4294967295"),
    ({"tasks": ("au", [0])}, NOT_FOUND, "there is no thread 0"),
    ({"processes": ("au", [2**31])}, NOT_FOUND, "there is no thread 2147483648"),
]


@pytest.mark.parametrize(("options", "name", "text"), OPTIONS, ids=range(len(OPTIONS)))
def test_options(host: Host, options: dict[str, tuple[str, Any]], name: str, text: str) -> None:
    with refused(host, name, text.format_map(host.machine.words)):
        host.caller.reserve_regions("a", [WAYS], options)


@pytest.mark.parametrize(("options", "name", "text"), OPTIONS[4:], ids=range(4, len(OPTIONS)))
def test_targets(host: Host, options: dict[str, tuple[str, Any]], name: str, text: str) -> None:
    host.caller.reserve("a", "size=1ways")
    text = text.format_map(host.machine.words).replace("options:", "targets:")
    with refused(host, name, text):
        host.caller.attach("a", **options)


def test_targets_that_name_nothing(host: Host) -> None:
    host.caller.reserve("a", "size=1ways")
    nothing: list[dict[str, tuple[str, Any]]] = [{}, {"tasks": ("au", [])}, {"cpus": ("s", "")}]
    for targets in nothing:
        with refused(host, INVALID_ARGS, "nothing is named; give tasks, processes or cpus"):
            host.caller.attach("a", **targets)
        with refused(host, INVALID_ARGS, "nothing is named"):
            host.caller.detach("a", **targets)


@pytest.mark.parametrize(
    ("member", "signature", "arguments"),
    [
        ("Reserve", "ssa{sv}", ("a", "size=1ways", {})),
        ("ReserveSpec", "saa{sv}a{sv}", ("a", [WAYS], {})),
        ("ReserveSpec", "ss", ("a", "size=1ways")),
        ("Release", "s", ("a",)),
        ("Attach", "sau", ("a", [1])),
        ("ListFree", "s", ("",)),
        ("Reconcile", "u", (1,)),
    ],
)
def test_arguments_of_another_type(
    host: Host, member: str, signature: str, arguments: tuple[Any, ...]
) -> None:
    with refused(host, INVALID_ARGS, f"the call is {member}(", f"not ({signature})"):
        host.caller.call(member, signature, *arguments)


def test_methods_of_reservations_that_do_not_exist(host: Host) -> None:
    for method in (
        lambda: host.caller.release("a"),
        lambda: host.caller.call("Resize", "saa{sv}a{sv}", "a", [WAYS], {}),
        lambda: host.caller.attach("a", cpus=("s", "1")),
        lambda: host.caller.detach("a", cpus=("s", "1")),
    ):
        with refused(host, NOT_FOUND, "there is no reservation 'a'"):
            method()


def test_a_thread_that_is_gone(host: Host) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with refused(host, NOT_FOUND, f"there is no thread {gone.pid}"):
        host.caller.reserve("a", "size=1ways", tasks=("au", [gone.pid]))
    host.caller.reserve("a", "size=1ways")
    with refused(host, NOT_FOUND, f"there is no thread {gone.pid}"):
        host.caller.attach("a", tasks=("au", [gone.pid]))
    with refused(host, NOT_FOUND, f"{gone.pid}"):
        host.caller.detach("a", processes=("au", [gone.pid]))


def test_a_kernel_thread(host: Host) -> None:
    kthreadd = 2
    text = "thread 2 (kthreadd) is a kernel thread; it serves the whole host"
    for target in ("tasks", "processes"):
        with refused(host, INVALID_ARGS, text):
            host.caller.reserve("a", "size=1ways", **{target: ("au", [kthreadd])})
    host.caller.reserve("a", "size=1ways")
    with refused(host, INVALID_ARGS, text):
        host.caller.attach("a", tasks=("au", [kthreadd]))


def test_one_thread_of_several_is_gone(host: Host, threads: Threads) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    host.caller.reserve("a", "size=1ways", tasks=("au", threads.ids[:1]))
    host.caller.reserve("b", "size=1ways")
    with refused(host, NOT_FOUND, f"{gone.pid}", threads=tuple(threads.ids)):
        host.caller.attach("b", tasks=("au", [*threads.ids, gone.pid]))


def test_detach_of_what_is_not_inside(host: Host, threads: Threads) -> None:
    host.caller.reserve("a", "size=1ways", cpus=("s", "3"))
    with refused(host, INVALID_ARGS, f"thread {threads.pid} is not in group 'rdtd.a'"):
        host.caller.detach("a", tasks=("au", [threads.pid]))
    with refused(host, INVALID_ARGS, f"no thread of process {threads.pid} is in group 'rdtd.a'"):
        host.caller.detach("a", processes=("au", [threads.pid]))
    with refused(host, INVALID_ARGS, "CPU 2 is not in reservation 'a'; it has 3"):
        host.caller.detach("a", cpus=("s", "2-3"))


def test_a_cpu_of_another_reservation(host: Host) -> None:
    host.caller.reserve("a", "size=1ways", cpus=("s", "3"))
    with refused(host, EXISTS, "CPU 3 is in reservation 'a'; detach it there first"):
        host.caller.reserve("b", "size=1ways", cpus=("s", "2-3"))


def test_no_closid_left(host: Host) -> None:
    for number in range(host.caller.get("ClosidsFree")):
        host.caller.reserve(f"n{number}", "size=1ways,cache-id=0")
    assert host.caller.get("ClosidsFree") == 0
    number = host.machine.closids
    text = f"the hardware has {number}; the default group uses 1, reservations {number - 1}, foreign groups 0"
    with refused(host, RDTD_ERROR + "NoClosid", text):
        host.caller.reserve("more", "size=1ways,cache-id=1")


def test_several_domains_are_all_or_nothing(host: Host) -> None:
    host.caller.reserve("a", f"size={host.machine.ways - 3}ways,cache-id=1")
    with refused(host, NO_SPACE, "L3 cache 1: 4 ways", "the largest free run is 2 ways"):
        host.caller.reserve("b", "size=4ways")


@with_faults
@pytest.mark.parametrize(
    "change",
    [
        lambda host: host.caller.reserve("b", "size=1ways"),
        lambda host: host.caller.release("a"),
        lambda host: host.caller.call("Resize", "saa{sv}a{sv}", "a", [{"ways": ("u", 2)}], {}),
        lambda host: host.caller.attach("a", cpus=("s", "1")),
        lambda host: host.caller.attach("a", tasks=("au", [1])),
    ],
    ids=["reserve", "release", "resize", "attach cpus", "attach tasks"],
)
def test_resctrl_is_read_only(host: Host, change: Callable[[Host], object]) -> None:
    host.caller.reserve("a", "size=1ways")
    host.control("readonly on")
    with refused(host, RDTD_ERROR + "KernelRefused", "mounted read-only", "remount it"):
        change(host)


@with_faults
def test_the_kernels_reason_is_told(host: Host) -> None:
    host.control("fail write rdtd.a/schemata EINVAL 1 Mask out of range")
    with refused(
        host, RDTD_ERROR + "KernelRefused", "schemata of group 'rdtd.a'", "last_cmd_status: Mask out of range"
    ):
        host.caller.reserve("a", "size=1ways")
