"""What inotify tells about resctrl: hints, and not all of it."""

import os

from tests.conformance.inotify import Inotify
from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl


def changes(inotify: Inotify) -> list[str]:
    """Without the noise of opening and reading."""
    noise = ("OPEN", "CLOSE_NOWRITE")
    return [event for event in inotify.events() if not event.startswith(noise)]


def test_groups_come_and_go(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.root)
    resctrl.mkdir("a")
    assert changes(inotify) == ["CREATE|ISDIR a"]
    resctrl.rmdir("a")
    assert changes(inotify) == ["DELETE|ISDIR a"]


def test_a_refused_mkdir_tells_nothing(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.root)
    with resctrl.refused(22):
        resctrl.mkdir("a\nb")
    assert changes(inotify) == []


@needs("real")
def test_a_removed_group_tells_nothing_itself(resctrl: Resctrl, inotify: Inotify) -> None:
    """Nor is its watch dropped. (A FUSE file system gives DELETE_SELF.)"""
    resctrl.mkdir("a")
    inotify.watch(resctrl.path("a"))
    resctrl.rmdir("a")
    assert changes(inotify) == []


def test_a_write(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.root)
    resctrl.set_mask(0x3)
    assert changes(inotify) == ["MODIFY schemata", "CLOSE_WRITE schemata"]


def test_a_write_as_the_shell_does_it(resctrl: Resctrl, inotify: Inotify) -> None:
    """O_TRUNC is a modification of its own."""
    inotify.watch(resctrl.root)
    with open(resctrl.path("mode"), "w", encoding="ascii") as file:
        file.write("shareable\n")
    assert set(changes(inotify)) == {"MODIFY mode", "CLOSE_WRITE mode"}


def test_a_write_that_fails_tells_the_same_as_one_that_does_not(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.root)
    with resctrl.refused(22):
        resctrl.echo("x", "schemata")
    assert changes(inotify) == ["CLOSE_WRITE schemata"]


def test_a_write_in_a_group(resctrl: Resctrl, inotify: Inotify) -> None:
    resctrl.mkdir("a")
    inotify.watch(resctrl.root)
    inotify.watch(resctrl.path("a"))
    resctrl.set_mask(0x3, "a")
    assert changes(inotify) == ["MODIFY schemata", "CLOSE_WRITE schemata"]


def test_a_file_itself_can_be_watched(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.path("schemata"))
    resctrl.set_mask(0x3)
    assert changes(inotify) == ["MODIFY", "CLOSE_WRITE"]


def test_reading_is_opening_and_closing(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.path("schemata"))
    resctrl.read("schemata")
    assert inotify.events() == ["OPEN", "CLOSE_NOWRITE"]


def test_permissions_are_told(resctrl: Resctrl, inotify: Inotify) -> None:
    resctrl.mkdir("a")
    inotify.watch(resctrl.path("a"))
    os.chmod(resctrl.path("a/tasks"), 0o664)
    assert changes(inotify) == ["ATTRIB tasks"]


def test_what_the_kernel_changes_is_not_told(resctrl: Resctrl, inotify: Inotify) -> None:
    """A CPU that moves changes two groups' files; the event is that of the write."""
    resctrl.mkdir("a")
    inotify.watch(resctrl.root)
    resctrl.echo("0", "a/cpus_list")
    assert changes(inotify) == []


@needs("domains")
def test_hotplug_is_not_told(resctrl: Resctrl, inotify: Inotify) -> None:
    cpus = resctrl.cpus_of_domain(resctrl.host.domains[-1])
    inotify.watch(resctrl.root)
    resctrl.driver.offline(cpus)
    resctrl.driver.online(cpus)
    assert changes(inotify) == []


@needs("real")
def test_umount(resctrl: Resctrl, inotify: Inotify) -> None:
    inotify.watch(resctrl.root)
    resctrl.driver.close()
    assert changes(inotify) == ["UNMOUNT|ISDIR", "IGNORED"]


@needs("real")
def test_a_mount_over_the_directory_is_not_told(resctrl: Resctrl, inotify: Inotify) -> None:
    resctrl.driver.close()
    inotify.watch(resctrl.root)
    resctrl.driver.mount(())
    assert changes(inotify) == []
