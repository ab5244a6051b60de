"""Names in object paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdtd.bus.paths import children, escape, is_object_path, unescape


@given(st.text())
def test_an_escaped_name_is_a_path_element_and_comes_back(name: str) -> None:
    element = escape(name)
    assert is_object_path("/" + element)
    assert unescape(element) == name


@pytest.mark.parametrize(
    ("name", "element"),
    [("VM-A.vcpu-2", "VM_2dA_2evcpu_2d2"), ("", "_"), ("_", "_5f"), ("é", "_c3_a9"), ("a b", "a_20b")],
)
def test_escaping(name: str, element: str) -> None:
    assert escape(name) == element


@pytest.mark.parametrize("element", ["", "__", "_2", "_2D", "_61", "a-b", "_ff", "a\n", "_"[:0]])
def test_what_is_not_written_by_escape_is_refused(element: str) -> None:
    with pytest.raises(ValueError, match=r"escaped|decode"):
        unescape(element)


@pytest.mark.parametrize("path", ["", "a", "/a/", "//", "/a//b", "/a-b", "/a\n", "/é"])
def test_no_object_path(path: str) -> None:
    assert not is_object_path(path)


def test_children_are_each_named_once() -> None:
    paths = ["/a", "/a/b/c", "/a/b/d", "/a/e", "/ab"]
    assert children("/a", paths) == ["b", "e"]
    assert children("/", paths) == ["a", "ab"]
    assert children("/a/e", paths) == []
