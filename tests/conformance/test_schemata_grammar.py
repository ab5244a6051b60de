"""What may be written to schemata, and the text of every refusal. After rdtgroup_schemata_write."""

import errno
import os

import pytest

from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

#: {L} is the name of the line, {d} a cache ID.
REFUSED = {
    "unknown domain": ("{L}:99=f", "ok"),
    "nothing": ("", "Missing ':'"),
    "no colon": ("{L}", "Missing ':'"),
    "no value": ("{L}:", "Missing '{L}' value"),
    "unknown name": ("L9:{d}=f", "Unknown or unsupported resource name 'L9'"),
    "small letters": ("l3:{d}=f", "Unknown or unsupported resource name 'l3'"),
    "empty name": (":{d}=f", "Unknown or unsupported resource name ''"),
    "space in the name": ("L 3:{d}=f", "Unknown or unsupported resource name 'L 3'"),
    "no equals sign": ("{L}:{d}", "Missing '=' or non-numeric domain"),
    "no domain": ("{L}:=f", "Missing '=' or non-numeric domain"),
    "domain in letters": ("{L}:x=f", "Missing '=' or non-numeric domain"),
    "negative domain": ("{L}:-1=f", "Missing '=' or non-numeric domain"),
    "space before the domain": ("{L}: {d}=f", "Missing '=' or non-numeric domain"),
    "space after the domain": ("{L}:{d} =f", "Missing '=' or non-numeric domain"),
    "hexadecimal domain": ("{L}:0x0=f", "Missing '=' or non-numeric domain"),
    "nothing between semicolons": ("{L}:{d}=f;;", "Missing '=' or non-numeric domain"),
    "comma": ("{L}:{d}=f,{d}=f", "Non-hex character in the mask f,{d}=f"),
    "huge domain": ("{L}:99999999999999999999=f", "Missing '=' or non-numeric domain"),
    "domain twice": ("{L}:{d}=f;{d}=f", "Duplicate domain {d}"),
    "line twice": ("{L}:{d}=f\n{L}:{d}=7", "Duplicate domain {d}"),
    "empty mask": ("{L}:{d}=", "Non-hex character in the mask "),
    "letters in the mask": ("{L}:{d}=zz", "Non-hex character in the mask zz"),
    "negative mask": ("{L}:{d}=-1", "Non-hex character in the mask -1"),
    "space in the mask": ("{L}:{d}=f f", "Non-hex character in the mask f f"),
    "prefix alone": ("{L}:{d}=0x", "Non-hex character in the mask 0x"),
    "over 64 bits": ("{L}:{d}=10000000000000000", "Non-hex character in the mask 10000000000000000"),
    "two equals signs": ("{L}:{d}=f=f", "Non-hex character in the mask f=f"),
    "mask beyond the cache": ("{L}:{d}={beyond:x}", "Mask out of range"),
    "good line, empty line": ("{L}:{d}=f\n", "Missing ':'"),
    "empty line, good line": ("\n{L}:{d}=f", "Missing ':'"),
    "carriage return": ("{L}:{d}=f\r\nx", "Missing ':'"),
}

#: What 0x3 may look like.
ACCEPTED = {
    "plain": "{L}:{d}=3",
    "semicolon at the end": "{L}:{d}=3;",
    "zeros": "{L}:{d}=0000000003",
    "prefix": "{L}:{d}=0x3",
    "plus": "{L}:{d}=+3",
    "prefix in capitals": "{L}:{d}=0X3",
    "spaces around the mask": "{L}:{d}= \t3 \t",
    "spaces around the name": " \t{L} \t:{d}=3",
    "zero before the domain": "{L}:0{d}=3",
    "plus before the domain": "{L}:+{d}=3",
    "carriage return": "{L}:{d}=3\r",
    "NUL": "{L}:{d}=3\0 and whatever",
}


def fill(resctrl: Resctrl, text: str) -> str:
    cache = resctrl.host.cache
    return text.format(L=cache.name, d=cache.domains[0], beyond=cache.full + 1)


def test_refused(resctrl: Resctrl) -> None:
    before = resctrl.read("schemata")
    found = {case: resctrl.outcome(fill(resctrl, text), "schemata") for case, (text, _) in REFUSED.items()}
    assert found == {case: f"EINVAL: {fill(resctrl, status)}" for case, (_, status) in REFUSED.items()}
    assert resctrl.read("schemata") == before


def test_accepted(resctrl: Resctrl) -> None:
    found = {}
    for case, text in ACCEPTED.items():
        resctrl.set_mask(0xF0)
        resctrl.fail_before()
        found[case] = (resctrl.outcome(fill(resctrl, text), "schemata"), resctrl.mask())
    assert found == dict.fromkeys(ACCEPTED, ("fine: ok", 0x3))


def test_without_a_newline_it_is_no_command_and_the_status_stays(resctrl: Resctrl) -> None:
    before = resctrl.read("schemata")
    stale = resctrl.fail_before()
    for text in ("{L}:{d}=f", "{L}:{d}=f\n{L}:{d}", "nonsense"):
        with resctrl.refused(errno.EINVAL, stale):
            resctrl.write(fill(resctrl, text), "schemata")
    assert resctrl.read("schemata") == before


