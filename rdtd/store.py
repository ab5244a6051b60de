"""What is wanted, in a file of the runtime directory: written before the kernel is touched, and as a whole.

The directory is a tmpfs that lives as long as the kernel's groups do. A process that dies loses nothing that
it wrote, so there is no fsync: after a power cut both the file and the groups are gone. What death leaves of
a file that was being written stands beside the old one, and the next save begins it anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from rdtd.core.cpus import MAXIMUM as MAXIMUM_CPUS
from rdtd.core.errors import RdtdError
from rdtd.core.members import Members, Thread
from rdtd.core.model import (
    CacheId,
    CacheKey,
    Domain,
    Granted,
    Kind,
    Lifetime,
    Masks,
    Owner,
    Region,
    Reservation,
    Wanted,
    check_name,
)
from rdtd.core.sizes import Amount, Unit

__all__ = ["Store", "StoreDamagedError", "StoreNewerError"]

VERSION = 1
_U32 = (1 << 32) - 1  # cache IDs, user IDs and CBMs are u32 in the kernel


class StoreDamagedError(Exception):
    """The file is there and cannot be understood."""


class StoreNewerError(Exception):
    """The file is whole, and a later version of rdtd wrote it: there may be more in it than is known here."""


class Store:
    """The state file. Blocking, for one thread at a time."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "state.json")
        self._directory = directory
        self._saved: tuple[int, ...] | None = None  # what tells the file that was saved from any other

    def load(self) -> Wanted | None:
        """What was wanted, None where nothing was saved.

        Raises StoreDamagedError, StoreNewerError, or OSError where it cannot be read.
        """
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            pieces = []
            while piece := os.read(fd, 1 << 20):
                pieces.append(piece)
        finally:
            os.close(fd)
        try:
            return _decode(json.loads(b"".join(pieces).decode("utf-8")))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError, RdtdError) as error:
            raise StoreDamagedError(f"{self.path}: {type(error).__name__}: {error}") from None
        except StoreNewerError as error:
            raise StoreNewerError(f"{self.path}: {error}") from None

    def save(self, wanted: Wanted) -> None:
        """Replaces the file; makes a directory that is gone. Raises OSError; then the old one stays."""
        text = json.dumps(_encode(wanted), separators=(",", ":"))
        try:
            self._replace(text.encode())
        except FileNotFoundError:
            os.makedirs(self._directory, mode=0o755, exist_ok=True)
            self._replace(text.encode())

    def _replace(self, data: bytes) -> None:
        temporary = self.path + ".new"
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            try:
                while data:
                    data = data[os.write(fd, data) :]  # a file system that is nearly full takes a part
                status = os.fstat(fd)
            finally:
                os.close(fd)
            os.replace(temporary, self.path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._saved = _identity(status)

    def intact(self) -> bool:
        """Whether the file is the one that save() wrote last: somebody may have removed or changed it."""
        try:
            return _identity(os.stat(self.path)) == self._saved
        except OSError:
            return False

    def set_aside(self, stamp: str) -> str:
        """Keeps a damaged file under another name for the administrator; returns that name."""
        aside = f"{self.path}.damaged-{stamp}"
        os.replace(self.path, aside)
        return aside


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _encode(wanted: Wanted) -> dict[str, Any]:
    return {
        "version": VERSION,
        "reservations": [_encode_reservation(one) for one in wanted.reservations.values()],
        "baselines": {name: _encode_masks(masks) for name, masks in wanted.baselines.items()},
        "written": {name: _encode_masks(masks) for name, masks in wanted.written.items()},
        "members": {
            name: {"tasks": sorted(one.tasks), "processes": sorted(one.processes)}
            for name, one in wanted.members.items()
        },
    }


def _encode_reservation(one: Reservation) -> dict[str, Any]:
    return {
        "name": one.name,
        "regions": [
            [region.kind, region.level, region.cache_id, region.amount.unit, region.amount.value]
            for region in one.regions
        ],
        "granted": [
            [granted.kind, granted.key.level, granted.key.cache_id, f"{granted.mask:x}", granted.size]
            for granted in one.granted
        ],
        "owner": [one.owner.uid, one.owner.client, one.owner.bus],
        "lifetime": one.lifetime,
        "created": one.created_usec,
        "cpus": sorted(one.cpus),
    }


def _encode_masks(masks: Masks) -> dict[str, str]:
    return {f"{domain.resource}:{domain.cache_id}": f"{mask:x}" for domain, mask in masks.items()}


def _decode(document: Mapping[str, Any]) -> Wanted:
    version = _number(document["version"])
    if version > VERSION:
        raise StoreNewerError(f"rdtd of a later version wrote it: its format is {version}, not {VERSION}")
    if version != VERSION:
        raise ValueError(f"format {version} never was")
    reservations: dict[str, Reservation] = {}
    reserved: dict[CacheKey, int] = {}
    for one in map(_decode_reservation, document["reservations"]):
        if one.name in reservations:
            raise ValueError(f"reservation {one.name!r} is there twice")
        reservations[one.name] = one
        for granted in one.granted:
            if reserved.get(granted.key, 0) & granted.mask:
                raise ValueError(f"reservation {one.name!r} has ways of {granted.key} that another one has")
            reserved[granted.key] = reserved.get(granted.key, 0) | granted.mask
    return Wanted(
        reservations=reservations,
        baselines={name: _decode_masks(masks) for name, masks in document["baselines"].items()},
        written={name: _decode_masks(masks) for name, masks in document["written"].items()},
        members={  # earlier versions did not remember them
            name: Members(_decode_threads(one["tasks"]), _decode_threads(one["processes"]))
            for name, one in document.get("members", {}).items()
            if name in reservations
        },
    )


def _decode_threads(pairs: Iterable[tuple[object, object]]) -> frozenset[Thread]:
    return frozenset(Thread(_number(number), _number(started)) for number, started in pairs)


def _decode_reservation(one: Mapping[str, Any]) -> Reservation:
    uid, client, bus = one["owner"]
    reservation = Reservation(
        name=check_name(one["name"]),
        regions=tuple(
            Region(
                Amount(_number(value), Unit(unit)),
                Kind(kind),
                _number(level),
                CacheId(cache_id) if isinstance(cache_id, str) else _number(cache_id, _U32),
            )
            for kind, level, cache_id, unit, value in one["regions"]
        ),
        granted=tuple(
            Granted(Kind(kind), CacheKey(_number(level), _number(cache_id, _U32)), _mask(mask), _number(size))
            for kind, level, cache_id, mask, size in one["granted"]
        ),
        owner=Owner(_number(uid, _U32), _text(client), _text(bus)),
        lifetime=Lifetime(one["lifetime"]),
        created_usec=_number(one["created"]),
        cpus=frozenset(_number(cpu, MAXIMUM_CPUS) for cpu in one["cpus"]),
    )
    if not reservation.regions or not all(granted.mask for granted in reservation.granted):
        raise ValueError(f"reservation {reservation.name!r} has an empty region")
    return reservation


def _decode_masks(masks: Mapping[str, str]) -> dict[Domain, int]:
    found = {}
    for name, mask in masks.items():
        resource, _, cache_id = name.rpartition(":")
        found[Domain(resource, _number(int(cache_id), _U32))] = _mask(mask)
    return found


def _number(value: object, maximum: int = (1 << 63) - 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= maximum:
        raise ValueError(f"{value!r:.40} is not a number from 0 to {maximum}")
    return value


def _mask(text: str) -> int:
    mask = int(text, 16)
    if f"{mask:x}" != text or mask > _U32:
        raise ValueError(f"{text!r:.40} is not a mask")
    return mask


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a text")
    return value
