"""What is wanted, in a file and back."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdtd.core.members import Members, Thread
from rdtd.core.model import (
    CacheId,
    CacheKey,
    Domain,
    Granted,
    Kind,
    Lifetime,
    Owner,
    Region,
    Reservation,
    Wanted,
)
from rdtd.core.sizes import Amount, Unit
from rdtd.store import Store, StoreDamagedError, StoreNewerError

U32 = st.integers(0, (1 << 32) - 1)
BIG = st.integers(0, (1 << 63) - 1)
NAMES = st.from_regex(r"[A-Za-z0-9_:@+][A-Za-z0-9._:@+-]{0,10}", fullmatch=True)
AMOUNTS = st.one_of(
    st.builds(Amount, st.integers(1, (1 << 63) - 1), st.sampled_from([Unit.BYTES, Unit.WAYS])),
    st.builds(Amount, st.integers(1, 100), st.just(Unit.PERCENT)),
)
REGIONS = st.builds(
    Region, AMOUNTS, st.sampled_from(Kind), st.sampled_from([3, 2]), st.one_of(U32, st.sampled_from(CacheId))
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
# Names of foreign groups may be any bytes: os.fsdecode() keeps those that are no UTF-8 as surrogates.
GROUPS = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
MASKS = st.dictionaries(st.builds(Domain, st.sampled_from(["L3", "L2CODE", "L2DATA"]), U32), U32, max_size=5)

THREADS = st.frozensets(st.builds(Thread, BIG, BIG), max_size=3)
MEMBERS = st.builds(Members, THREADS, THREADS)


@st.composite
def wanteds(draw: st.DrawFn) -> Wanted:
    """Anything that rdtd could want: no way is in two reservations."""
    reservations = {}
    for index, name in enumerate(draw(st.lists(NAMES, max_size=8, unique=True))):
        keys = draw(st.lists(st.builds(CacheKey, st.sampled_from([3, 2]), U32), max_size=3, unique=True))
        reservations[name] = Reservation(
            name,
            tuple(draw(st.lists(REGIONS, min_size=1, max_size=3))),
            tuple(Granted(draw(st.sampled_from(Kind)), key, 0xF << 4 * index, draw(BIG)) for key in keys),
            Owner(draw(U32), draw(TEXTS), draw(TEXTS)),
            draw(st.sampled_from(Lifetime)),
            draw(BIG),
            draw(st.frozensets(st.integers(0, 8191), max_size=5)),
        )
    groups = st.dictionaries(GROUPS, MASKS, max_size=3)
    members = {name: draw(MEMBERS) for name in reservations if draw(st.booleans())}
    return Wanted(reservations, draw(groups), draw(groups), members)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(str(tmp_path_factory.mktemp("store")))


@given(wanteds())
@settings(max_examples=50, deadline=None)
def test_what_is_saved_is_loaded(store: Store, wanted: Wanted) -> None:
    store.save(wanted)
    assert store.load() == wanted


def test_a_file_of_a_version_that_remembered_no_threads(tmp_path: Path) -> None:
    whole = dict(WHOLE)
    del whole["members"]
    wanted = load(tmp_path, json.dumps(whole))
    assert wanted is not None
    assert (list(wanted.reservations), wanted.members) == (["a", "b"], {})


def test_nothing_was_saved(tmp_path: Path) -> None:
    assert Store(str(tmp_path)).load() is None


def test_the_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.save(Wanted())
    first = Path(store.path).stat()
    assert stat.S_IMODE(first.st_mode) == 0o600
    store.save(Wanted())
    assert Path(store.path).stat().st_ino != first.st_ino
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.save(Wanted())
    before = Path(store.path).read_bytes()
    (tmp_path / "state.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        store.save(Wanted(baselines={"x": {}}))
    assert Path(store.path).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def reservation(name: str, mask: int, kind: Kind = Kind.BOTH) -> Reservation:
    region = Region(Amount(mask.bit_count() or 1, Unit.WAYS), kind, 3, 0)
    return Reservation(name, (region,), (Granted(kind, CacheKey(3, 0), mask, 1),), Owner(0))


def document(*reservations: Reservation) -> dict[str, Any]:
    """What save() writes for them."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        store = Store(directory)
        store.save(
            Wanted(
                {str(number): one for number, one in enumerate(reservations)},
                {"": {Domain("L3", 0): 0x7FF}},
                members={reservations[0].name: Members(frozenset({Thread(7, 100)}))},
            )
        )
        found: dict[str, Any] = json.loads(Path(store.path).read_text())
        return found


