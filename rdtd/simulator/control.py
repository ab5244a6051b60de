"""The file `.simulator/control`: what a test does to the machine that a client of resctrl cannot do."""

from __future__ import annotations

import errno
from collections.abc import Callable

from rdtd.simulator import hotplug, schemata
from rdtd.simulator.faults import ALWAYS, OPERATIONS, Fault, Faults
from rdtd.simulator.formats import parse_cpu_list
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.state import Group, MountOptions, State
from rdtd.simulator.topology import CacheResource

HELP = """\
# One command a line. A bad one is EINVAL, and info/last_cmd_status tells why.
# offline LEVEL CACHE-ID      all CPUs of a cache, as in "offline L3 1": it leaves every schemata
# online LEVEL CACHE-ID       back again: the full mask in every group, CPUs in the default group
# offline cpu LIST            single CPUs, as in "offline cpu 4-7"
# online cpu LIST
# remount [cdp] [cdpl2] [debug]   umount and mount: groups gone, full masks
# fail OP PATH ERRNO [COUNT|always [TEXT]]   the next COUNT (1) operations fail; TEXT is for last_cmd_status
# delay OP PATH SECONDS [COUNT|always]       they take that long
#                             OP: mkdir rmdir read write. PATH: a pattern like "rdtd.*/schemata"
# readonly on|off             every change is EROFS
# clear                       no more faults, not read-only
# kernel-change GROUP LINE    a value changes with no event on any file; GROUP / is the default group
"""


class Control:
    """Reads commands, carries them out, and lists what is pending."""

    def __init__(self, state: State, faults: Faults, remount: Callable[[MountOptions], None]) -> None:
        self._state = state
        self._faults = faults
        self._remount = remount
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "offline": self._offline,
            "online": self._online,
            "remount": self._remount_with,
            "fail": self._fail,
            "delay": self._delay,
            "readonly": self._read_only,
            "clear": self._clear,
            "kernel-change": self._kernel_change,
        }

    def show(self) -> str:
        """Help, then the pending faults in the form in which they are written."""
        lines = [str(fault) for fault in self._faults.pending]
        if self._faults.read_only:
            lines.append("readonly on")
        return HELP + "".join(f"{line}\n" for line in lines)

    def write(self, text: str) -> None:
        """Carries out the commands, up to the first bad one."""
        last = self._state.last_command
        for line in text.split("\n"):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            command = self._commands.get(words[0])
            try:
                if command is None:
                    raise ValueError(f"unknown command '{words[0]}'")
                command(words[1:])
            except ValueError as error:
                last.clear()
                raise last.refuse(f"simulator: {error}") from None

    def _offline(self, words: list[str]) -> None:
        cpus = self._cpus(words)
        if not self._state.online_cpus - cpus:
            raise ValueError("the last CPU stays online")
        hotplug.offline(self._state, cpus)

    def _online(self, words: list[str]) -> None:
        hotplug.online(self._state, self._cpus(words))

    def _cpus(self, words: list[str]) -> set[int]:
        if len(words) != 2:
            raise ValueError("give L3 and a cache ID, or cpu and a list")
        topology = self._state.topology
        if words[0] == "cpu":
            try:
                cpus = parse_cpu_list(words[1], topology.nr_cpus)
            except RefusedError:
                cpus = set()
            if not cpus:
                raise ValueError(f"no such CPUs '{words[1]}'")
            return cpus
        for cache in topology.caches:
            if (f"L{cache.level}", str(cache.id)) == (words[0], words[1]):
                return set(cache.cpus)
        raise ValueError(f"no cache {words[0]} {words[1]}")

    def _remount_with(self, words: list[str]) -> None:
        unknown = set(words) - {"cdp", "cdpl2", "debug"}
        if unknown:
            raise ValueError(f"unknown option '{min(unknown)}'")
        self._remount(MountOptions(**dict.fromkeys(words, True)))

    def _fail(self, words: list[str]) -> None:
        operation, pattern, code, rest = _fault_words(words)
        number = getattr(errno, code, None) if code.startswith("E") else int(code) if code.isdigit() else None
        if not isinstance(number, int) or number not in errno.errorcode:
            raise ValueError(f"unknown errno '{code}'")
        text = " ".join(rest[1:]) or None
        self._faults.pending.append(Fault(operation, pattern, _count(rest), number, text))

    def _delay(self, words: list[str]) -> None:
        operation, pattern, seconds, rest = _fault_words(words)
        wait = float(seconds)
        if not 0 < wait < 3600:
            raise ValueError(f"'{seconds}' is no delay")
        self._faults.pending.append(Fault(operation, pattern, _count(rest), seconds=wait))

    def _read_only(self, words: list[str]) -> None:
        if words not in (["on"], ["off"]):
            raise ValueError("readonly on, or off")
        self._faults.read_only = words == ["on"]

    def _clear(self, words: list[str]) -> None:
        if words:
            raise ValueError("clear takes no argument")
        self._faults.clear()

    def _kernel_change(self, words: list[str]) -> None:
        """Only what the hardware can hold; no regard to other groups, and last_cmd_status stays."""
        if len(words) < 2:
            raise ValueError("give a group and a line of schemata")
        group = self._group(words[0])
        name, _, cells = "".join(words[1:]).partition(":")
        schema = self._state.schema.get(name)
        if schema is None:
            raise ValueError(f"no line '{name}' in schemata")
        staged: schemata.Staged = {}
        for cell in cells.rstrip(";").split(";"):
            number, _, value = cell.partition("=")
            domain = int(number) if number.isdigit() else -1
            if domain not in self._state.values[name]:
                raise ValueError(f"no domain '{number}'")
            if isinstance(schema.resource, CacheResource):
                staged[name, domain] = schemata.parse_mask(self._state, schema.resource, value)
            else:
                staged[name, domain] = schemata.parse_bandwidth(self._state, schema.resource, value)
        schemata.apply(self._state, group, staged)

    def _group(self, name: str) -> Group:
        group = self._state.default_group if name == "/" else self._state.groups.get(name)
        if group is None:
            raise ValueError(f"no group '{name}'")
        return group


def _fault_words(words: list[str]) -> tuple[str, str, str, list[str]]:
    if len(words) < 3:
        raise ValueError("give an operation, a path, and what is to happen")
    operation, pattern, what, *rest = words
    if operation not in OPERATIONS:
        raise ValueError(f"unknown operation '{operation}'")
    return operation, pattern, what, rest


def _count(rest: list[str]) -> int:
    if not rest:
        return 1
    if rest[0] == "always":
        return ALWAYS
    if not rest[0].isdigit() or int(rest[0]) < 1:
        raise ValueError(f"'{rest[0]}' is no count")
    return int(rest[0])
