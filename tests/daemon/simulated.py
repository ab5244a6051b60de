"""The marks of tests that only the simulator can serve. Over the kernel's resctrl they are not collected."""

import pytest


def simulated(reason: str) -> pytest.MarkDecorator:
    """Not for the kernel's resctrl, for this reason."""
    return pytest.mark.simulated(reason)


with_faults = simulated("operations of the kernel fail, wait or are refused when they are told to")
with_counts = simulated("operations are counted")
