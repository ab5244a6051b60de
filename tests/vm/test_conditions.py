"""Bad conditions: each ends with one line that says what to do."""

import os
from pathlib import Path

import pytest

from tests.vm import cli, host, kernels, packages, rootfs, runner
from tests.vm.cache import Cache
from tests.vm.errors import VmError
from tests.vm.kernels import KERNELS, KernelFiles


@pytest.fixture(name="programs")
def fixture_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which the host's programs are looked for first."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setattr(host, "SYSTEM_PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RDTD_VM_MIRROR", "http://mirror.test/debian/")
    return directory


def program(directory: Path, name: str, script: str) -> None:
    (directory / name).write_text(f"#!/bin/sh\n{script}\n")
    (directory / name).chmod(0o755)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    lines = captured.err.splitlines()
    assert all(line.startswith("building ") for line in lines[:-1])
    return lines[-1]


def test_no_network(programs: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    program(programs, "apt-cache", "exit 0")
    program(
        programs,
        "apt-get",
        """[ "$1" = indextargets ] && exit
echo 'Ign:1 http://mirror.test'
echo 'E: Failed to fetch http://mirror.test/InRelease Temporary failure resolving' >&2
echo 'E: Some index files failed to download.' >&2
exit 100""",
    )
    assert cli.main(["build"]) == cli.FAILED
    assert last_line(capsys) == (
        "tests.vm: fetching the list of packages of bookworm failed: "
        "E: Failed to fetch http://mirror.test/InRelease Temporary failure resolving"
    )
    assert not list((tmp_path / "cache/rdtd-vm").glob("*.partial"))


def test_a_program_is_missing(
    programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "setpriv", "")
    monkeypatch.setattr(host, "SYSTEM_PATH", str(programs))
    assert cli.main(["run", "true"]) == cli.FAILED
    assert last_line(capsys) == (
        "tests.vm: apt-get is missing (Debian's package apt): run 'python3 -m tests.vm setup' as root"
    )


def test_too_little_disk(
    programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "apt-get", "echo 'called' >&2; exit 1")
    monkeypatch.setattr(kernels, "SPACE", 1 << 60)
    assert cli.main(["smoke"]) == cli.FAILED
    line = last_line_after(capsys, "---")
    assert "MiB free and 1099511627776 MiB are needed: make room or set XDG_CACHE_HOME" in line


def last_line_after(capsys: pytest.CaptureFixture[str], heading: str) -> str:
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith(heading)
    assert len(rest) == 1
    return rest[0]


def test_not_root(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (tmp_path / "pyproject.toml").write_text("[project.optional-dependencies]\ndev = []\n")
    monkeypatch.setattr(rootfs, "SPACE", 0)
    with pytest.raises(VmError, match=r"^building the root file system needs root$"):
        rootfs.image(Cache(tmp_path / "cache"), [], tmp_path)


def test_setup_names_everything_that_is_missing(
    programs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "SYSTEM_PATH", str(programs))
    monkeypatch.setattr(host, "ARCHIVE_KEYRING", programs / "keyring")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert cli.main(["setup"]) == cli.FAILED
    line = last_line(capsys)
    for thing in (
        "qemu-system-x86_64 (package qemu-system-x86)",
        "mmdebstrap (",
        "mkfs.ext4 (package e2fsprogs)",
    ):
        assert thing in line
    assert "keyring (package debian-archive-keyring)" in line


def test_setup_installs_what_is_missing_as_root(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = programs / "log"
    for name in host.PROGRAMS:
        if name not in ("mmdebstrap", "setpriv"):
            program(programs, name, "")
    program(programs, "apt-get", f'shift 2; echo "$@" >>{log}')
    program(programs, "setpriv", 'shift 2; exec "$@"')
    monkeypatch.setattr(host, "SYSTEM_PATH", str(programs))
    monkeypatch.setattr(host, "ARCHIVE_KEYRING", programs)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.main(["setup"]) == 0
    assert log.read_text() == "update\ninstall --yes --no-install-recommends mmdebstrap\n"


@pytest.mark.parametrize(
    "found", ["", "0000000000000000 T native_cpuid\n", "grep: /proc/kallsyms: No such file"]
)
def test_a_kernel_without_native_cpuid(found: str) -> None:
    with pytest.raises(VmError, match="native_cpuid is not among the kernel's symbols"):
        runner.address_in(found)


def test_the_address_of_native_cpuid() -> None:
    assert runner.address_in("ffffffff81063af0 t native_cpuid\n") == 0xFFFFFFFF81063AF0


def test_a_shell_needs_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["shell"]) == cli.FAILED
    assert last_line(capsys) == "tests.vm: a shell needs a terminal: use 'run' for a command"


def test_a_suite_with_another_kernel(programs: Path, tmp_path: Path) -> None:
    program(programs, "apt-get", "")
    program(programs, "apt-cache", "echo 'Depends: linux-image-6.19.1-cloud-amd64 (= 6.19.1-1)'")
    with pytest.raises(VmError, match=r"linux-image-cloud-amd64 of trixie depends on nothing like"):
        kernels.fetch(Cache(tmp_path / "cache"), KERNELS["6.12"])


def test_a_kernel_is_fetched_unpacked_and_kept(programs: Path, tmp_path: Path) -> None:
    """With a package in the layout of those with /usr merged."""
    tree = tmp_path / "tree"
    for name, text in {
        "boot/vmlinuz-6.12.9": "kernel",
        "usr/lib/modules/6.12.9/kernel/fs.ko": "module",
    }.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    program(programs, "dpkg-deb", f'cp --recursive {tree} "$3"')
    program(programs, "apt-cache", "echo 'Depends: linux-image-6.12.9+deb13-cloud-amd64 (= 6.12.9-1)'")
    program(programs, "apt-get", 'for word; do [ "$word" != download ] || touch k.deb; done')
    files = kernels.fetch(Cache(tmp_path / "cache"), KERNELS["6.12"])
    assert files.release == "6.12.9"
    assert files.image.read_text() == "kernel"
    assert (files.modules / "kernel/fs.ko").read_text() == "module"
    program(programs, "apt-get", "exit 1")
    assert kernels.fetch(Cache(tmp_path / "cache"), KERNELS["6.12"]) == files


def test_the_mirror_is_the_machines_own() -> None:
    targets = (
        "Google Cloud http://packages.test/apt/\n"
        "Debian Debian-Security http://mirror.test/debian-security/\n"
        "Debian Debian http://mirror.test/debian/\n"
    )
    assert packages.mirror_in(targets) == "http://mirror.test/debian/"
    with pytest.raises(VmError, match="RDTD_VM_MIRROR"):
        packages.mirror_in("Ubuntu Ubuntu http://ubuntu.test/\n")


def test_setup_fetches_apts_lists_where_there_are_none(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image of a container: the mirror is known from the lists alone."""
    lists = programs / "lists"
    program(
        programs,
        "apt-get",
        f"""case "$*" in
            indextargets*) [ ! -e {lists} ] || cat {lists} ;;
            *update) echo Debian Debian http://mirror.test/ >{lists} ;;
        esac""",
    )
    monkeypatch.delenv("RDTD_VM_MIRROR")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(VmError, match=r"^apt-get update needs root$"):
        packages.set_up()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    packages.set_up()
    assert packages.mirror() == "http://mirror.test/"


def test_the_guests_test_tools_are_those_of_the_project() -> None:
    pyproject = """[project.optional-dependencies]
simulator = ["mfusepy>=3.1"]
dev = ["rdtd[simulator]", "pytest>=8.3", "pytest-xdist", "mypy>=1", "ruff"]
"""
    assert rootfs.test_requirements(pyproject) == ["mfusepy>=3.1", "pytest>=8.3"]


def test_the_image_is_another_for_other_tools_and_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootfs, "need_root", lambda _what: None)
    for step in ("_unpack_debian", "_install_wheels", "_configure"):
        monkeypatch.setattr(rootfs, step, lambda tree, *_: tree.mkdir(exist_ok=True))
    monkeypatch.setattr(rootfs, "_make_image", lambda _tree, path: path.touch())
    monkeypatch.setattr(rootfs, "run", lambda *_: "")
    monkeypatch.setattr(rootfs, "SPACE", 0)
    cache = Cache(tmp_path / "cache")
    images = set()
    for kernel in ("kernel-1", "kernel-2"):
        modules = tmp_path / kernel / "modules/6.1"
        modules.mkdir(parents=True)
        for tools in ("pytest>=8", "pytest>=9"):
            (tmp_path / "pyproject.toml").write_text(f'[project.optional-dependencies]\ndev = ["{tools}"]\n')
            images.add(rootfs.image(cache, [KernelFiles(tmp_path / kernel / "vmlinuz", modules)], tmp_path))
    assert len(images) == 4
