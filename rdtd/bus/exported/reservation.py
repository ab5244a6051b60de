"""org.rdtd1.Reservation: one object for each reservation."""

from __future__ import annotations

from rdtd.bus.arguments import Reader
from rdtd.bus.dispatch import Call
from rdtd.bus.exported import Context, read_targets
from rdtd.bus.library import Variant
from rdtd.bus.values import Value, encode_granted, encode_regions
from rdtd.core.cpus import format_cpus
from rdtd.core.model import Reservation


class ReservationObject:
    """One reservation, as it is known now."""

    def __init__(self, service: Context, value: Reservation, lacking: str | None) -> None:
        self._service = service
        self._value = value
        self._lacking = lacking

    def update(self, value: Reservation, lacking: str | None) -> set[str]:
        """Takes over what is known now; the names of the properties that changed."""
        before, had = self._value, self._lacking
        self._value, self._lacking = value, lacking
        if value is before and lacking == had:
            return set()
        changed = {
            "Regions": value.regions != before.regions,
            "Granted": value.granted != before.granted,
            "Owner": value.owner.uid != before.owner.uid,
            "Lifetime": value.lifetime != before.lifetime,
            "CreatedUSec": value.created_usec != before.created_usec,
            "State": (lacking is None) != (had is None),
            "StateReason": lacking != had,
            "Cpus": value.cpus != before.cpus,
        }
        return {name for name, differs in changed.items() if differs}

    async def release(self, call: Call, options: dict[str, Variant]) -> None:
        Reader(options, "options").done()
        guard = await self._service.access.release(call, self.name)
        await self._service.manager.release(self.name, guard)

    async def attach(self, call: Call, targets: dict[str, Variant]) -> None:
        guard, wished = await self._service.access.attach(call, self.name, read_targets(targets))
        await self._service.manager.attach(self.name, wished, guard)

    async def detach(self, call: Call, targets: dict[str, Variant]) -> None:
        wished = read_targets(targets)
        guard = await self._service.access.detach(call, self.name, wished)
        await self._service.manager.detach(self.name, wished, guard)

    @property
    def name(self) -> str:
        return self._value.name

    @property
    def regions(self) -> list[dict[str, Value]]:
        return encode_regions(self._value.regions)

    @property
    def granted(self) -> list[dict[str, Value]]:
        return encode_granted(self._value.granted)

    @property
    def owner(self) -> int:
        return self._value.owner.uid

    @property
    def lifetime(self) -> str:
        return self._value.lifetime.value

    @property
    def created_usec(self) -> int:
        return self._value.created_usec

    @property
    def state(self) -> str:
        return "active" if self._lacking is None else "degraded"

    @property
    def state_reason(self) -> str:
        return self._lacking or ""

    @property
    def cpus(self) -> str:
        return format_cpus(self._value.cpus)
