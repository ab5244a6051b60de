"""A state machine: any sequence of requests and of changes from outside, on any host.

After every operation the plan is applied to the kernel of tests/core/kernel.py step by step, and all
invariants of tests/core/invariants.py are checked. The functions under test are called through their
modules, so that a test can put a faulty one in their place.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from rdtd.core import adopt, allocator, view
from rdtd.core import plan as planning
from rdtd.core.errors import NoClosid, NoSpace, RdtdError
from rdtd.core.model import (
    DEFAULT_GROUP,
    Cache,
    CacheId,
    CacheKey,
    Domain,
    Granted,
    Kind,
    Owner,
    Region,
    Reservation,
    Snapshot,
    Wanted,
)
from rdtd.core.sizes import Amount, Unit
from tests.core import invariants as inv
from tests.core import strategies
from tests.core.invariants import Invariant, hold
from tests.core.kernel import EXCLUSIVE, Kernel, NoRoomForGroupError, RefusedByKernelError

NAMES = st.sampled_from("abcde")
FOREIGN = st.sampled_from(["qemu-1-vm", "k8s", "COS1"])
CPUS = frozenset(range(8))


class Owning(RuleBasedStateMachine):
    """rdtd's core on one host."""

    HOSTS = strategies.hosts()

    kernel: Kernel
    wanted: Wanted

    @initialize(data=st.data())
    def start(self, data: st.DataObject) -> None:
        host = data.draw(self.HOSTS)
        self.policy = host.policy
        self.kernel = Kernel(host.caches, host.closids, CPUS)
        self.kernel.write_masks(DEFAULT_GROUP, host.baseline)
        self.baseline = dict(host.baseline)
        self.views = view.Views()
        self.wanted = Wanted()
        self.turn()

    # What callers ask for.

    @rule(name=NAMES, data=st.data(), cut=st.integers(0, 12), stay=st.booleans())
    def reserve(self, name: str, data: st.DataObject, cut: int, stay: bool) -> None:
        self._reserve(self._asked(name, data), cut, stay)

    @rule(name=NAMES, data=st.data(), ways=st.integers(1, 3), cut=st.integers(0, 12))
    def reserve_few_ways(self, name: str, data: st.DataObject, ways: int, cut: int) -> None:
        """The usual request, which fits most of the time."""
        key = data.draw(st.sampled_from(sorted(self.kernel.online)))
        where: int | CacheId = CacheId.ANY if data.draw(st.booleans()) else key.cache_id
        pair = self.kernel.caches[key].cdp and data.draw(st.booleans())
        kinds = (Kind.CODE, Kind.DATA) if pair else (Kind.BOTH,)
        regions = tuple(Region(Amount(ways, Unit.WAYS), kind, key.level, where) for kind in kinds)
        self._reserve(Reservation(name, regions, (), Owner(0)), cut, stay=True)

    def _reserve(self, asked: Reservation, cut: int, stay: bool) -> None:
        before = self.wanted, self.kernel.snapshot()
        try:
            new = self._request(lambda: allocator.reserve(self.wanted, before[1], self.policy, asked))
        except RdtdError:
            return
        if asked.name in self.wanted.reservations:
            hold(Invariant.AGAIN, new == self.wanted, asked.name)
            return
        if self._change(new, asked.name, cut) and not stay:
            self._change(allocator.release(self.wanted, asked.name), asked.name, cut)
            hold(Invariant.BACK, self.kernel.snapshot() == before[1], asked.name, "the masks differ")
            hold(Invariant.BACK, self.wanted == before[0], asked.name, "what is wanted differs")

    @rule(data=st.data(), cut=st.integers(0, 12))
    def release(self, data: st.DataObject, cut: int) -> None:
        name = self._known_name(data)
        try:
            new = self._request(lambda: allocator.release(self.wanted, name))
        except RdtdError:
            return
        self._change(new, name, cut)

    @rule(data=st.data(), cut=st.integers(0, 12))
    def resize(self, data: st.DataObject, cut: int) -> None:
        name = self._known_name(data)
        asked = self._asked(name, data).regions
        snapshot = self.kernel.snapshot()
        try:
            new = self._request(lambda: allocator.resize(self.wanted, snapshot, self.policy, name, asked))
        except RdtdError:
            return
        self._change(new, name, cut)

    def _known_name(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.wanted.reservations) or ["nobody"]))

    @rule(data=st.data(), percent=st.integers(1, 99))
    def shrink(self, data: st.DataObject, percent: int) -> None:
        """A smaller size for a reservation of one region, wherever rdtd put it."""
        single = [one for one in self.wanted.reservations.values() if len(one.granted) == 1]
        single = [one for one in single if one.granted[0].key in self.kernel.online]
        if not single:
            return
        old = data.draw(st.sampled_from(single))
        cache = self.kernel.caches[old.granted[0].key]
        if old.regions[0].cache_id == "all" or self._foreign_ways(cache) & old.granted[0].mask:
            return
        ways = max(old.granted[0].ways * percent // 100, 1)
        region = replace(old.regions[0], amount=Amount(ways, Unit.WAYS))
        try:
            new = allocator.resize(self.wanted, self.kernel.snapshot(), self.policy, old.name, (region,))
        except NoSpace as error:
            hold(Invariant.KEEPS, False, error)
            return
        (granted,) = new.reservations[old.name].granted
        hold(Invariant.KEEPS, granted.key == cache.key, old, granted)
        if not cache.sparse or inv.longest(old.granted[0].mask) == old.granted[0].ways:
            hold(Invariant.KEEPS, not granted.mask & ~old.granted[0].mask, old, granted)
        self._change(new, old.name, 0)

    def _asked(self, name: str, data: st.DataObject) -> Reservation:
        snapshot = self.kernel.snapshot()
        known = self.wanted.reservations.get(name)
        if known is not None and data.draw(st.booleans()):
            return known
        others = [one.cpus for other, one in self.wanted.reservations.items() if other != name]
        cpus = data.draw(st.frozensets(st.sampled_from(sorted(CPUS)), max_size=2)).difference(*others)
        regions = data.draw(strategies.regions(snapshot.caches))
        return Reservation(name, regions, (), Owner(0), cpus=cpus)

    def _request(self, call: object) -> Wanted:
        """The answer; on an error nothing that was there before has changed."""
        before = deepcopy(self.wanted)
        try:
            answer = call()  # type: ignore[operator]
        except RdtdError as error:
            note(f"{type(error).__name__}: {error}")
            hold(Invariant.NOTHING, self.wanted == before, error)
            raise
        hold(Invariant.NOTHING, self.wanted == before, "the old value was changed")
        assert isinstance(answer, Wanted)
        return answer

    # What happens outside.

    @rule(name=FOREIGN, data=st.data(), everywhere=st.booleans())
    def foreign_group(self, name: str, data: st.DataObject, everywhere: bool) -> None:
        """Somebody makes or changes a group, and may set all masks before rdtd looks, or after it."""
        try:
            if name not in self.kernel.groups:
                self.kernel.mkdir(name)
                if data.draw(st.booleans()):
                    self.turn()
            caches = self.kernel.snapshot().caches
            self.kernel.write_masks(name, data.draw(strategies.changed_masks(caches, everywhere, empty=True)))
        except RefusedByKernelError as error:
            note(f"somebody else was refused: {error}")
        self.turn()

    @rule(name=FOREIGN, data=st.data())
    def foreign_group_over_reservation(self, name: str, data: st.DataObject) -> None:
        """Somebody who knows nothing of rdtd takes the very ways of a reservation."""
        reservation = self.wanted.reservations.get(self._known_name(data))
        if reservation is None or name in self.kernel.groups:
            return
        try:
            self.kernel.mkdir(name)
            for granted in reservation.granted:
                if granted.key in self.kernel.online:
                    domains = self.kernel.caches[granted.key].domains_of(granted.kind)
                    self.kernel.write_masks(name, dict.fromkeys(domains, granted.mask))
        except RefusedByKernelError as error:
            note(f"somebody else was refused: {error}")
        self.turn()

    @rule(name=FOREIGN)
    def foreign_group_without_overlap(self, name: str) -> None:
        """Somebody takes the ways that no group has, and makes the group exclusive where that works."""
        snapshot = self.kernel.snapshot()
        chosen: dict[Domain, int] = {}
        for cache in snapshot.caches.values():
            free = cache.full & ~cache.shareable
            for group in snapshot.groups.values():
                free &= ~group.ways_in(cache) if group.name != name else cache.full
            chosen |= dict.fromkeys(cache.domains, inv.longest_run(free))
        try:
            if name not in self.kernel.groups:
                self.kernel.mkdir(name)
            self.kernel.write_masks(name, chosen)
            self.kernel.set_mode(name, "exclusive")
        except RefusedByKernelError as error:
            note(f"somebody else was refused: {error}")
        self.turn()

    @rule(name=FOREIGN)
    def foreign_group_removed(self, name: str) -> None:
        if name in self.kernel.groups:
            self.kernel.rmdir(name)
            self.turn()

    @rule(data=st.data())
    def default_group_set(self, data: st.DataObject) -> None:
        """The administrator gives the default group other masks: its baseline from now on."""
        caches = self.kernel.snapshot().caches
        full = {domain: cache.full for cache in caches.values() for domain in cache.domains}
        changed = data.draw(st.one_of(st.just(full), strategies.changed_masks(caches)))
        before = self.kernel.snapshot()
        try:
            self.kernel.write_masks(DEFAULT_GROUP, changed)
        except RefusedByKernelError as error:
            note(f"the administrator was refused: {error}")
            return
        for cache in caches.values():
            taken = inv.reserved_ways(self.wanted, cache.key) | inv.barred_ways(before.foreign, cache)
            for domain in set(cache.domains) & set(changed):
                mask = changed[domain]
                left = inv.rest(cache, mask, taken).bit_count()
                if mask != before.default.masks[domain] and left >= cache.smallest:
                    self.baseline[domain] = mask
        self.turn()

    @rule(data=st.data())
    @precondition(lambda self: len(self.kernel.online) > 1)
    def domain_goes(self, data: st.DataObject) -> None:
        if not self._exclusive():
            self.kernel.take_offline(data.draw(st.sampled_from(sorted(self.kernel.online))))
            self.turn()

    @rule(data=st.data())
    @precondition(lambda self: self.kernel.online != set(self.kernel.caches))
    def domain_returns(self, data: st.DataObject) -> None:
        if not self._exclusive():
            away = sorted(set(self.kernel.caches) - self.kernel.online)
            self.kernel.bring_online(data.draw(st.sampled_from(away)))
            self.turn()

    @rule(data=st.data())
    def domain_goes_and_returns(self, data: st.DataObject) -> None:
        """Between two observations. Where no reservation is, it looks like the administrator's doing."""
        if not self._exclusive() and self.wanted.reservations:
            key = data.draw(st.sampled_from(sorted(self.kernel.online)))
            self.kernel.take_offline(key)
            self.kernel.bring_online(key)
            self.turn()

    @rule()
    def restart(self) -> None:
        self.views = view.Views()
        before = self.wanted
        self.turn()
        hold(Invariant.RESTART, self.wanted == before, "what is wanted changed")

    def _exclusive(self) -> bool:
        """After hotplug the kernel itself has exclusive groups overlap all others, and no write can help."""
        return any(group.mode in EXCLUSIVE for group in self.kernel.groups.values())

    def _foreign_ways(self, cache: Cache) -> int:
        """What foreign groups have, and what they would have without the reservations."""
        found = 0
        for group in self.kernel.snapshot().foreign:
            found |= group.ways_in(cache)
            for domain in cache.domains:
                found |= self.wanted.baselines.get(group.name, {}).get(domain, 0)
        return found

    # rdtd's loop, and what is checked in it.

    def turn(self) -> None:
        """Observe, adopt, apply the difference, verify."""
        snapshot = self.kernel.snapshot()
        adopted, _ = adopt.adopt(self.wanted, snapshot, self.policy)
        self.wanted = adopt.written_now(adopted, snapshot)
        self._apply(self.kernel, self.wanted, self.wanted)
        self.wanted = adopt.written_now(self.wanted, self.kernel.snapshot())
        self._check()

    def _change(self, new: Wanted, name: str, cut: int) -> bool:
        """Carries out what was decided for one reservation; False when the kernel had no room for it."""
        before = self.kernel.snapshot()
        if not self._cut_off(new, cut):
            return False
        self._apply(self.kernel, new, self.wanted)
        after = self.kernel.snapshot()
        inv.check_floor(before, after, self.policy)
        granted = new.reservations.get(name)
        if granted is not None and granted != self.wanted.reservations.get(name):
            inv.check_sizes(granted, self.kernel.caches)
            inv.check_every_region(granted, after.caches)
            inv.check_foreign(granted, before, after, new, self.policy)
        self.wanted = adopt.written_now(new, after)
        self._check()
        return True

    def _cut_off(self, new: Wanted, cut: int) -> bool:
        """On a copy: the plan stops after so many steps, and is taken back or, after a restart, finished."""
        before = self.kernel.snapshot()
        there = self.kernel.copy()
        try:
            for step in planning.plan(new, before, self.policy)[:cut]:
                there.apply(step)
            room = True
        except NoRoomForGroupError as error:
            note(f"{error}")
            room = False
        except RefusedByKernelError as error:
            hold(Invariant.ACCEPTED, False, error)
        again = there.copy()
        self._apply(there, self.wanted, new, before)
        hold(Invariant.ROLLBACK, there.snapshot() == before, f"after {cut} steps")
        if room:
            restarted, outside = adopt.adopt(new, again.snapshot(), self.policy)
            hold(Invariant.RESTART, not outside and restarted.baselines == new.baselines, outside)
            try:
                self._apply(again, restarted, self.wanted)
            except NoRoomForGroupError:
                return False
            inv.check_reservations(restarted, again.snapshot())
        return room

    def _apply(self, kernel: Kernel, wanted: Wanted, other: Wanted, old: Snapshot | None = None) -> None:
        """Each step is accepted and lets no reservation overlap another group anew; then all is done."""
        snapshot = kernel.snapshot()
        steps = planning.plan(wanted, snapshot, self.policy)
        # A reservation that goes counts until its group is removed; what is wanted of the others is known.
        reservations = {**other.reservations, **wanted.reservations}.values()
        swapping = inv.changing_places(wanted, other, snapshot)
        own = {name for name, group in snapshot.groups.items() if group.own}
        written = own | set(planning.targets(wanted, snapshot, self.policy)) & set(snapshot.groups)
        before = inv.overlaps(reservations, written, snapshot)
        if old is not None:  # what was so before may be so again
            before |= inv.overlaps(reservations, written | set(old.groups), old)
        for step in steps:
            note(f"{step}")
            try:
                kernel.apply(step)
            except NoRoomForGroupError:
                raise
            except RefusedByKernelError as error:
                hold(Invariant.ACCEPTED, False, step, error)
            now = kernel.snapshot()
            if isinstance(step, planning.WriteMasks):
                # A group that was just made has what the kernel chose, but nobody is in it yet.
                written.add(step.group)
            written &= set(now.groups)
            after = inv.overlaps(reservations, written, now)
            new = {overlap for overlap in after - before if overlap[:2] not in swapping}
            hold(Invariant.TAKE_FIRST, not new, step, new)
            before = after | (before if old is not None else set())
        left = planning.plan(wanted, kernel.snapshot(), self.policy)
        hold(Invariant.CONVERGES, not left, left)

    def _check(self) -> None:
        snapshot = self.kernel.snapshot()
        inv.check_reservations(self.wanted, snapshot)
        inv.check_baseline(self.baseline, self.wanted, snapshot)
        again, outside = adopt.adopt(self.wanted, snapshot, self.policy)
        hold(Invariant.CONVERGES, again == self.wanted and not outside, "adopt", outside)
        if inv.checked & {Invariant.LARGEST, Invariant.ONE_MORE, Invariant.FREE}:
            self._check_free(snapshot)

    def _check_free(self, snapshot: Snapshot) -> None:
        views = self.views.compute(self.wanted, snapshot, self.policy)
        hold(Invariant.FREE, views.keys() == snapshot.caches.keys(), list(views))
        for key, cache in snapshot.caches.items():
            told = views[key]
            reserved = inv.reserved_ways(self.wanted, key)
            hold(Invariant.FREE, not told.free_mask & reserved and told.reserved == reserved, key)
            barred = inv.barred_ways(snapshot.foreign, cache)
            hold(Invariant.FREE, not told.free_mask & barred, key)
            count = told.free_mask.bit_count()
            hold(Invariant.FREE, told.free == count * cache.size // cache.ways, key, told)
            largest = -(-told.largest * cache.ways // cache.size)
            hold(Invariant.FREE, largest <= count, key, told)
            if not cache.sparse:
                hold(Invariant.FREE, inv.longest(told.free_mask) == largest, key, bin(told.free_mask))
            known = inv.free_oracle(cache, self.wanted, snapshot, self.policy)
            hold(Invariant.LARGEST, known in (None, largest), key, f"{largest} told, {known} fit")
            self._check_largest(snapshot, key, largest)

    def _check_largest(self, snapshot: Snapshot, key: CacheKey, largest: int) -> None:
        if largest:
            granted = self._probe(snapshot, key, largest)
            hold(Invariant.LARGEST, granted is not None and granted.ways == largest, key, largest, granted)
        granted = self._probe(snapshot, key, largest + 1)
        hold(Invariant.ONE_MORE, granted is None, key, largest, granted)

    def _probe(self, snapshot: Snapshot, key: CacheKey, ways: int) -> Granted | None:
        """What one more reservation would get, as if there were always a CLOSID for it."""
        region = Region(Amount(ways, Unit.WAYS), Kind.BOTH, key.level, key.cache_id)
        asked = Reservation("probe", (region,), (), Owner(0))
        try:
            new = allocator.reserve(self.wanted, replace(snapshot, closids=1000), self.policy, asked)
        except NoSpace:
            return None
        (granted,) = new.reservations["probe"].granted
        return granted

    @rule(name=NAMES)
    def reserve_without_closid(self, name: str) -> None:
        """The limit is the kernel's: the request is refused when mkdir would be."""
        snapshot = self.kernel.snapshot()
        if name in self.wanted.reservations or len(snapshot.groups) < snapshot.closids:
            return
        key = min(snapshot.caches)
        asked = Reservation(name, (Region(Amount(1), Kind.BOTH, *key),), (), Owner(0))
        try:
            self._request(lambda: allocator.reserve(self.wanted, snapshot, self.policy, asked))
        except (NoSpace, NoClosid):
            return
        hold(Invariant.ACCEPTED, False, "a reservation without a CLOSID")
