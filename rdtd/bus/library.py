"""The one module that imports dbus-next: its message layer, made safe for a daemon that runs for months.

Only the message layer is loaded: signatures, variants, marshalling, authentication. The package's own
`__init__` would also load asyncio, the GLib bindings and a service framework that rdtd does not use. That
costs a command-line client four fifths of its start, and the framework does not import on Python 3.15,
where `typing.no_type_check_decorator` is gone. Loading the modules one by one cures both.

The names are partly private, so pyproject.toml pins the version. dbus-fast has the same ones.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = [
    "AuthError",
    "AuthExternal",
    "Marshaller",
    "SignatureTree",
    "SignatureType",
    "Unmarshaller",
    "Variant",
]


@contextmanager
def _without_init(name: str) -> Iterator[None]:
    """Let submodules be imported without their package's `__init__`, which can still be imported later."""
    if name in sys.modules:
        yield
        return
    found = PathFinder.find_spec(name)
    if found is None or found.submodule_search_locations is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = ModuleType(name)
    package.__path__ = found.submodule_search_locations
    sys.modules[name] = package
    try:
        yield
    finally:
        del sys.modules[name]


if TYPE_CHECKING:
    # The library has no types of its own. This is the part of it that is used.

    class AuthError(Exception): ...

    class AuthExternal:
        def _authentication_start(self) -> str: ...
        def _receive_line(self, line: str) -> str: ...

    class SignatureType:
        """One complete type: its token (`a`, `(`, `{`, `s` ...) and, in a container, the types inside."""

        token: str
        signature: str
        children: list["SignatureType"]

    class SignatureTree:
        signature: str
        types: list[SignatureType]
        _cache: dict[str, "SignatureTree"]

        @staticmethod
        def _get(signature: str) -> "SignatureTree": ...

    class Variant:
        signature: str
        type: SignatureType
        value: Any

        def __init__(self, signature: str, value: Any) -> None: ...

    class Marshaller:
        signature_tree: SignatureTree
        buffer: bytearray
        body: list[Any] | tuple[Any, ...]
        writers: dict[str, Callable[[Any, Any], int]]

        def __init__(self, signature: str, body: list[Any]) -> None: ...
        def marshall(self) -> bytearray: ...
        def write_boolean(self, boolean: bool, _: Any = None) -> int: ...
        def write_signature(self, signature: str, _: Any = None) -> int: ...
        def write_single(self, type_: SignatureType, body: Any) -> int: ...
        def write_string(self, value: str, _: Any = None) -> int: ...
        def write_struct(self, array: list[Any], type_: SignatureType) -> int: ...

    class Unmarshaller:
        buf: bytes
        offset: int
        readers: dict[str, Callable[[SignatureType], Any]]

        def __init__(self, stream: None) -> None: ...
        def read_signature(self, _: Any = None) -> str: ...
        def read_uint32(self, _: Any = None) -> int: ...

else:
    with _without_init("dbus_next"):
        import dbus_next.errors  # noqa: F401 - first: it and the next ones import each other
        from dbus_next._private.marshaller import Marshaller
        from dbus_next._private.unmarshaller import Unmarshaller
        from dbus_next.auth import AuthExternal
        from dbus_next.errors import AuthError
        from dbus_next.signature import SignatureTree, SignatureType, Variant


class _Bounded(dict[str, SignatureTree]):
    """A cache that forgets everything when it is full.

    The library keeps every signature that it ever parsed, and any peer can make up new ones.
    """

    LIMIT = 1024

    def __setitem__(self, key: str, value: SignatureTree) -> None:
        if len(self) >= self.LIMIT:
            self.clear()
        super().__setitem__(key, value)


SignatureTree._cache = _Bounded()
