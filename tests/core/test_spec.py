"""The seed syntax, in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.core.errors import InvalidRequest
from rdtd.core.model import CacheId, Kind, Region
from rdtd.core.sizes import MAXIMUM, Amount, Unit
from rdtd.core.spec import MAXIMUM_REGIONS, format_spec, parse_spec

TEN_MB = Amount(10 << 20)

AMOUNTS = st.one_of(
    st.builds(Amount, st.integers(1, MAXIMUM)),
    st.builds(Amount, st.integers(1, 1 << 20).map(lambda count: count << 20)),
    st.builds(Amount, st.integers(1, MAXIMUM), st.just(Unit.WAYS)),
    st.builds(Amount, st.integers(1, 100), st.just(Unit.PERCENT)),
)
REGIONS = st.builds(
    Region,
    AMOUNTS,
    st.sampled_from(Kind),
    st.integers(0, (1 << 32) - 1),
    st.one_of(st.sampled_from(CacheId), st.integers(0, (1 << 32) - 1)),
)


def test_seed() -> None:
    assert parse_spec("type=both,size=10mb,cacheid=2;type=both,size=2mb,cacheid=1") == (
        Region(TEN_MB, Kind.BOTH, 3, 2),
        Region(Amount(2 << 20), Kind.BOTH, 3, 1),
    )


@pytest.mark.parametrize(
    "text",
    [
        "size=10mb",
        "size=10mb;",
        " size = 10mb ; ",
        "SIZE=10MB",
        "type=both,size=10mb,level=3",
        "level=3,size=10485760,type=BOTH",
    ],
)
def test_defaults_and_spelling(text: str) -> None:
    assert parse_spec(text) == (Region(TEN_MB),)


@pytest.mark.parametrize("key", ["cacheid", "cache-id", "cache_id", "Cache-ID"])
def test_cache_id_in_every_spelling(key: str) -> None:
    assert parse_spec(f"size=10mb,{key}=7")[0].cache_id == 7
    assert parse_spec(f"size=10mb,{key}=any")[0].cache_id is CacheId.ANY


def test_code_and_data_of_level_2() -> None:
    assert parse_spec("type=code,size=4ways,level=2;type=data,size=25%,level=2") == (
        Region(Amount(4, Unit.WAYS), Kind.CODE, 2),
        Region(Amount(25, Unit.PERCENT), Kind.DATA, 2),
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "the specification is empty"),
        (" ; ", "region 1 is empty"),
        ("size=1mb;;size=2mb", "region 2 is empty"),
        ("size=1mb;size=2mb,", "region 2 ('size=2mb,'): '' is not KEY=VALUE"),
        ("size=1mb,10mb", "region 1 ('size=1mb,10mb'): '10mb' is not KEY=VALUE"),
        ("size=1mb,speed=3", "region 1 ('size=1mb,speed=3'): unknown key 'speed'"),
        ("size=1mb,size=2mb", "region 1 ('size=1mb,size=2mb'): size is given twice"),
        ("size=1mb,cacheid=1,cache-id=1", "cache-id is given twice"),
        ("size=1mb;cacheid=2", "region 2 ('cacheid=2'): size is missing"),
        ("size=", "region 1 ('size='): size ''"),
        ("size=10xb", "region 1 ('size=10xb'): size '10xb': unknown unit 'xb'"),
        ("size=0", "region 1 ('size=0'): size 0"),
        ("size=1mb,type=code+data", "type 'code+data': the types are both, code and data"),
        ("size=1mb,cacheid=-1", "cache-id '-1': it is a number or any"),
        ("size=1mb,cacheid=all", "cache-id 'all': it is a number or any"),
        ("size=1mb,cacheid=4294967296", "cache-id '4294967296'"),
        ("size=1mb,level=L3", "level 'L3': it is a number"),
        ("size=1mb,level=any", "level 'any': it is a number"),
        ("size=1mb,level=³", "level '³': it is a number"),
        ("size=1mb\nsize=2mb", r"size '1mb\nsize=2mb'"),
    ],
)
def test_error_points_at_the_part(text: str, part: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_spec(text)
    assert part in str(refused.value)


def test_most_regions() -> None:
    one = "size=1mb;"
    assert len(parse_spec(one * MAXIMUM_REGIONS)) == MAXIMUM_REGIONS
    with pytest.raises(InvalidRequest, match="1025 regions in one specification; 1024 are the most"):
        parse_spec(one * (MAXIMUM_REGIONS + 1))


@given(st.lists(REGIONS, min_size=1, max_size=5).map(tuple))
def test_round_trip(regions: tuple[Region, ...]) -> None:
    assert parse_spec(format_spec(regions)) == regions


def test_formatted_for_people() -> None:
    text = "type=both,size=10mb,cache-id=2;type=code,size=4ways,level=2;type=both,size=25%,cache-id=any"
    assert format_spec(parse_spec(text)) == text


PIECES = st.sampled_from(
    [
        "type",
        "size",
        "level",
        "cacheid",
        "=",
        ",",
        ";",
        " ",
        "both",
        "any",
        "1",
        "mb",
        "%",
        "-",
        "\0",
        "\n",
        "é",
    ]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_anything_is_parsed_or_refused(text: str) -> None:
    try:
        regions = parse_spec(text)
    except InvalidRequest:
        return
    assert parse_spec(format_spec(regions)) == regions


@pytest.mark.parametrize(
    "piece",
    ["size=1mb,", "size=1mb;", "size=", "1", " ", "a", "=", ",", ";", "\0", "size=1 ", "size=1mb,cacheid=1"],
)
def test_megabytes_are_refused_in_few_words(piece: str) -> None:
    """The suite's time limit is what a parser that backtracks would meet."""
    text = piece * (4 * 10**6 // len(piece))
    with pytest.raises(InvalidRequest) as refused:
        parse_spec(text)
    assert len(str(refused.value)) < 500
