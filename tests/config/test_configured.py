"""A file of reservations.d."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.configured import Configured, format_configured, read_reservation
from rdtd.core.model import Region
from rdtd.core.options import Settings, read_settings
from rdtd.core.sizes import Amount, Unit

WAYS = Amount(2, Unit.WAYS)
FULL = """[Reservation]
Description=The packet path
Regions=size=2ways,cache-id=0 ;\\
        size=2ways,cache-id=1
CPUs=2-3
CPUs=7
Units=a.service b@1.service
Units=c.slice a.service
"""


def read(text: str, name: str = "web") -> Configured:
    one, problems = read_reservation(text, "f", name)
    assert problems == ()
    assert one is not None
    return one


def test_all_of_it() -> None:
    found = read(FULL)
    assert found == Configured(
        "web",
        (Region(WAYS, cache_id=0), Region(WAYS, cache_id=1)),
        frozenset({2, 3, 7}),
        ("a.service", "b@1.service", "c.slice"),
        "The packet path",
        "f",
        3,
    )
    assert replace(read(format_configured(found)), line=3) == found


def test_lists_add_up_and_start_anew() -> None:
    text = "[Reservation]\nRegions=size=1ways,cache-id=0\nRegions=size=1ways,cache-id=1\n"
    assert [region.cache_id for region in read(text).regions] == [0, 1]
    assert [region.cache_id for region in read(text + "Regions=\nRegions=size=1,cache-id=5").regions] == [5]
    assert read(FULL + "CPUs=\nUnits=\n").cpus == frozenset()
    assert read(FULL + "Units=\nUnits=z.scope\n").units == ("z.scope",)


def test_a_name_of_its_own() -> None:
    assert read("[Reservation]\nName=VM:1\nRegions=size=1ways", "10 odd").name == "VM:1"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 0, "no region is asked for"),
        ("[Reservation]\nCPUs=1\n", 0, "no region is asked for"),
        ("[Reservation]\nRegions=size=1ways\nRegions=\n", 2, "no region is asked for"),
        ("[Reservation]\nRegions=10mb\n", 2, "Regions='10mb': region 1 ('10mb'): '10mb' is not KEY=VALUE"),
        ("[Reservation]\nRegions=size=1ways\nCPUs=a\n", 3, "CPUs='a': CPU list 'a'"),
        ("[Reservation]\nRegions=size=1ways\nUnits=a\n", 3, "Units='a': 'a' is no unit with processes"),
        ("[Reservation]\nRegions=size=1ways\nUnits=a@.service\n", 3, "'a@.service' is no unit"),
        ("[Reservation]\nRegions=size=1ways\nUnits=../a.service\n", 3, "'../a.service' is no unit"),
        ("[Reservation]\nRegions=size=1ways\nUnits=a.timer\n", 3, "'a.timer' is no unit"),
        ("[Reservation]\nName=.a\nRegions=size=1ways\n", 2, "Name='.a': name '.a'"),
        ("[Reservation\n", 1, "'[Reservation' is no section"),
    ],
)
def test_what_is_wrong(text: str, line: int, told: str) -> None:
    one, problems = read_reservation(text, "f", "web")
    assert one is None
    assert problems[0].fatal
    assert problems[0].line == line
    assert told in problems[0].text


def test_a_file_whose_name_is_none() -> None:
    one, [problem] = read_reservation("[Reservation]\nRegions=size=1ways\n", "-x.conf", "-x")
    assert one is None
    assert "name '-x'" in problem.text


def test_unknown_options_are_warnings() -> None:
    one, [problem] = read_reservation("[Reservation]\nRegions=size=1ways\nColour=red\n", "f", "a")
    assert one is not None
    assert not problem.fatal
    assert str(problem).startswith("f:3: unknown option Colour in section [Reservation] is ignored")


WORDS = """[Reservation] [Manager] Regions= CPUs= Units= Name= LogLevel= MaxMessageSize= size=1ways debug
3-1 ; , = size=9gb,cache-id=any type=code 0-99999 a.service \\ \x7f \u0663"""
PIECES = st.sampled_from(["\n", " ", "9" * 400, *WORDS.split()])


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_a_reservation_or_has_problems(text: str) -> None:
    one, problems = read_reservation(text, "f", "name")
    assert (one is None) == any(problem.fatal for problem in problems)
    if one is not None:
        again, _ = read_reservation(format_configured(one), "f", "other")
        assert again is not None
        assert replace(again, line=one.line) == one
    read_settings(Settings(), text, "f")
