"""What rdtd tells: the last known state of everything, as one value that is never changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rdtd.core.drift import Drift
from rdtd.core.errors import NotMounted
from rdtd.core.lacking import degraded
from rdtd.core.model import CacheKey, Reservation
from rdtd.core.view import CacheView, Views
from rdtd.engine import Engine

__all__ = ["Describer", "Public", "Published"]


@dataclass(frozen=True, slots=True)
class Public:
    """All that rdtd tells, at one moment."""

    state: str = "unmounted"
    cdp: bool = False
    closids_total: int = 0
    closids_free: int = 0
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    degraded: Mapping[str, str] = field(default_factory=dict)  # reservation -> what it lacks
    caches: Mapping[CacheKey, CacheView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """One change, for whoever tells others. `reason` is why reservations that are gone were removed."""

    before: Public
    after: Public
    drifts: tuple[Drift, ...]
    reason: str


class Describer:
    """Makes the Public of what an engine holds. Blocks as little as a look whether resctrl is mounted."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._views = Views()

    def describe(self, before: Public) -> Public:
        """What is to be told now; `before` is what was told last."""
        wanted, snapshot = self._engine.wanted, self._engine.snapshot
        if snapshot is None:
            try:
                self._engine.mount.check_mounted()
            except NotMounted:
                lacking = degraded(wanted, None)
                return Public(reservations=wanted.reservations, degraded=lacking)
            state = "degraded" if before.state == "unmounted" else before.state
            return replace(before, state=state, reservations=wanted.reservations)
        lacking = degraded(wanted, snapshot, self._engine.refused)
        return Public(
            state="degraded" if lacking else "ready",
            cdp=snapshot.cdp,
            closids_total=snapshot.closids,
            closids_free=snapshot.closids_free,
            reservations=wanted.reservations,
            degraded=lacking,
            caches=self._views.compute(wanted, snapshot, self._engine.policy),
        )