@needs("domains")
def test_several_domains_in_one_line(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    first, second = cache.domains[:2]
    resctrl.echo(f"{cache.name}:{second}=c;{first}=3", "schemata")
    assert {domain: resctrl.masks()[domain] for domain in (first, second)} == {first: 0x3, second: 0xC}


@needs("domains")
def test_several_lines_of_one_resource(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    first, second = cache.domains[:2]
    resctrl.echo(f"{cache.name}:{second}=c\n{cache.name}:{first}=3", "schemata")
    assert {domain: resctrl.masks()[domain] for domain in (first, second)} == {first: 0x3, second: 0xC}


@needs("domains")
def test_domains_that_are_not_named_stay(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    resctrl.echo(f"{cache.name}:{cache.domains[0]}=3", "schemata")
    assert set(list(resctrl.masks().values())[1:]) == {cache.full}


@needs("domains")
@pytest.mark.parametrize("order", [1, -1])
def test_one_bad_domain_and_nothing_changes(resctrl: Resctrl, order: int) -> None:
    cache = resctrl.host.cache
    cells = [f"{cache.domains[0]}=3", f"{cache.domains[1]}=zz"][::order]
    before = resctrl.read("schemata")
    with resctrl.refused(errno.EINVAL, "Non-hex character in the mask zz"):
        resctrl.echo(f"{cache.name}:{';'.join(cells)}", "schemata")
    assert resctrl.read("schemata") == before


@needs("bandwidth")
@pytest.mark.parametrize("order", [1, -1])
def test_one_bad_line_and_nothing_changes(resctrl: Resctrl, order: int) -> None:
    cache = resctrl.host.cache
    lines = [f"{cache.name}:{cache.domains[0]}=3", f"MB:{cache.domains[0]}=x"][::order]
    before = resctrl.read("schemata")
    with resctrl.refused(errno.EINVAL):
        resctrl.echo("\n".join(lines), "schemata")
    assert resctrl.read("schemata") == before


@needs("bandwidth")
def test_lines_of_different_resources(resctrl: Resctrl) -> None:
    domain = resctrl.host.domains[0]
    resctrl.echo(f"MB:{domain}=30\n{resctrl.host.cache.name}:{domain}=3", "schemata")
    assert resctrl.mask() == 0x3
    assert int(resctrl.schemata()["MB"][domain]) == 30


def test_only_the_first_refusal_is_told(resctrl: Resctrl) -> None:
    with resctrl.refused(errno.EINVAL, "Missing ':'"):
        resctrl.echo("a\nb\nL9:0=f", "schemata")


def test_every_write_is_a_command_of_its_own(resctrl: Resctrl) -> None:
    """The file position says nothing."""
    cache = resctrl.host.cache
    fd = os.open(resctrl.path("schemata"), os.O_WRONLY)
    try:
        os.write(fd, f"{cache.name}:{cache.domains[0]}=3\n".encode())
        assert resctrl.mask() == 0x3
        os.write(fd, f"{cache.name}:{cache.domains[0]}=c\n".encode())
        assert resctrl.mask() == 0xC
        with resctrl.refused(errno.EINVAL, "Missing ':'"):
            os.write(fd, b"x\n")
    finally:
        os.close(fd)


def test_a_write_is_a_page_at_most(resctrl: Resctrl) -> None:
    cache = resctrl.host.cache
    command = f"{cache.name}:{cache.domains[0]}="
    stale = resctrl.fail_before()
    with resctrl.refused(errno.E2BIG, stale):
        resctrl.write(command + "3".rjust(4096 - len(command), "0") + "\n", "schemata")
    resctrl.write(command + "3".rjust(4095 - len(command), "0") + "\n", "schemata")
    assert resctrl.mask() == 0x3


def test_the_status_is_that_of_the_last_command_in_any_group(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    with resctrl.refused(errno.EINVAL, "Missing ':'"):
        resctrl.echo("x", "a/schemata")
    resctrl.set_mask(0x3)
    assert resctrl.status == "ok"


def test_a_group_has_its_own_schemata(resctrl: Resctrl) -> None:
    resctrl.mkdir("a")
    resctrl.set_mask(0x3, "a")
    assert set(resctrl.masks("a").values()) == {0x3}
    assert set(resctrl.masks().values()) == {resctrl.host.cache.full}


@needs("cdp")
def test_with_cdp_there_is_no_line_of_the_whole_cache(resctrl: Resctrl) -> None:
    whole = f"L{resctrl.host.cache.level}"
    with resctrl.refused(errno.EINVAL, f"Unknown or unsupported resource name '{whole}'"):
        resctrl.echo(f"{whole}:{resctrl.host.domains[0]}=f", "schemata")


@needs("no-cdp")
@pytest.mark.parametrize("half", ["CODE", "DATA"])
def test_without_cdp_there_are_no_halves(resctrl: Resctrl, half: str) -> None:
    name = f"{resctrl.host.cache.name}{half}"
    with resctrl.refused(errno.EINVAL, f"Unknown or unsupported resource name '{name}'"):
        resctrl.echo(f"{name}:{resctrl.host.domains[0]}=f", "schemata")


@needs("cdp")
def test_code_and_data_are_set_apart(resctrl: Resctrl) -> None:
    level, domain = resctrl.host.cache.level, resctrl.host.domains[0]
    resctrl.echo(f"L{level}CODE:{domain}=3\nL{level}DATA:{domain}=c", "schemata")
    assert resctrl.mask(line=f"L{level}CODE") == 0x3
    assert resctrl.mask(line=f"L{level}DATA") == 0xC
