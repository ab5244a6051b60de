"""Names as elements of object paths, and object paths as such. Pure."""

import re

_OUTSIDE = re.compile(rb"[^A-Za-z0-9]")
_ESCAPED = re.compile(r"_([0-9a-f]{2})")
_ELEMENT = re.compile(r"(?:[A-Za-z0-9]|_[0-9a-f]{2})+")
_PATH = re.compile(r"/|(?:/[A-Za-z0-9_]+)+")


def escape(name: str) -> str:
    """A name as one element of an object path: `VM-A.vcpu-2` becomes `VM_2dA_2evcpu_2d2`.

    Every byte outside [A-Za-z0-9] is written as `_` and two lower-case hex digits; the empty name is `_`.
    Two names never share an element.
    """
    raw = name.encode()
    if not raw:
        return "_"
    return _OUTSIDE.sub(lambda match: b"_%02x" % match[0][0], raw).decode()


def unescape(element: str) -> str:
    """The name that `escape` wrote as this element. Raises ValueError for anything that it does not write."""
    if element == "_":
        return ""
    if not _ELEMENT.fullmatch(element):
        raise ValueError(f"{element!r} is not an escaped name")
    name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), element).encode("latin-1").decode()
    if escape(name) != element:
        raise ValueError(f"{element!r} is not an escaped name")
    return name


def is_object_path(path: str) -> bool:
    """Whether a text is an object path: `/`, or `/` and elements of [A-Za-z0-9_] with `/` between them."""
    return _PATH.fullmatch(path) is not None


def children(path: str, paths: list[str]) -> list[str]:
    """The names of the direct children that a path has among these paths, sorted."""
    prefix = path if path == "/" else path + "/"
    return sorted(
        {
            other[len(prefix) :].split("/", 1)[0]
            for other in paths
            if other.startswith(prefix) and other != path
        }
    )
