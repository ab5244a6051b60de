"""Has what is wanted on disk before anything is changed."""

from __future__ import annotations

from rdtd.core.errors import KernelRefused
from rdtd.core.model import Wanted
from rdtd.store import Store

__all__ = ["Saver"]


class Saver:
    """Writes the state file when it is not what is wanted: that has changed, or somebody changed the file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._saved: Wanted | None = None

    def save(self, wanted: Wanted) -> None:
        """Raises KernelRefused when it cannot be written; then the file before stays."""
        if wanted == self._saved and self._store.intact():
            return
        try:
            self._store.save(wanted)
        except OSError as error:
            raise KernelRefused(f"cannot save the state to {self._store.path}: {error.strerror}") from error
        self._saved = wanted

    def try_to_save(self, wanted: Wanted) -> KernelRefused | None:
        """As save(), for what promises nothing new: that is put right even where it cannot be saved."""
        try:
            self.save(wanted)
        except KernelRefused as error:
            return error
        return None
