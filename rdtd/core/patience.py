"""Patience with a program that changes again what rdtd puts right.

The first repairs come at once. From then on each waits twice as long as the one before, one warning is given,
and what follows is not told, until the group has been left alone for a while. Times are seconds of whatever
clock the caller has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from rdtd.core.drift import Drift

__all__ = ["Patience"]

AT_ONCE = 5  # repairs of a group, one soon after the other, before pauses begin
QUIET = 10.0  # seconds without a change that end a contest; twice the last pause where that is longer
FIRST_PAUSE, LAST_PAUSE = 0.1, 60.0


@dataclass(slots=True)
class _Contest:
    """The repairs of one group that came soon after one another."""

    began: float
    last: float
    repairs: int = 0
    pause: float = 0.0

    @property
    def ends(self) -> float:
        return self.last + max(QUIET, 2 * self.pause)


class Patience:
    """Weighs what turns found."""

    def __init__(self) -> None:
        self._contests: dict[str, _Contest] = {}

    def weigh(self, drifts: Iterable[Drift], now: float) -> tuple[Drift, ...]:
        """Of what a turn found now, what is to be told; and which contests begin and end with that."""
        told: list[Drift] = []
        for group, contest in list(self._contests.items()):
            if contest.ends <= now:
                del self._contests[group]
                if contest.pause:
                    found = f"nobody has changed it for {now - contest.last:.0f} s"
                    told.append(_contested(group, found, "what is changed from now on is put right at once"))
        changed = set()
        for drift in drifts:
            if drift.kind == "baseline":  # it is the administrator's to set, as often as it likes
                told.append(drift)
                continue
            contest = self._contests.setdefault(drift.group, _Contest(now, now))
            if contest.repairs < AT_ONCE:
                told.append(drift)
            changed.add(drift.group)
        for group in sorted(changed):
            contest = self._contests[group]
            contest.repairs += 1
            contest.last = now
            if contest.repairs <= AT_ONCE:
                continue
            if not contest.pause:
                found = f"another program changes it as often as it is put right: {contest.repairs} times in "
                done = f"put right with longer and longer pauses, up to {LAST_PAUSE:.0f} s, and not told"
                told.append(_contested(group, f"{found}{now - contest.began:.1f} s", done))
            contest.pause = min(max(2 * contest.pause, FIRST_PAUSE), LAST_PAUSE)
        return tuple(told)

    def forget(self, groups: Collection[str]) -> None:
        """These groups are not there any more, because nobody wants them."""
        for group in groups:
            self._contests.pop(group, None)

    @property
    def contested(self) -> Collection[str]:
        """The groups whose changes can wait."""
        return [group for group, contest in self._contests.items() if contest.pause]

    def wait_until(self) -> float:
        """When contested groups are to be looked at again; the past where there are none."""
        return max((one.last + one.pause for one in self._contests.values()), default=0.0)

    def ends(self) -> float | None:
        """When a contest may be over that was told of."""
        return min((one.ends for one in self._contests.values() if one.pause), default=None)


def _contested(group: str, found: str, done: str) -> Drift:
    return Drift(group, "contested", {"found": found, "done": done})
