"""Patience with a program that changes again what rdtd puts right, by a clock that the test turns."""

from rdtd.core.drift import Drift
from rdtd.core.patience import AT_ONCE, LAST_PAUSE, QUIET, Patience

MASKS = Drift("rdtd.a", "masks", {"found": "L3:0=f", "done": "set to L3:0=3"})


def kinds(told: tuple[Drift, ...]) -> list[str]:
    return [drift.kind for drift in told]


def contested(patience: Patience, now: float) -> float:
    """Puts the group right as often as it takes; the time of the last one."""
    for _ in range(AT_ONCE):
        assert kinds(patience.weigh([MASKS], now)) == ["masks"]
        assert not patience.contested
        now += 0.01
    assert kinds(patience.weigh([MASKS], now)) == ["contested"]
    return now


def test_some_repairs_come_at_once_and_then_there_is_one_warning() -> None:
    patience = Patience()
    contested(patience, 100.0)
    assert patience.contested == ["rdtd.a"]


def test_the_warning_says_how_often() -> None:
    patience = Patience()
    told: tuple[Drift, ...] = ()
    for number in range(AT_ONCE + 1):
        told = patience.weigh([MASKS], 100 + number / 2)
    assert told[0].details["found"].endswith(f"as often as it is put right: {AT_ONCE + 1} times in 2.5 s")


def test_pauses_grow_to_a_limit_and_nothing_is_told() -> None:
    patience = Patience()
    now = contested(patience, 100.0)
    pauses = []
    for _ in range(14):
        pauses.append(patience.wait_until() - now)
        now = patience.wait_until()
        assert patience.weigh([MASKS], now) == ()
    assert [round(pause, 3) for pause in pauses[:4]] == [0.1, 0.2, 0.4, 0.8]
    assert round(pauses[-1], 3) == LAST_PAUSE


def test_it_is_told_when_it_stops() -> None:
    patience = Patience()
    now = contested(patience, 100.0)
    ends = patience.ends()
    assert ends is not None
    assert ends == now + QUIET
    assert patience.weigh((), ends - 0.1) == ()
    told = patience.weigh((), ends)
    assert kinds(told) == ["contested"]
    assert told[0].details["found"] == f"nobody has changed it for {QUIET:.0f} s"
    assert (patience.contested, patience.ends(), patience.wait_until()) == ([], None, 0.0)
    assert kinds(patience.weigh([MASKS], ends + 1)) == ["masks"]


def test_repairs_with_time_between_them_are_no_contest() -> None:
    patience = Patience()
    for number in range(3 * AT_ONCE):
        assert kinds(patience.weigh([MASKS], 100 + number * QUIET)) == ["masks"]


def test_each_group_has_its_own_contest() -> None:
    patience = Patience()
    now = contested(patience, 100.0)
    other = Drift("rdtd.b", "removed")
    assert patience.weigh([MASKS, other], now) == (other,)
    patience.forget(["rdtd.a"])
    assert patience.contested == []


def test_the_administrator_is_nobody_to_contest_with() -> None:
    patience, baseline = Patience(), Drift("", "baseline")
    for _ in range(3 * AT_ONCE):
        assert patience.weigh([baseline], 100.0) == (baseline,)
