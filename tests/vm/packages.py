"""Debian's packages, fetched with apt's own tools and without touching the machine's apt.

apt is given its own list of sources, its own lists and its own cache; nothing is installed. The mirror is the
one that the machine uses, or the one that RDTD_VM_MIRROR names.
"""

import os
import re
from pathlib import Path

from .errors import VmError
from .host import ARCHIVE_KEYRING, find_program, need_root, run, update_lists

MIRROR_VARIABLE = "RDTD_VM_MIRROR"
"""Names a mirror of Debian's main archive, for machines whose own sources have none."""

_INDEX_FORMAT = "$(ORIGIN) $(LABEL) $(REPO_URI)"


def mirror() -> str:
    """The mirror that the environment names, or the one in the machine's own sources. Raises VmError."""
    if named := os.environ.get(MIRROR_VARIABLE):
        return named
    apt_get = find_program("apt-get")
    command = (apt_get, "indextargets", "--format", _INDEX_FORMAT, "Created-By: Packages")
    return mirror_in(run("apt-get indextargets", command))


def mirror_in(indextargets: str) -> str:
    """The first line of Debian's main archive; its security archive does not have every suite.

    Raises VmError where there is none.
    """
    for line in indextargets.splitlines():
        origin, _, rest = line.partition(" ")
        label, _, uri = rest.partition(" ")
        if (origin, label) == ("Debian", "Debian"):
            return uri
    raise VmError(
        f"apt knows no mirror of Debian's archive: run 'apt-get update', or name one in {MIRROR_VARIABLE}"
    )


def set_up() -> None:
    """Let apt fetch its lists where there are none, as in many a container: the mirror is found in them."""
    try:
        mirror()
    except VmError:
        need_root("apt-get update")
        update_lists()
        mirror()


def source_line(suite: str) -> str:
    """A line of sources.list."""
    return f"deb [arch=amd64 signed-by={ARCHIVE_KEYRING}] {mirror()} {suite} main"


def fetch_dependency(package: str, pattern: str, suite: str, work: Path) -> Path:
    """Fetch the package on which `package` of `suite` depends and whose name matches, and unpack it.

    `work` is an empty directory to work in. Returns the directory that the package was unpacked into.
    """
    options = _own_apt(suite, work)
    apt_get, apt_cache = find_program("apt-get"), find_program("apt-cache")
    run(f"fetching the list of packages of {suite}", (apt_get, *options, "--error-on=any", "update"))
    record = run(f"apt-cache show {package}", (apt_cache, *options, "show", "--no-all-versions", package))
    found = re.search(rf"^Depends:.*?\b({pattern})", record, re.MULTILINE)
    if found is None:
        raise VmError(f"the package {package} of {suite} depends on nothing like {pattern}")
    archives = work / "cache/archives"
    download = (apt_get, *options, "--yes", "--download-only", "download", found[1])
    run(f"fetching {found[1]}", ("env", f"--chdir={archives}", *download))
    target = work / "unpacked"
    for archive in archives.glob("*.deb"):
        run(f"unpacking {archive.name}", (find_program("dpkg-deb"), "--extract", archive, target))
    return target


def _own_apt(suite: str, work: Path) -> list[str]:
    for directory in ("state/lists/partial", "cache/archives/partial"):
        (work / directory).mkdir(parents=True)
    (work / "sources.list").write_text(f"{source_line(suite)}\n")
    (work / "status").touch()
    settings = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": work / "state",
        "Dir::State::Status": work / "status",
        "Dir::Cache": work / "cache",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 30,
        # As root apt would fetch as the user _apt, which may not enter a cache in root's home.
        "APT::Sandbox::User": "root",
    }
    return [f"--option={name}={value}" for name, value in settings.items()]
