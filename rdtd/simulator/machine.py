"""The simulated file system without FUSE: paths and operations in, content and errors out."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from rdtd.simulator import groups, sysfs
from rdtd.simulator.control import Control
from rdtd.simulator.faults import Faults, OperationCount
from rdtd.simulator.lastcmd import RefusedError
from rdtd.simulator.layout import Layout
from rdtd.simulator.monitoring import Counters
from rdtd.simulator.state import Group, MountOptions, State
from rdtd.simulator.tasks import Caller, TaskTable, Threads
from rdtd.simulator.tree import Directory, File, Node, walk

#: The control directory: there when it is asked for by name, but in no listing.
CONTROL_DIRECTORY = ".simulator"
#: The largest write that the kernel takes, PAGE_SIZE.
MAX_WRITE = 4096


class Machine:
    """A mounted resctrl and the control directory below it.

    Paths start at the mount point ("/info/L3/cbm_mask"). Every method raises RefusedError with the errno
    that the kernel gives. Names are str as Python's os module has them (surrogateescape).
    """

    def __init__(
        self,
        state: State,
        threads: Threads,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.state = state
        self.faults = Faults(sleep)
        self.operations = OperationCount()
        self._tasks = TaskTable(threads)
        self._counters = Counters(clock)
        self._layout = Layout(state, self._tasks, self._counters)
        self._root = self._layout.root()
        control = Control(state, self.faults, self.remount)
        self._control = Directory(
            {
                "sys": sysfs.build(state),
                "control": File(control.show, lambda text, _: control.write(text)),
                "operations": File(lambda: str(self.operations), lambda _text, _: self.operations.reset()),
            },
            permissions=0o755,
        )

    def remount(self, options: MountOptions) -> None:
        """umount and mount at one go: groups are gone, masks full, tasks in the default group.

        Raises ValueError where the machine lacks what an option asks for; then nothing has changed.
        """
        self.state.mount(options)
        self._tasks.forget()
        self._counters.reset()
        self._layout = Layout(self.state, self._tasks, self._counters)
        self._root = self._layout.root()

    def lookup(self, path: str) -> Node:
        if _is_control(path):
            node = walk(self._control, path[len(CONTROL_DIRECTORY) + 1 :])
        else:
            node = walk(self._root, path)
        if node is None:
            raise RefusedError(errno.ENOENT)
        return node

    def listing(self, path: str) -> list[tuple[str, int]]:
        """Names in a directory with their modes."""
        return [(name, node.mode) for name, node in self._directory(path).children().items()]

    def read(self, path: str, owner: Group | None = None) -> str:
        """The whole content of a file, as it is now. `owner` is what open() gave."""
        node = self._opened(path, owner)
        if not _is_control(path):
            self.operations.add("read", _name(path))
            self.faults.hit("read", path, self.state.last_command)
        return node.show()

    def open(self, path: str, writing: bool) -> Group | None:
        """open(2) of a file. Even root may not open a file for writing that takes no writes.

        Returns the group that the file belongs to: an open file does not outlive it, even if another
        group has got its name.
        """
        node = self._file(path)
        if writing:
            if node.write is None or not node.mode & 0o222:
                raise RefusedError(errno.EACCES)
            if self.faults.read_only and not _is_control(path):
                raise RefusedError(errno.EROFS)
        return self._directory(_split(path)[0]).belongs_to

    def truncate(self, path: str) -> None:
        """truncate(2): nothing happens, also to a file that open(2) does not give for writing."""
        self._file(path)
        if self.faults.read_only and not _is_control(path):
            raise RefusedError(errno.EROFS)

    def write(
        self, path: str, data: str, caller: Caller, size: int | None = None, owner: Group | None = None
    ) -> None:
        """write(2) of a whole buffer, of `size` bytes if that is not its length."""
        node = self._opened(path, owner)
        if node.write is None:
            raise RefusedError(errno.EACCES)
        if (len(data) if size is None else size) > MAX_WRITE:
            raise RefusedError(errno.E2BIG)
        if not _is_control(path):
            self.operations.add("write", _name(path))
            self.faults.hit("write", path, self.state.last_command)
        node.write(data, caller)

    def mkdir(self, path: str, permissions: int, caller: Caller) -> None:
        """mkdir(2): a control group in the root, a monitoring group in mon_groups."""
        parent_path, name = _split(path)
        if _is_control(path):
            raise RefusedError(errno.EPERM)
        parent = self._directory(parent_path)
        if name in parent.children():
            raise RefusedError(errno.EEXIST)
        self.operations.add("mkdir")
        self.faults.hit("mkdir", path, self.state.last_command)
        if parent is self._root:
            group = groups.make_control_group(self.state, name)
        elif parent.groups_of is not None:
            group = groups.make_monitoring_group(self.state, parent.groups_of, name)
        else:
            raise groups.refuse_mkdir(self.state, inside_info=parent.belongs_to is None)
        self._nodes(parent)[name] = self._layout.group(group, permissions, caller)
        self._counters.start(self.state, group)

    def rmdir(self, path: str) -> None:
        """rmdir(2) of a group. Its files and monitoring groups go with it."""
        parent_path, name = _split(path)
        directory = self._directory(path)
        if _is_control(path):
            raise RefusedError(errno.EPERM)
        self.operations.add("rmdir")
        self.faults.hit("rmdir", path, self.state.last_command)
        group = directory.group
        if group is None or group is self.state.default_group:
            raise RefusedError(errno.EPERM)
        groups.remove_group(self.state, self._tasks, group)
        for part in (group, *group.children.values()):
            self._counters.stop(part)
        del self._nodes(self._directory(parent_path))[name]

    def rename(self, old: str, new: str) -> None:
        """rename(2): only of monitoring groups."""
        old_parent, _ = _split(old)
        new_parent, new_name = _split(new)
        source, target = self.lookup(old), self._directory(new_parent)
        if _is_control(old) or _is_control(new):
            raise RefusedError(errno.EPERM)
        if self.faults.read_only:
            raise RefusedError(errno.EROFS)
        self.operations.add("rename")
        above = self._directory(old_parent)
        if self.state.kernel.rename and None in (_owner(source, above), target.belongs_to):
            raise RefusedError(errno.ENOENT)  # info and what is in it
        group = source.group if isinstance(source, Directory) else None
        is_directory = isinstance(source, Directory)
        groups.move_group(self.state, group, target.groups_of, new_name, is_directory)
        del self._nodes(above)[_name(old)]
        self._nodes(target)[new_name] = source

    def chmod(self, path: str, permissions: int) -> None:
        node = self._changeable(path)
        node.permissions = permissions & 0o7777

    def chown(self, path: str, uid: int, gid: int) -> None:
        """-1 leaves an owner as it is."""
        node = self._changeable(path)
        node.uid = node.uid if uid == -1 else uid
        node.gid = node.gid if gid == -1 else gid

    def _changeable(self, path: str) -> Node:
        node = self.lookup(path)
        if _is_control(path):
            raise RefusedError(errno.EPERM)
        if self.faults.read_only:
            raise RefusedError(errno.EROFS)
        return node

    def _opened(self, path: str, owner: Group | None) -> File:
        try:
            node = self._file(path)
        except RefusedError:
            raise RefusedError(errno.ENODEV if owner else errno.ENOENT) from None
        if owner is not None and self._directory(_split(path)[0]).belongs_to is not owner:
            raise RefusedError(errno.ENODEV)
        return node

    def _file(self, path: str) -> File:
        node = self.lookup(path)
        if isinstance(node, Directory):
            raise RefusedError(errno.EISDIR)
        return node

    def _directory(self, path: str) -> Directory:
        node = self.lookup(path)
        if not isinstance(node, Directory):
            raise RefusedError(errno.ENOTDIR)
        return node

    @staticmethod
    def _nodes(directory: Directory) -> dict[str, Node]:
        """The nodes of a directory in which groups can be: these are kept, not made on demand."""
        assert isinstance(directory.nodes, dict)
        return directory.nodes


def _owner(node: Node, parent: Directory) -> Group | None:
    """kernfs_to_rdtgroup: a file belongs to the group of its directory."""
    return node.belongs_to if isinstance(node, Directory) else parent.belongs_to


def _is_control(path: str) -> bool:
    return path == f"/{CONTROL_DIRECTORY}" or path.startswith(f"/{CONTROL_DIRECTORY}/")


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return parent or "/", name
