"""The manual pages: their syntax, and whether they tell of what there is."""

import re
import sys
from pathlib import Path

import pytest

from rdtd.core import configured, options
from rdtd.rdtctl.verbs import VERBS
from rdtd.simulator.options import build_parser
from tests.packaging import listing, parsers
from tests.packaging.programs import ROOT, need, run
from tests.support.caller import PATH, Caller
from tests.support.daemon import Daemon

PAGES = sorted((ROOT / "docs/man").iterdir())


def page(name: str) -> str:
    return (ROOT / "docs/man" / name).read_text()


def items(text: str) -> list[str]:
    """The heads of lists."""
    return re.findall(r"^\.It (.*)$", text, re.MULTILINE)


def flags(text: str) -> set[str]:
    """The long options in heads of lists: `.It Fl -json`, `.It Fl -cdp , Fl -no-cdp`."""
    return {f"-{flag}" for head in items(text) for flag in re.findall(r"Fl (-[a-z0-9-]+)", head)}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_syntax(path: Path) -> None:
    need("mandoc")
    need("groff")
    assert run("mandoc", "-Tlint", "-W", "warning", path) == ""
    assert run("groff", "-ww", "-mdoc", "-Tutf8", "-z", path) == ""


def test_pages_that_are_named_are_there() -> None:
    """Those of others have names that do not begin as ours."""
    there = {path.name for path in PAGES}
    named = {
        f"{name}.{section}"
        for path in PAGES
        for name, section in re.findall(r"^\.Xr (\S+) (\d)", path.read_text(), re.MULTILINE)
        if name.startswith(("rdt", "org.rdtd1"))
    }
    assert named <= there
    for unit in (ROOT / "systemd").glob("*.service"):
        for name, section in re.findall(r"man:([^ (]+)\((\d)\)", unit.read_text()):
            assert f"{name}.{section}" in there


def verb_sections() -> dict[str, str]:
    """The text of rdtctl(1) about each verb."""
    verbs = page("rdtctl.1").partition(".Sh VERBS\n")[2].partition("\n.Sh ")[0]
    found: dict[str, str] = {}
    for part in re.split(r"^\.It Cm ", verbs, flags=re.MULTILINE)[1:]:
        found[part.split(maxsplit=1)[0]] = part
    return found


def test_rdtctl_verbs() -> None:
    assert list(verb_sections()) == list(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_rdtctl_verb_options(verb: str) -> None:
    """`detach` has those of `attach`, and says so."""
    text = verb_sections()["attach" if verb == "detach" else verb]
    written = {f"-{flag}" for flag in re.findall(r"Fl (-[a-z-]+)", text)}
    assert written == set(parsers.of_verbs()[verb])


def test_rdtctl_global_options() -> None:
    text = page("rdtctl.1").partition(".Sh GLOBAL OPTIONS\n")[2].partition("\n.Sh ")[0]
    assert flags(text) == set(parsers.of_rdtctl())


def test_rdtd_options() -> None:
    text = page("rdtd.8").partition(".Sh OPTIONS\n")[2].partition("\n.Sh ")[0]
    shown = run(sys.executable, "-m", "rdtd.daemon", "--help", environment={"COLUMNS": "100"})
    assert flags(text) == set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", shown, re.MULTILINE))


def test_simulator_options() -> None:
    text = page("rdtd-simulator.1").partition(".Sh OPTIONS\n")[2].partition("\n.Sh ")[0]
    known = parsers.long_options(build_parser())
    assert flags(text) == set(known)
    for option in ("--preset", "--kernel"):
        [head] = (head for head in items(text) if option[1:] in head)
        assert set(re.findall(r"(?<=Cm ).*", head)[0].split(" | ")) == set(known[option])


def configuration_items(name: str) -> dict[str, str]:
    """The options that a page about files describes, with their texts."""
    parts = re.split(r"^\.It Cm (\w+)=$", page(name), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_options_of_rdtd_conf() -> None:
    """Each with its default; `(the default)` stands behind a word."""
    described = configuration_items("rdtd.conf.5")
    assert list(described) == list(options.OPTIONS)
    for name, value in options.defaults().items():
        words = " ".join(described[name].split()).replace(" :", "")
        assert re.search(rf"default is (\.Li |\.Cm )?{value}\b|{value} \(the default\)", words), name


def test_options_of_reservations() -> None:
    assert set(configuration_items("rdtd.reservations.5")) == set(configured.OPTIONS)


def test_the_configuration_that_is_installed_says_the_defaults() -> None:
    text = (ROOT / "packaging/etc/rdtd.conf").read_text()
    written = dict(re.findall(r"^#(\w+)=(.*)$", text, re.MULTILINE))
    assert written == options.defaults()
    assert f"\n[{options.SECTION}]\n" in text


@pytest.mark.parametrize("name", ["Manager", "Reservation", "Cache"])
def test_interfaces(name: str, daemon: Daemon) -> None:
    """What org.rdtd1(5) lists is what the daemon answers."""
    with Caller(daemon.address) as caller:
        caller.reserve("a", "size=1ways")
        path = {"Manager": PATH, "Reservation": f"{PATH}/reservation/a", "Cache": f"{PATH}/cache/l3_0"}[name]
        [xml] = caller.client.call("org.rdtd1", path, "org.freedesktop.DBus.Introspectable", "Introspect")
        caller.release("a")
    expected = list(listing.lines(listing.own_interfaces(xml)[f"org.rdtd1.{name}"]))
    written = re.search(rf"^interface org\.rdtd1\.{name}\n(?:  .*\n)*", page("org.rdtd1.5"), re.MULTILINE)
    assert written is not None
    assert written[0].splitlines() == expected


def test_errors_of_the_interface() -> None:
    """Every error of the reference (dbus/org.rdtd1.Manager.xml) is in the page."""
    reference = (ROOT / "dbus/org.rdtd1.Manager.xml").read_text()
    table = reference.partition("Errors of every method here")[2].partition("\n\n")[0]
    names = re.findall(r"^      ([A-Z]\w+) ", table, re.MULTILINE)
    assert len(names) >= 8
    described = page("org.rdtd1.5").partition(".Sh ERRORS OF CALLS\n")[2]
    assert [name for name in names if f".It Li {name}\n" not in described] == []
