"""A short soak: what it finds, `python -m tests.soak --seed` repeats."""

from __future__ import annotations

import pytest

from tests.soak.figures import Figures
from tests.soak.model import soak


@pytest.mark.parametrize("seed", range(1, 4))
def test_nothing_is_lost(seed: int) -> None:
    figures = Figures()
    soak(1200, seed, figures)
    assert figures.operations.total() >= 1200
    assert figures.checks > 100
    assert figures.faults["killed"] > 5
    assert not figures.lost
