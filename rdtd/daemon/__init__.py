"""The program rdtd: puts the parts together, serves until it is told to stop."""

from __future__ import annotations

from rdtd.daemon.main import main

__all__ = ["main"]
