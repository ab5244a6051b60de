"""The JSON documents that --json prints: one per run on one line, or one per line in `watch`.

Sizes are bytes, masks are numbers whose bit 0 is way 0, times are microseconds since the epoch.

    CACHE        {"level": 3, "cache_id": 0, "size": 11534336, "way_size": 1048576, "ways": 11,
                  "free": 10485760, "largest": 10485760, "free_mask": 1023, "reserved_mask": 0,
                  "shared_mask": 2047, "foreign_mask": 0, "shareable_mask": 1536}
    GRANTED      {"type": "both", "level": 3, "cache_id": 0, "mask": 15, "size": 4194304, "ways": 4}
    REGION       {"type": "both", "level": 3, "cache_id": 0, "size": 4194304}, as it was asked for: "ways"
                 or "percent" in place of "size", "any" for a cache ID, no "cache_id" for every cache
    RESERVATION  {"name": "vm", "path": "/org/rdtd1/reservation/vm", "granted": [GRANTED],
                  "regions": [REGION], "owner": 0, "lifetime": "persistent",
                  "created_usec": 1700000000000000, "state": "active", "state_reason": "",
                  "cpus": "3,5-7"}; "owner" is null where the daemon does not tell it

    free         {"caches": [CACHE]}
    list         {"reservations": [RESERVATION]}
    show         RESERVATION
    map          {"caches": [CACHE], "reservations": [RESERVATION]}
    watch        {"events": [TEXT], "caches": [CACHE], "reservations": [RESERVATION]} at the start and for
                 each change; only "events" while the daemon is away
    reserve      {"name": "vm", "path": "/org/rdtd1/reservation/vm", "granted": [GRANTED], "dry_run": false}
    resize       {"name": "vm", "granted": [GRANTED], "dry_run": false}
    release      {"released": ["vm"]}
    reconcile    {"changes": 0}
    status       {"version": "0.1.0", "state": "ready", "root": "/sys/fs/resctrl", "cdp": false,
                  "closids_total": 16, "closids_free": 14, "reservations": [RESERVATION], "caches": [CACHE]}
    check        {"differences": [{"group": "rdtd.vm", "kind": "masks", "found": TEXT, "repair": TEXT}]}; the
                 group is "" for the default group, "repair" is "" where nothing can be done now
    verify       {"files": [{"file": TEXT, "problems": [{"line": 2, "text": TEXT, "fatal": true}],
                  "name": "vm", "granted": [GRANTED], "refused": TEXT}], "note": TEXT}; "name" and "granted"
                 are null where there is none, "refused" says why rdtd would not grant it
    --version    {"version": "0.1.0"}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rdtd.rdtctl.values import Cache, Difference, Granted, Picture, Reservation, Status


def emit(document: Mapping[str, Any]) -> None:
    """Print one document on one line."""
    import json

    print(json.dumps(document))


def caches(values: Iterable[Cache]) -> list[dict[str, Any]]:
    return [cache._asdict() for cache in values]


def granted(values: Iterable[Granted]) -> list[dict[str, Any]]:
    return [
        {
            "type": one.kind,
            "level": one.level,
            "cache_id": one.cache_id,
            "mask": one.mask,
            "size": one.size,
            "ways": one.ways,
        }
        for one in values
    ]


def reservation(value: Reservation) -> dict[str, Any]:
    regions = [{key.replace("-", "_"): item for key, item in region.items()} for region in value.regions]
    return {
        "name": value.name,
        "path": value.path,
        "granted": granted(value.granted),
        "regions": regions,
        "owner": value.owner,
        "lifetime": value.lifetime,
        "created_usec": value.created_usec,
        "state": value.state,
        "state_reason": value.state_reason,
        "cpus": value.cpus,
    }


def picture(value: Picture) -> dict[str, Any]:
    return {
        "caches": caches(value.caches),
        "reservations": [reservation(one) for one in value.reservations],
    }


def status(value: Status) -> dict[str, Any]:
    return value._asdict() | {
        "reservations": [reservation(one) for one in value.reservations],
        "caches": caches(value.caches),
    }


def differences(values: Iterable[Difference]) -> list[dict[str, Any]]:
    return [one._asdict() for one in values]
