"""The mark with which a test says which machines it is for."""

from __future__ import annotations

import pytest

#: What Host.abilities can have.
ABILITIES = frozenset(
    {
        *("L2", "L3", "cdp", "no-cdp", "cdp-capable", "not-cdp-capable"),
        *("contiguous", "sparse", "shareable", "no-shareable", "one-bit", "no-bits"),
        *("domains", "shared", "three-groups", "monitoring", "no-monitoring"),
        *("bandwidth", "percent", "real", "intel", "amd"),
    }
)


def needs(*abilities: str) -> pytest.MarkDecorator:
    """Only machines with all of these."""
    unknown = set(abilities) - ABILITIES
    assert not unknown, f"no machine can have {unknown}"
    return pytest.mark.needs(*abilities)
