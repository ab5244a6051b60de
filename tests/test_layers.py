"""The direction of the imports, and which library is used where: ARCHITECTURE.md as a test."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What the core may use of the standard library: nothing that reads, writes, waits, logs or knows the time.
PURE = {
    "__future__", "bisect", "collections", "contextlib", "copy", "dataclasses", "enum", "fractions",
    "functools", "heapq", "itertools", "math", "operator", "re", "string", "types", "typing",
}  # fmt: skip

# What rdtctl may use of the core: a client that starts fast leaves the rest alone.
PURE_HELPERS = tuple(
    f"rdtd.core.{name}"
    for name in ("configured", "cpus", "errors", "ini", "masks", "model", "options", "sizes", "spec", "texts")
)

# A library, and the modules that alone may import it.
ONLY_IN = {
    "dbus_next": ("rdtd.bus.library",),
    "pyinotify": ("rdtd.resctrl.*",),
    "fcntl": ("rdtd.resctrl.*", "rdtd.simulator.*", "rdtd.startup"),  # resctrl's lock; the state's own
    "mfusepy": ("rdtd.simulator.*",),
    "logging": ("rdtd.daemon", "rdtd.daemon.*", "rdtd.log", "rdtd.rdtctl.*", "rdtd.simulator.main"),
    "systemd": ("rdtd.log", "rdtd.notify"),
}

# Modules, and all of rdtd that they may import: what lies below them, never what calls them. The first
# line that matches counts. `rdtd` itself stands for what rdtd/__init__.py has.
MAY_IMPORT = {
    "rdtd.core": ("rdtd.core",),
    "rdtd.resctrl": ("rdtd.core", "rdtd.resctrl"),
    "rdtd.simulator": ("rdtd", "rdtd.simulator"),
    "rdtd.bus.access": ("rdtd.core", "rdtd.bus", "rdtd.attach", "rdtd.threads"),
    "rdtd.bus.exported": ("rdtd", "rdtd.core", "rdtd.bus", "rdtd.manager", "rdtd.attach"),
    "rdtd.bus.values": ("rdtd.core", "rdtd.bus", "rdtd.attach"),
    "rdtd.bus.service": ("rdtd.core", "rdtd.bus", "rdtd.manager", "rdtd.threads"),
    "rdtd.bus": ("rdtd.core.errors", "rdtd.bus"),
    "rdtd.rdtctl": ("rdtd", "rdtd.rdtctl", "rdtd.bus.client", *PURE_HELPERS),
    "rdtd.store": ("rdtd.core",),
    "rdtd.threads": ("rdtd.core",),
    "rdtd.config": ("rdtd.core", "rdtd.dropins"),
    "rdtd.dropins": ("rdtd.core",),
    "rdtd.boot": ("rdtd.core", "rdtd.manager"),
    "rdtd.mounting": ("rdtd.core", "rdtd.manager", "rdtd.resctrl.mounting"),
    "rdtd.cgroups": ("rdtd.threads",),
    "rdtd.gather": ("rdtd.core", "rdtd.resctrl"),
    "rdtd.units": ("rdtd.core", "rdtd.bus", "rdtd.cgroups", "rdtd.manager"),
    "rdtd.log": ("rdtd.messages",),
    "rdtd.messages": (),
    "rdtd.notify": (),
    "rdtd.attach": ("rdtd.core", "rdtd.resctrl", "rdtd.threads"),
    "rdtd.engine": ("rdtd.core", "rdtd.resctrl", "rdtd.store", "rdtd.observer", "rdtd.saving", "rdtd.turn"),
    "rdtd.saving": ("rdtd.core", "rdtd.store"),
    "rdtd.startup": ("rdtd.core", "rdtd.resctrl", "rdtd.store"),
    "rdtd.triggers": (),
    "rdtd.strays": ("rdtd.core", "rdtd.resctrl", "rdtd.threads"),
    "rdtd.observer": ("rdtd.core", "rdtd.resctrl", "rdtd.strays", "rdtd.threads"),
    "rdtd.turn": ("rdtd.core",),
    "rdtd.public": ("rdtd.core", "rdtd.engine"),
    "rdtd.turns": ("rdtd.core", "rdtd.resctrl", "rdtd.engine", "rdtd.public"),
    "rdtd.agenda": ("rdtd.core",),
    "rdtd.decisions": ("rdtd.core", "rdtd.attach", "rdtd.threads", "rdtd.turn"),
    "rdtd.manager": (
        "rdtd.decisions",
        "rdtd.agenda",
        "rdtd.public",
        "rdtd.turns",
        "rdtd.core",
        "rdtd.resctrl",
        "rdtd.attach",
        "rdtd.engine",
        "rdtd.gather",
        "rdtd.threads",
    ),
    "rdtd": ("rdtd",),
}


def imports(source: str) -> Iterator[str]:
    """The modules that a source text imports anywhere, functions included: `a.b` for `from a import b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def violations(module: str, source: str) -> list[str]:
    """What the module imports and must not."""
    found = []
    for name in imports(source):
        library = name.partition(".")[0]
        if library in ONLY_IN and not any(fnmatch(module, allowed) for allowed in ONLY_IN[library]):
            found.append(f"{module} imports {name}: only {', '.join(ONLY_IN[library])} may")
        if within(module, "rdtd.core") and library not in PURE | {"rdtd"}:
            found.append(f"{module} imports {name}: the core is pure")
        if library == "rdtd" and not _allowed(module, name):
            found.append(f"{module} imports {name}, which is not below it")
    return found


def _allowed(module: str, name: str) -> bool:
    allowed = next(allowed for place, allowed in MAY_IMPORT.items() if within(module, place))
    if within(module, "rdtd.daemon"):
        return True  # they put the parts together
    if name in ("rdtd", "rdtd.__version__"):
        return "rdtd" in allowed
    return any(within(name, package) for package in allowed if package != "rdtd")


def modules() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "rdtd").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield name, path.read_text()


def test_every_import_is_allowed() -> None:
    assert [fault for module, source in modules() for fault in violations(module, source)] == []


def test_one_module_knows_the_dbus_library() -> None:
    users = {
        module for module, source in modules() if any(within(name, "dbus_next") for name in imports(source))
    }
    assert users == {"rdtd.bus.library"}


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rdtd.core.plan", "import os"),
        ("rdtd.core.plan", "from pathlib import Path"),
        ("rdtd.core.plan", "def late() -> None:\n    import asyncio"),
        ("rdtd.core.plan", "from rdtd.resctrl import schemata"),
        ("rdtd.core", "import logging"),
        ("rdtd.resctrl.lock", "from rdtd.manager import Manager"),
        ("rdtd.resctrl.lock", "import logging"),
        ("rdtd.manager", "import dbus_next.message"),
        ("rdtd.manager", "import fcntl"),
        ("rdtd.manager", "from systemd import journal"),
        ("rdtd.bus.objects", "from rdtd.manager import Manager"),
        ("rdtd.rdtctl.main", "from rdtd.core.plan import plan"),
        ("rdtd.rdtctl.main", "import rdtd.bus.connection"),
        ("rdtd.rdtctl.main", "from rdtd import manager"),
        ("rdtd.simulator.tree", "from rdtd.core import masks"),
        ("rdtd.engine", "from rdtd.bus.connection import Connection"),
        ("rdtd.new", "from rdtd.engine import Engine"),
    ],
)
def test_violation_is_found(module: str, source: str) -> None:
    assert len(violations(module, source)) >= 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rdtd.core.plan", "from collections.abc import Mapping\nfrom rdtd.core import masks"),
        ("rdtd.resctrl.lock", "import fcntl\nfrom rdtd.core.errors import Busy"),
        ("rdtd.rdtctl.main", "from rdtd import __version__\nfrom rdtd.bus.client import Client"),
        ("rdtd.daemon.serving", "import logging\nfrom rdtd.manager import Manager"),
    ],
)
def test_what_is_allowed_is_not_found(module: str, source: str) -> None:
    assert violations(module, source) == []
