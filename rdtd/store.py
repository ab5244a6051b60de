"""What is wanted, in a file of the runtime directory: written before the kernel is touched, and as a whole.

The directory is a tmpfs that lives as long as the kernel's groups do. A process that dies loses nothing that
it wrote, so there is no fsync: after a power cut both the file and the groups are gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

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

__all__ = ["Store", "StoreDamagedError"]

VERSION = 1


class StoreDamagedError(Exception):
    """The file is there and cannot be understood."""


class Store:
    """The state file. Blocking, for one thread at a time."""

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "state.json")

    def load(self) -> Wanted | None:
        """What was wanted, None where nothing was saved. Raises StoreDamagedError, or OSError."""
        try:
            with open(self.path, encoding="utf-8") as file:
                document = json.load(file)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreDamagedError(f"{self.path}: {error}") from None
        try:
            return _decode(document)
        except Exception as error:
            raise StoreDamagedError(f"{self.path}: {type(error).__name__}: {error}") from None

    def save(self, wanted: Wanted) -> None:
        """Replaces the file. Raises OSError; then the old one is still there."""
        temporary = self.path + ".new"
        text = json.dumps(_encode(wanted), separators=(",", ":"))
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, self.path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            raise

    def set_aside(self, stamp: str) -> str:
        """Keeps a damaged file under another name for the administrator; returns that name."""
        aside = f"{self.path}.damaged-{stamp}"
        os.replace(self.path, aside)
        return aside


def _encode(wanted: Wanted) -> dict[str, Any]:
    return {
        "version": VERSION,
        "reservations": [_encode_reservation(one) for one in wanted.reservations.values()],
        "baselines": {name: _encode_masks(masks) for name, masks in wanted.baselines.items()},
        "written": {name: _encode_masks(masks) for name, masks in wanted.written.items()},
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
    if document["version"] != VERSION:
        raise ValueError(f"version {document['version']} is unknown")
    reservations = [_decode_reservation(one) for one in document["reservations"]]
    return Wanted(
        reservations={one.name: one for one in reservations},
        baselines={str(name): _decode_masks(masks) for name, masks in document["baselines"].items()},
        written={str(name): _decode_masks(masks) for name, masks in document["written"].items()},
    )


def _decode_reservation(one: Mapping[str, Any]) -> Reservation:
    uid, client, bus = one["owner"]
    return Reservation(
        name=check_name(one["name"]),
        regions=tuple(
            Region(
                Amount(int(value), Unit(unit)),
                Kind(kind),
                int(level),
                cache_id if isinstance(cache_id, int) else CacheId(cache_id),
            )
            for kind, level, cache_id, unit, value in one["regions"]
        ),
        granted=tuple(
            Granted(Kind(kind), CacheKey(int(level), int(cache_id)), int(mask, 16), int(size))
            for kind, level, cache_id, mask, size in one["granted"]
        ),
        owner=Owner(int(uid), str(client), str(bus)),
        lifetime=Lifetime(one["lifetime"]),
        created_usec=int(one["created"]),
        cpus=frozenset(int(cpu) for cpu in one["cpus"]),
    )


def _decode_masks(masks: Mapping[str, str]) -> dict[Domain, int]:
    found = {}
    for name, mask in masks.items():
        resource, _, cache_id = name.rpartition(":")
        found[Domain(resource, int(cache_id))] = int(mask, 16)
    return found
