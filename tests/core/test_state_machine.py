"""The invariants at every state that random sequences of operations reach."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from tests.core.machine import Owning

settings.register_profile(
    "quick", max_examples=150, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
settings.register_profile("long", settings.get_profile("quick"), max_examples=5000, stateful_step_count=60)

TestOwning = Owning.TestCase
TestOwning.settings = settings.get_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
