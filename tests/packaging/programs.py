"""Programs of other packages that tests need: packaging/set-up installs them."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def need(program: str) -> None:
    """Skips the test where the program is missing; fails it where CI says that nothing may be."""
    if shutil.which(program) is None:
        if "CI" in os.environ:
            pytest.fail(f"{program} is missing")
        pytest.skip(f"{program} is missing")


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What a program printed, on both streams. It must end well."""
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout
