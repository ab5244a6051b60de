"""The syntax of configuration files, and the lines that problems name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.ini import Assignment, parse_ini


def parsed(text: str) -> list[Assignment]:
    found, problems = parse_ini(text, "f")
    assert problems == ()
    return list(found)


def test_assignments_and_their_lines() -> None:
    text = "# one\n\n[A]\n x = 1 \n;two\n[B]\ny=a=b;c\ny=\n"
    assert parsed(text) == [("A", "x", "1", 4), ("B", "y", "a=b;c", 7), ("B", "y", "", 8)]


def test_a_value_goes_on_in_the_next_line() -> None:
    text = "[A]\nx=1 \\\n  2 \\\n# in between\n; too\n 3\ny=4\\\n\nz=5\\"
    assert parsed(text) == [("A", "x", "1 2 3", 2), ("A", "y", "4", 7), ("A", "z", "5", 9)]


def test_carriage_returns_are_spaces() -> None:
    assert parsed("[A]\r\nx=1\r\n") == [("A", "x", "1", 2)]


def test_what_is_for_other_programs() -> None:
    assert parsed("[X-Tool]\na=1\n[A]\nX-b=2\nc=3\n") == [("A", "c", "3", 5)]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[A\nx=1\n", 1, "'[A' is no section"),
        ("[]\n", 1, "'[]' is no section"),
        ("[A][B]\n", 1, "'[A][B]' is no section"),
        ("[A]\n\nnonsense\n", 3, "'nonsense' is not Option=value"),
        ("[A]\n=1\n", 2, "'=1' is not Option=value"),
        ("x=1\n", 1, "x= stands in no section"),
    ],
)
def test_what_is_wrong(text: str, line: int, told: str) -> None:
    _, problems = parse_ini(text, "file")
    assert str(problems[0]).startswith(f"file:{line}: {told}")
    assert problems[0].fatal


@given(st.text(alphabet="[]=#;\\ \n\tab\x00\xff", max_size=60))
def test_any_text_gives_values_or_problems_of_its_lines(text: str) -> None:
    found, problems = parse_ini(text, "f")
    lines = text.count("\n") + 1
    assert all(1 <= one.line <= lines for one in found)
    assert all(1 <= one.line <= lines for one in problems)
