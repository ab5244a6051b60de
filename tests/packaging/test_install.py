"""`make install`, the packages and the wheel: what is in them, and that it works from there."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rdtd import __version__
from tests.packaging.programs import ROOT, need, run
from tests.support.private_bus import PrivateBus


def install(directory: Path, **settings: str) -> Path:
    run("make", "--silent", "install", f"DESTDIR={directory}", *(f"{k}={v}" for k, v in settings.items()))
    return directory


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """rdtd below a directory, as distributions install it."""
    return install(tmp_path_factory.mktemp("root"), PREFIX="/usr")


def files(root: Path) -> set[str]:
    return {f"/{path.relative_to(root)}" for path in root.rglob("*") if not path.is_dir()}


def program(root: Path, name: str) -> str:
    """Python code that does what an installed program does, from where it is now."""
    text = (root / "usr/bin" / name).read_text()
    assert text.startswith("#!/usr/bin/python3 -I\n")
    return text.replace('"/usr/share/rdtd"', repr(str(root / "usr/share/rdtd")))


def test_all_modules_are_installed(installed: Path) -> None:
    there = {path for path in files(installed) if path.startswith("/usr/share/rdtd/rdtd/")}
    expected = {
        f"/usr/share/rdtd/{path.relative_to(ROOT)}"
        for path in (ROOT / "rdtd").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    interfaces = {f"/usr/share/rdtd/rdtd/bus/interfaces/{path.name}" for path in ROOT.glob("dbus/*.xml")}
    assert there == expected | interfaces


@pytest.mark.parametrize("name", ["rdtd", "rdtctl", "rdtd-simulator"])
def test_programs(name: str, installed: Path, tmp_path: Path) -> None:
    """They run on the modules that were installed, whatever the directory and the environment say."""
    (tmp_path / "rdtd").mkdir()
    (tmp_path / "rdtd/__init__.py").write_text("raise SystemExit('the wrong rdtd')")
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", program(installed, name), "--version"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{name} {__version__}\n", "")


def test_everything_names_the_same_place(tmp_path: Path) -> None:
    """With another prefix the units, the bus and the programs agree on it."""
    root = install(tmp_path, PREFIX="/opt/rdtd")
    there = files(root)
    for path in there:
        text = (root / path[1:]).read_text()
        if path.endswith((".service", ".mount")):
            assert "/usr/bin/rdt" not in text, path
            for command in re.findall(r"^Exec\w*=(/\S+)", text, re.MULTILINE):
                assert command in there, path
    assert 'sys.path.insert(0, "/opt/rdtd/share/rdtd")' in (root / "opt/rdtd/bin/rdtd").read_text()
    assert "/opt/rdtd/share/rdtd/rdtd/__init__.py" in there
    # The bus and polkit look nowhere else.
    assert "/usr/share/dbus-1/system.d/org.rdtd1.conf" in there
    assert "/usr/share/polkit-1/actions/org.rdtd1.policy" in there


def test_the_configuration_is_not_replaced(tmp_path: Path) -> None:
    install(tmp_path)
    mine = tmp_path / "etc/rdtd/rdtd.conf"
    mine.write_text("[Manager]\nForeignGroups=narrow\n")
    install(tmp_path)
    assert mine.read_text() == "[Manager]\nForeignGroups=narrow\n"


def test_the_bus_takes_the_policy(installed: Path) -> None:
    with PrivateBus((installed / "usr/share/dbus-1/system.d/org.rdtd1.conf",)) as bus:
        assert bus.address


def test_every_document_of_the_service_is_installed(installed: Path) -> None:
    there = files(installed)
    for source in (*ROOT.glob("systemd/*"), *ROOT.glob("dbus/org.*"), *ROOT.glob("docs/man/*")):
        assert [path for path in there if path.endswith(f"/{source.name}")], source


def test_versions_agree() -> None:
    changelog = (ROOT / "packaging/debian/changelog").read_text()
    assert changelog.startswith(f"rdtd ({__version__}) ")
    spec = (ROOT / "packaging/rdtd.spec").read_text()
    assert re.search(r"^Version: +(\S+)$", spec, re.MULTILINE)[1] == __version__  # type: ignore[index]


def test_spec(installed: Path) -> None:
    """Its files are those that are installed, and the programs of RPM can read it."""
    need("rpmspec")
    parsed = run("rpmspec", "--define", "_unitdir /usr/lib/systemd/system", "-P", "packaging/rdtd.spec")
    listed = parsed.partition("\n%files\n")[2].partition("\n%changelog")[0].splitlines()
    patterns = [line.split()[-1] for line in listed if line.startswith(("/", "%config"))]
    unmatched = {path for path in files(installed) if not any(map(path.startswith, patterns))}
    # A pattern with a star stands for more than one file.
    stars = [re.compile(re.escape(pattern).replace(r"\*", ".*")) for pattern in patterns if "*" in pattern]
    assert {path for path in unmatched if not any(star.match(path) for star in stars)} == set()
    for pattern in patterns:
        assert list(installed.glob(pattern[1:])), pattern


def test_debian_package(installed: Path, tmp_path: Path) -> None:
    """lintian has nothing to say; its files are those that are installed, and Debian's own."""
    for name in ("dh", "dh_python3", "dpkg-buildpackage", "lintian"):
        need(name)
    run("make", "--silent", "deb", f"BUILD={tmp_path}")
    [package] = tmp_path.glob("*.deb")
    [changes] = tmp_path.glob("*.changes")
    said = run("lintian", "--allow-root", "--fail-on=error,warning", changes)
    assert said == ""
    tree = tmp_path / "tree"
    run("dpkg-deb", "--extract", package, tree)
    ours = {path.replace("/zsh/site-functions/", "/zsh/vendor-completions/") for path in files(installed)}
    theirs = {re.sub(r"^/lib/", "/usr/lib/", path).removesuffix(".gz") for path in files(tree)}
    assert ours - theirs == set()
    added = {path for path in theirs - ours if not path.startswith("/usr/share/doc/rdtd/")}
    assert added == {"/usr/share/python3/runtime.d/rdtd.rtupdate"}
    depends = run("dpkg-deb", "--field", package, "Depends")
    assert {part.split()[0] for part in depends.replace("Depends: ", "").split(", ")} == {
        *("dbus", "procps", "python3-dbus-next", "python3-pyinotify", "python3-systemd", "python3:any"),
    }


def test_the_mount_is_nothing_that_a_package_restarts() -> None:
    """Groups do not survive that."""
    rules = (ROOT / "packaging/debian/rules").read_text()
    assert "\n\tdh_installsystemd rdtd.service\n" in rules
    spec = (ROOT / "packaging/rdtd.spec").read_text()
    assert re.findall(r"^%systemd_\w+ (.*)$", spec, re.MULTILINE) == ["rdtd.service"] * 3


def test_wheel(tmp_path: Path) -> None:
    run("packaging/make-wheel", environment={"BUILD": str(tmp_path), "PYTHON": sys.executable})
    [wheel] = tmp_path.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("rdtd/")}
    expected = {str(path.relative_to(ROOT)) for path in (ROOT / "rdtd").rglob("*.py")}
    interfaces = {f"rdtd/bus/interfaces/{path.name}" for path in ROOT.glob("dbus/*.xml")}
    assert names == expected | interfaces | {"rdtd/py.typed"}