def load(directory: Path, text: str) -> Wanted | None:
    store = Store(str(directory))
    Path(store.path).write_text(text)
    return store.load()


@pytest.mark.parametrize(
    ("reservations", "text"),
    [
        (
            (reservation("a", 0b110), reservation("b", 0b011)),
            "'b' has ways of L3 cache 0 that another one has",
        ),
        (
            (reservation("a", 0b1, Kind.CODE), reservation("b", 0b1, Kind.DATA)),
            "ways of L3 cache 0 that another one has",
        ),
        ((reservation("a", 0b1), reservation("a", 0b10)), "reservation 'a' is there twice"),
        ((reservation("a", 0),), "reservation 'a' has an empty region"),
        ((reservation("../a", 1),), "name '../a'"),
    ],
)
def test_what_rdtd_never_wanted(tmp_path: Path, reservations: tuple[Reservation, ...], text: str) -> None:
    with pytest.raises(StoreDamagedError, match=text):
        load(tmp_path, json.dumps(document(*reservations)))


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The place of every value in a document."""
    found = [path]
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            found += paths(item, (*path, key))
    return found


WHOLE = document(reservation("a", 0b1), reservation("b", 0b10))
WRONG = [None, -1, 1.5, 1 << 70, True, "", "x", "-1", "0x1", "\u0661", [], [None], {}, {"x": 1}]


def test_every_value_is_checked(tmp_path: Path) -> None:
    """With any one value replaced the file is damaged, or says something else that is possible."""
    accepted = 0
    for path in paths(WHOLE):
        for wrong in WRONG:
            damaged = json.loads(json.dumps(WHOLE))
            if not path:
                damaged = wrong
            else:
                place = damaged
                for key in path[:-1]:
                    place = place[key]
                place[path[-1]] = wrong
            try:
                wanted = load(tmp_path, json.dumps(damaged))
            except StoreDamagedError:
                continue
            accepted += 1
            assert wanted is not None
            Store(str(tmp_path)).save(wanted)
            assert Store(str(tmp_path)).load() == wanted
    assert 0 < accepted < 100


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_told_as_damage(tmp_path: Path, data: st.DataObject) -> None:
    text = json.dumps(WHOLE)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    damaged = text[:start] + data.draw(st.text(max_size=10)) + text[end:]
    try:
        load(tmp_path, damaged)
    except StoreDamagedError as error:
        assert "state.json" in str(error)  # noqa: PT017 - what it says, when it says so


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[" * 100_000, b"1" * 5000, b"NaN", b'{"version":1}'])
def test_files_that_are_nothing(tmp_path: Path, raw: bytes) -> None:
    store = Store(str(tmp_path))
    Path(store.path).write_bytes(raw)
    with pytest.raises(StoreDamagedError):
        store.load()
    aside = store.set_aside("stamp")
    assert Path(aside).read_bytes() == raw
    assert store.load() is None


def test_a_later_versions_file_is_not_damage(tmp_path: Path) -> None:
    with pytest.raises(StoreNewerError, match="its format is 99, not"):
        load(tmp_path, json.dumps(WHOLE | {"version": 99, "more": []}))


def test_the_directory_is_made_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "run"))
    store.save(Wanted())
    assert store.load() == Wanted()


def test_what_others_do_to_the_file_is_seen(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    assert not store.intact()
    store.save(Wanted())
    assert store.intact()
    text = Path(store.path).read_text()
    Path(store.path).unlink()
    assert not store.intact()
    store.save(Wanted())
    assert store.intact()
    Path(store.path).write_text(text + " ")
    assert not store.intact()


def test_a_file_system_that_takes_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:7]))
    store = Store(str(tmp_path))
    store.save(Wanted(baselines={"x": {}}))
    assert store.load() == Wanted(baselines={"x": {}})
