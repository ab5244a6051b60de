"""How Hypothesis runs here: no test fails because the machine was slow."""

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
