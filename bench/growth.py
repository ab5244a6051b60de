"""How the work grows with the number of reservations: allocation alone, and through the daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.calls import bare_files, paused, process_of
from bench.figures import median, ratio, shown, table, timed
from bench.host import CACHES, CLOSIDS, WAYS, large_host
from bench.native import Programs, samples
from rdtd.bus.service import BUS_NAME
from rdtd.core.adopt import adopt, written_now
from rdtd.core.allocator import release, reserve
from rdtd.core.model import (
    DEFAULT_GROUP,
    Cache,
    CacheId,
    Group,
    Owner,
    Region,
    Reservation,
    Snapshot,
    Wanted,
)
from rdtd.core.plan import plan, targets
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import Policy
from rdtd.core.view import Views
from rdtd.store import Store
from tests.support.daemon import Daemon

FEW, MANY = 10, 250
_WAYS_EACH = 3  # so that MANY leave a few ways of each cache
_COLUMNS = (f"{FEW} reservations", str(MANY), "growth")
_POLICY = Policy()


def _reservation(name: str, cache_id: int | CacheId, ways: int) -> Reservation:
    return Reservation(name, (Region(Amount(ways, Unit.WAYS), cache_id=cache_id),), (), Owner(0))


@dataclass(frozen=True, slots=True)
class Host:
    """The large machine with so many reservations, all in place."""

    wanted: Wanted
    snapshot: Snapshot

    @classmethod
    def with_reservations(cls, number: int) -> Host:
        caches = [Cache(3, cache_id, 64 << 20, WAYS, 1, 0, False, False) for cache_id in range(CACHES)]
        full = {domain: cache.full for cache in caches for domain in cache.domains}
        empty = Snapshot(
            {cache.key: cache for cache in caches}, {DEFAULT_GROUP: Group(DEFAULT_GROUP, full)}, CLOSIDS
        )
        wanted, _ = adopt(Wanted(), empty, _POLICY)
        for index in range(number):
            asked = _reservation(f"vm{index}", index % CACHES, _WAYS_EACH)
            wanted = reserve(wanted, empty, _POLICY, asked)
        groups = {name: Group(name, masks) for name, masks in targets(wanted, empty, _POLICY).items()}
        snapshot = Snapshot(empty.caches, groups, CLOSIDS)
        return cls(written_now(wanted, snapshot), snapshot)

    def reserve(self, cache_id: int | CacheId, ways: int) -> Wanted:
        return reserve(self.wanted, self.snapshot, _POLICY, _reservation("new", cache_id, ways))

    def views_after_one_change(self) -> Callable[[], object]:
        """Computes views, with those of the state before already known, as after a Reserve or a Release."""
        views, states = Views(), [self.wanted, release(self.wanted, "vm0")]
        views.compute(self.wanted, self.snapshot, _POLICY)

        def compute() -> object:
            states.reverse()
            return views.compute(states[0], self.snapshot, _POLICY)

        return compute


_ALONE: dict[str, Callable[[Host], Callable[[], object]]] = {
    "reserve() on a given cache": lambda host: lambda: host.reserve(0, _WAYS_EACH),
    "reserve() on any cache": lambda host: lambda: host.reserve(CacheId.ANY, _WAYS_EACH),
    "reserve() on every cache": lambda host: lambda: host.reserve(CacheId.ALL, 1),
    "plan() with nothing to do": lambda host: lambda: plan(host.wanted, host.snapshot, _POLICY),
    "plan() of a Reserve": lambda host: _plan_of_a_reserve(host),
    "adopt() with nothing new": lambda host: lambda: adopt(host.wanted, host.snapshot, _POLICY),
    "Views.compute(), the first": lambda host: lambda: Views().compute(host.wanted, host.snapshot, _POLICY),
    "Views.compute() after one change": Host.views_after_one_change,
}


def _plan_of_a_reserve(host: Host) -> Callable[[], object]:
    wanted = host.reserve(0, _WAYS_EACH)
    return lambda: plan(wanted, host.snapshot, _POLICY)


def compare_allocation(times: int) -> None:
    """The pure core: no bus, no files."""
    few, many = Host.with_reservations(FEW), Host.with_reservations(MANY)
    rows = []
    for title, prepare in _ALONE.items():
        rows.append(_growth(title, [timed(prepare(host), times) for host in (few, many)]))
    table(f"Allocation alone, {CACHES} caches of {WAYS} ways", _COLUMNS, rows)


def save_many(daemon: Daemon, number: int) -> None:
    """Has rdtd, which is not running, find so many reservations when it starts."""
    daemon.state_file.parent.mkdir(exist_ok=True)
    Store(str(daemon.state_file.parent)).save(Host.with_reservations(number).wanted)


def compare_daemon(programs: Programs, pairs: int, seconds: int) -> None:
    """The same calls as in the first table, p50, with other reservations there."""
    lists: list[int] = []
    reserves: list[int] = []
    files: list[int] = []
    for number in (FEW, MANY):
        with large_host() as daemon:
            save_many(daemon, number)
            daemon.start()
            for kind, medians in (("list", lists), ("reserve", reserves)):
                how = (kind, "1", str(pairs), str(seconds))
                medians.append(median(samples(programs.client, daemon.address, BUS_NAME, *how)))
            with paused(daemon.root, process_of(daemon)):
                files.append(median(bare_files(programs.files, daemon.root, pairs, seconds)))
    rows = [
        _growth("ListFree", lists),
        _growth("Reserve + Release", reserves),
        _growth("the bare file operations, in C", files),
        ["ratio of the last two", *map(ratio, reserves, files), ""],
    ]
    table("Through the daemon, p50", _COLUMNS, rows)


def _growth(title: str, medians: list[int]) -> list[str]:
    few, many = medians
    return [title, shown(few), shown(many), ratio(many, few)]
