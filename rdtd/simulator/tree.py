"""Nodes of the file system: directories and files that know how to show themselves and take a write."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rdtd.simulator.state import Group
from rdtd.simulator.tasks import Caller

Show = Callable[[], str]
Write = Callable[[str, Caller], None]


@dataclass(eq=False)
class File:
    """A file of kernfs: its content is made when it is read, and a write is a command."""

    show: Show
    write: Write | None = None
    uid: int = 0
    gid: int = 0
    permissions: int | None = None  # None: 0644 with a write, 0444 without

    @property
    def mode(self) -> int:
        default = 0o444 if self.write is None else 0o644
        return stat.S_IFREG | (default if self.permissions is None else self.permissions)


@dataclass(eq=False)
class Directory:
    """A directory. What it is about decides what may be made or removed in it."""

    nodes: Mapping[str, Node] | Callable[[], Mapping[str, Node]] = field(default_factory=dict)
    permissions: int = 0o555
    uid: int = 0
    gid: int = 0
    group: Group | None = None  # the group whose directory this is
    groups_of: Group | None = None  # the control group whose mon_groups this is
    belongs_to: Group | None = None  # any directory of a group: the group, as kernfs_to_rdtgroup says

    @property
    def mode(self) -> int:
        return stat.S_IFDIR | self.permissions

    def children(self) -> Mapping[str, Node]:
        return self.nodes() if callable(self.nodes) else self.nodes

    def links(self) -> int:
        return 2 + sum(isinstance(node, Directory) for node in self.children().values())


Node = File | Directory


def walk(root: Directory, path: str) -> Node | None:
    """The node at a path from the root ("/", "/info/L3/cbm_mask"), None if there is none."""
    node: Node = root
    for name in path.split("/"):
        if not name:
            continue
        if not isinstance(node, Directory):
            return None
        child = node.children().get(name)
        if child is None:
            return None
        node = child
    return node
