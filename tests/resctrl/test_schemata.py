"""The text of schemata to values and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.model import Domain
from rdtd.resctrl.schemata import cache_level, format_schemata, parse_number_by_id, parse_schemata

OLD = "    MB:0=  100;1=  100\n    L3:0=0000f;1=000f0\n"
NEW = "    MB:0=100;1=100\n    L3:0=f;1=f0\n"
CDP = "L3DATA:0=fffff;1=fffff\nL3CODE:0=f0000;1=0000f\n"

DOMAINS = st.builds(
    Domain,
    st.sampled_from(["L3", "L2", "L3CODE", "L3DATA", "L2CODE", "L2DATA"]),
    st.integers(0, (1 << 32) - 1),
)
MASKS = st.dictionaries(DOMAINS, st.integers(0, (1 << 32) - 1), min_size=1, max_size=40)


@pytest.mark.parametrize("text", [OLD, NEW])
def test_both_forms_of_the_kernel(text: str) -> None:
    assert parse_schemata(text) == {Domain("L3", 0): 0xF, Domain("L3", 1): 0xF0}


def test_code_and_data() -> None:
    assert parse_schemata(CDP) == {
        Domain("L3DATA", 0): 0xFFFFF,
        Domain("L3DATA", 1): 0xFFFFF,
        Domain("L3CODE", 0): 0xF0000,
        Domain("L3CODE", 1): 0xF,
    }


def test_resources_that_rdtd_does_not_allocate_are_left_alone() -> None:
    assert parse_schemata("SMBA:0=2048\nL4:0=zz\nL3MON:0=1\nnonsense\n\nL2:4=3\n") == {Domain("L2", 4): 3}


@pytest.mark.parametrize(
    "line",
    ["L3:", "L3:0", "L3:0=", "L3:=f", "L3:0=g", "L3:0=-f", "L3:0=0xf", "L3:0=f;", "L3:0=1_0", "L3:x=f"],
)
def test_a_line_that_cannot_be_read_is_quoted(line: str) -> None:
    with pytest.raises(ValueError, match="cannot read the line") as caught:
        parse_schemata(f"MB:0=100\n{line}\n")
    assert repr(line) in str(caught.value)


@given(MASKS)
def test_what_is_written_is_read_back(masks: dict[Domain, int]) -> None:
    assert parse_schemata("".join(format_schemata(masks))) == masks


@given(MASKS, st.booleans())
def test_what_the_kernel_prints_is_read(masks: dict[Domain, int], padded: bool) -> None:
    lines: dict[str, list[str]] = {}
    for domain, mask in masks.items():
        value = f"{mask:08x}" if padded else f"{mask:x}"
        lines.setdefault(domain.resource, []).append(f"{domain.cache_id}={value}")
    text = "".join(f"{name:>6}:{';'.join(entries)}\n" for name, entries in lines.items())
    assert parse_schemata(text) == masks


@given(st.text(st.characters(codec="utf-8")) | st.text("L23:;=0f\n CODE", max_size=60))
def test_any_text_is_read_or_a_value_error(text: str) -> None:
    try:
        masks = parse_schemata(text)
    except ValueError:
        return
    assert all(mask >= 0 and domain.cache_id >= 0 for domain, mask in masks.items())


def test_one_write_unless_it_needs_more_than_a_page() -> None:
    few = {Domain("L3", number): 0x7FF for number in range(300)}
    assert list(format_schemata({Domain("L3", 0): 1, Domain("L2", 7): 0xA})) == ["L3:0=1\nL2:7=a\n"]
    assert len(list(format_schemata(few))) == 1
    many = {Domain("L3", number): 0xFFFFFFFF for number in range(1000)}
    writes = list(format_schemata(many))
    assert all(len(text) <= 4096 and text.endswith("\n") for text in writes)
    assert parse_schemata("".join(writes)) == many


@pytest.mark.parametrize(
    ("resource", "level"),
    [("L3", 3), ("L2", 2), ("L3CODE", 3), ("L2DATA", 2), ("MB", None), ("L4", None), ("L3_MON", None)],
)
def test_levels(resource: str, level: int | None) -> None:
    assert cache_level(resource) == level


def test_size() -> None:
    text = "    MB:0=100;1=100\n    L3:0=25952256;1=2359296\n"
    assert parse_number_by_id(text, "L3") == {0: 25952256, 1: 2359296}
    assert parse_number_by_id(text, "L2") == {}
