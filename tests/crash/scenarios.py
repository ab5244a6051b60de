"""What rdtd is doing when it is killed, or when a call fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rdtd.attach import Targets
from rdtd.core.model import Lifetime
from rdtd.core.space import ForeignGroups, Policy
from rdtd.core.spec import parse_spec
from rdtd.manager import Manager
from rdtd.simulator.tasks import Caller
from tests.model.host import Host, request

__all__ = ["SCENARIOS", "Scenario"]

THREADS = {100: 100, 101: 100, 102: 100, 200: 200}  # thread -> process
_OF_100 = frozenset({100, 101, 102})


def _nothing(host: Host) -> None:
    """Nobody interferes."""


async def _empty(manager: Manager) -> None:
    """Nothing is reserved."""


async def _reconcile(manager: Manager) -> None:
    await manager.reconcile()


@dataclass(frozen=True)
class Scenario:
    """rdtd does `before`, others do `outside`; then rdtd does `do`, or starts (None), and is hit in that."""

    do: Callable[[Manager], Awaitable[Any]] | None
    before: Callable[[Manager], Awaitable[Any]] = _empty
    outside: Callable[[Host], None] = _nothing
    options: Mapping[str, Any] = field(default_factory=dict)  # of the host
    moves: frozenset[int] = frozenset()  # threads that may be moved for a part: each is a call of its own

    @property
    def repairs(self) -> bool:
        """Nobody asked for it: what was promised before has to be whole in the end."""
        return self.do is None or self.do is _reconcile

    def __call__(self, host: Host) -> None:
        """Prepares the host, before rdtd is first started."""
        for thread, process in THREADS.items():
            host.processes.add(thread, process)


def _reserve(*arguments: Any, **options: Any) -> Callable[[Manager], Awaitable[Any]]:
    return lambda manager: manager.reserve(request(*arguments, **options))


def _release(name: str) -> Callable[[Manager], Awaitable[Any]]:
    return lambda manager: manager.release(name)


def _resize(name: str, spec: str) -> Callable[[Manager], Awaitable[Any]]:
    return lambda manager: manager.resize(name, parse_spec(spec))


def _several(*each: Callable[[Manager], Awaitable[Any]]) -> Callable[[Manager], Awaitable[Any]]:
    async def do(manager: Manager) -> None:
        for one in each:
            await one(manager)

    return do


def _echo(text: str, path: str) -> Callable[[Host], None]:
    return lambda host: host.echo(text, path)


def _rmdir(*names: str) -> Callable[[Host], None]:
    def do(host: Host) -> None:
        for name in names:
            host.machine.rmdir(f"/{name}")

    return do


def _controls(*commands: str) -> Callable[[Host], None]:
    def do(host: Host) -> None:
        for command in commands:
            host.control(command)

    return do


def _foreign(host: Host) -> None:
    """A foreign group that leaves a hole, with the default group beside it."""
    host.machine.mkdir("/qemu-1-vm", 0o755, Caller())
    host.echo("L3:0=0f0;1=0f0", "qemu-1-vm/schemata")


_A = _reserve("a", "size=3ways", processes=(100,))
_B = _reserve("b", "size=2ways,cache-id=1", cpus=frozenset({2, 3}))
_MANY = _several(_A, _B, *(_reserve(f"n{i}", "size=1ways,cache-id=any") for i in range(4)))
_PAIR = "type=code,size=2ways,cache-id=0;type=data,size=3ways,cache-id=0;type=both,size=2ways,cache-id=1"
_CDP = {"cdp": True}

SCENARIOS = {
    "reserve": Scenario(_reserve("x", "size=2ways,cache-id=0"), _B),
    "reserve on every cache": Scenario(_reserve("x", "size=3ways", cpus=frozenset({4}), tasks=(200,)), _A),
    "reserve with a process": Scenario(_reserve("x", "size=1ways", processes=(100, 200)), _B),
    "reserve code and data": Scenario(_reserve("x", _PAIR), options=_CDP),
    "reserve beside a foreign group": Scenario(
        _reserve("x", "size=3ways,cache-id=0"),
        outside=_foreign,
        options={"policy": Policy(foreign=ForeignGroups.NARROW)},
    ),
    "reserve with code left over": Scenario(_reserve("x", "size=40%"), _reserve("y", "size=40%")),
    "release": Scenario(_release("a"), _several(_A, _B)),
    "release the last one": Scenario(_release("x"), _reserve("x", _PAIR), options=_CDP),
    "resize to more": Scenario(_resize("b", "size=5ways,cache-id=1"), _several(_A, _B)),
    "resize to less": Scenario(_resize("a", "size=1ways"), _several(_A, _B)),
    "resize to another cache": Scenario(_resize("b", "size=3ways,cache-id=0"), _several(_A, _B)),
    "resize that changes places": Scenario(
        _resize("x", "type=code,size=8ways,cache-id=0;type=data,size=2ways,cache-id=0"),
        _reserve("x", "type=code,size=2ways,cache-id=0;type=data,size=8ways,cache-id=0"),
        options=_CDP,
    ),
    "attach a process": Scenario(
        lambda manager: manager.attach("b", Targets(processes=(100,))), _several(_B), moves=_OF_100
    ),
    "attach from another reservation": Scenario(
        lambda manager: manager.attach("b", Targets(tasks=(101, 200), cpus=frozenset({5}))), _several(_A, _B)
    ),
    "detach": Scenario(
        lambda manager: manager.detach("a", Targets(processes=(100,))), _several(_A, _B), moves=_OF_100
    ),
    "detach CPUs": Scenario(
        lambda manager: manager.detach("b", Targets(cpus=frozenset({2}))), _several(_A, _B)
    ),
    "a client leaves": Scenario(
        None,
        _several(_A, _reserve("c", "size=1ways", Lifetime.CLIENT)),
    ),
    "repair a removed group": Scenario(_reconcile, _several(_A, _B), _rmdir("rdtd.a")),
    "repair masks": Scenario(_reconcile, _several(_A, _B), _echo("L3:0=7ff;1=7ff", "rdtd.a/schemata")),
    "follow the administrator": Scenario(_reconcile, _several(_A, _B), _echo("L3:0=0ff;1=7f0", "schemata")),
    "repair after hotplug": Scenario(_reconcile, _several(_A, _B), _controls("offline L3 1", "online L3 1")),
    "repair while a cache is away": Scenario(_reconcile, _several(_A, _B), _controls("offline L3 1")),
    "restore after a remount": Scenario(_reconcile, _MANY, _controls("remount")),
    "start with nothing to do": Scenario(None, _MANY),
    "start after a remount": Scenario(None, _MANY, _controls("remount")),
    "start after damage": Scenario(None, _MANY, _rmdir("rdtd.a", "rdtd.n0")),
}
