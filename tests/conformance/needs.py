"""The mark with which a test says which machines it is for."""

from __future__ import annotations

import pytest

#: What Host.abilities can have.
ABILITIES = frozenset(
    {
        *("contiguous", "sparse", "shareable", "no-shareable", "one-bit", "no-bits"),
        *("cdp", "no-cdp", "cdp-capable", "domains", "shared", "three-groups"),
        *("monitoring", "no-monitoring", "bandwidth", "intel", "amd", "real"),
    }
)


def needs(*abilities: str) -> pytest.MarkDecorator:
    """Only machines with all of these."""
    unknown = set(abilities) - ABILITIES
    assert not unknown, f"no machine can have {unknown}"
    return pytest.mark.needs(*abilities)
