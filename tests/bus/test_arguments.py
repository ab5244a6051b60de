"""Reading a{sv} arguments."""

import pytest

from rdtd.bus.arguments import Reader
from rdtd.bus.library import Variant
from rdtd.core.errors import InvalidRequest


def test_values_and_defaults() -> None:
    reader = Reader({"size": Variant("t", 5), "cache-id": Variant("s", "any")})
    assert "size" in reader
    assert reader.take("size", "t") == 5
    assert reader.take("cache-id", "u", "s") == "any"
    assert reader.take("level", "u", default=3) == 3
    assert reader.take("type", "s") is None
    reader.done()


@pytest.mark.parametrize(
    ("signature", "value"),
    [("s", "5"), ("u", 5), ("i", 5), ("x", 5), ("q", 5), ("d", 5.0), ("v", Variant("t", 5))],
)
def test_another_type_is_refused_even_if_it_would_fit(signature: str, value: object) -> None:
    reader = Reader({"size": Variant(signature, value)}, "region 2")
    with pytest.raises(InvalidRequest) as caught:
        reader.take("size", "t", meaning="bytes")
    assert str(caught.value) == f"region 2: 'size' must be t (bytes), not {signature}"


def test_a_choice_of_types_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"'cache-id' must be u \(a number\) or s \(a string\), not b"):
        Reader({"cache-id": Variant("b", True)}).take("cache-id", "u", "s")


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    reader = Reader({"foo": Variant("s", ""), "size": Variant("t", 1)})
    reader.take("size", "t")
    reader.take("ways", "u")
    with pytest.raises(InvalidRequest, match="unknown key 'foo': the known ones are size, ways"):
        reader.done()
    with pytest.raises(InvalidRequest, match="unknown key 'foo': there are none yet"):
        Reader({"foo": Variant("s", "")}).done()


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InvalidRequest, match="region 1: 'size' is missing"):
        Reader({}, "region 1").require("size", "t")
    assert Reader({"size": Variant("t", 0)}).require("size", "t") == 0
