"""Every target on real values, on what was found, on what Hypothesis makes, and for a moment by coverage."""

import importlib.util
import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.library import TARGETS, found

RUNS = 1000  # of the guided run: a moment. `make fuzz` is for more


@pytest.mark.parametrize("name", TARGETS)
def test_real_values(name: str) -> None:
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)


@pytest.mark.parametrize(("name", "path"), [(name, path) for name in TARGETS for path in found(name)])
def test_what_was_found_is_cured(name: str, path: os.PathLike[str]) -> None:
    with open(path, "rb") as file:
        TARGETS[name].run(file.read())


def changed(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Real values with pieces cut out, put in, doubled; and any bytes at all."""
    piece = st.tuples(st.integers(0, 1000), st.integers(0, 20), st.binary(max_size=8))

    def change(seed: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for place, length, new in changes:
            start = place % (len(seed) + 1)
            seed = seed[:start] + new + seed[start + length :]
        return seed

    return st.builds(change, st.sampled_from(seeds), st.lists(piece, max_size=4)) | st.binary(max_size=200)


@pytest.mark.parametrize("name", TARGETS)
def test_changed_values(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(changed(list(target.seeds())))
    def check(data: bytes) -> None:
        target.run(data)

    check()


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None and "CI" not in os.environ,
    reason="atheris is not installed: pip install -e '.[fuzz]'",
)
@pytest.mark.parametrize("name", TARGETS)
def test_guided_by_coverage(name: str, tmp_path: os.PathLike[str]) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS), "--work", str(tmp_path), name]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
