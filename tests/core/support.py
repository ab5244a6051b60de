"""Small hosts for examples, and rdtd's loop around them."""

from __future__ import annotations

from rdtd.core.adopt import Adopted, adopt, written_now
from rdtd.core.allocator import release, reserve, resize
from rdtd.core.model import DEFAULT_GROUP, Cache, CacheKey, Domain, Granted, Owner, Reservation, Wanted
from rdtd.core.plan import Plan, plan
from rdtd.core.space import Policy
from rdtd.core.spec import parse_spec
from tests.core.kernel import Kernel

MIB = 1 << 20


def caches(*ids: int, ways: int = 8, cdp: bool = False, sparse: bool = False) -> dict[CacheKey, Cache]:
    """L3 caches with ways of 1 MiB."""
    made = [Cache(3, cache_id, ways * MIB, ways, sparse=sparse, cdp=cdp) for cache_id in ids or (0,)]
    return {cache.key: cache for cache in made}


class Rdtd:
    """rdtd's core over the kernel in memory: every request ends in a plan that is applied."""

    def __init__(self, kernel: Kernel, policy: Policy | None = None) -> None:
        self.kernel = kernel
        self.policy = policy or Policy()
        self.wanted = Wanted()
        self.turn()

    def turn(self) -> tuple[Adopted, ...]:
        """Observes, adopts and repairs; what was set from outside."""
        snapshot = self.kernel.snapshot()
        adopted, outside = adopt(self.wanted, snapshot, self.policy)
        self._apply(written_now(adopted, snapshot))
        return outside

    def ask(self, name: str, spec: str) -> Reservation:
        return Reservation(name, parse_spec(spec), (), Owner(0))

    def reserve(self, name: str, spec: str) -> tuple[Granted, ...]:
        self._apply(reserve(self.wanted, self.kernel.snapshot(), self.policy, self.ask(name, spec)))
        return self.wanted.reservations[name].granted

    def resize(self, name: str, spec: str) -> tuple[Granted, ...]:
        self._apply(resize(self.wanted, self.kernel.snapshot(), self.policy, name, parse_spec(spec)))
        return self.wanted.reservations[name].granted

    def release(self, name: str) -> None:
        self._apply(release(self.wanted, name))

    def steps(self, wanted: Wanted) -> Plan:
        return plan(wanted, self.kernel.snapshot(), self.policy)

    def _apply(self, wanted: Wanted) -> None:
        for step in self.steps(wanted):
            self.kernel.apply(step)
        self.wanted = written_now(wanted, self.kernel.snapshot())

    def mask(self, group: str = DEFAULT_GROUP, cache_id: int = 0, resource: str = "L3") -> int:
        return self.kernel.groups[group].masks[Domain(resource, cache_id)]

    def foreign(self, name: str, *masks: int, mode: str = "shareable") -> None:
        """Somebody else makes a group with those masks, one for each cache."""
        self.kernel.mkdir(name)
        for key, mask in zip(sorted(self.kernel.caches), masks, strict=True):
            self.kernel.write_masks(name, dict.fromkeys(self.kernel.caches[key].domains, mask))
        self.kernel.set_mode(name, mode)

    def administrator_sets(self, mask: int, cache_id: int = 0) -> None:
        """The default group's masks are set from outside."""
        domains = self.kernel.caches[CacheKey(3, cache_id)].domains
        self.kernel.write_masks(DEFAULT_GROUP, dict.fromkeys(domains, mask))


def host(*ids: int, ways: int = 8, cdp: bool = False, sparse: bool = False, closids: int = 16) -> Kernel:
    return Kernel(caches(*ids, ways=ways, cdp=cdp, sparse=sparse), closids, frozenset(range(8)))
