"""One target under atheris (libFuzzer for Python): python -m tests.fuzz.guided TARGET CORPUS [OPTION...]

atheris measures which branches of rdtd an input takes, and keeps those that take a new one.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["rdtd"]):
    from tests.fuzz.library import TARGETS

_, name, *arguments = sys.argv
atheris.Setup([sys.argv[0], *arguments], TARGETS[name].run)
atheris.Fuzz()
