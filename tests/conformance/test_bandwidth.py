"""MB and SMBA: ranges and rounding. After bw_validate."""

import errno
from collections.abc import Iterator

from tests.conformance.hosts import Bandwidth
from tests.conformance.needs import needs
from tests.conformance.resctrl import Resctrl

pytestmark = needs("bandwidth")

#: The kernel from which on SMBA is known.
SMBA = (6, 2)
NO_NUMBER = ("x", "0x32", "-10", "10.5", "", "50%", "4294967296")


def lines(resctrl: Resctrl) -> Iterator[tuple[Bandwidth, int]]:
    for line in resctrl.host.bandwidths:
        yield line, line.domains[0]


def value(resctrl: Resctrl, line: Bandwidth, group: str = "") -> int:
    return int(resctrl.schemata(group)[line.name][line.domains[0]])


def test_which_lines_there_are(resctrl: Resctrl) -> None:
    has_smba = resctrl.host.vendor == "amd" and resctrl.host.kernel >= SMBA
    assert {line.name for line in resctrl.host.bandwidths} == ({"MB", "SMBA"} if has_smba else {"MB"})


def test_values_in_range_are_rounded_up(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        for wanted in (line.minimum, line.minimum + 1, 55, 91, line.maximum - 1, line.maximum):
            resctrl.echo(f"{line.name}:{domain}={wanted}", "schemata")
            assert value(resctrl, line) == line.rounded(wanted)


@needs("intel")
def test_55_percent_are_60(resctrl: Resctrl) -> None:
    resctrl.echo(f"MB:{resctrl.host.domains[0]}=55", "schemata")
    assert int(resctrl.schemata()["MB"][resctrl.host.domains[0]]) == 60


def test_values_out_of_range_are_refused(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        for wanted in {line.minimum - 1, line.maximum + 1, 4294967295} - {-1}:
            with resctrl.refused(
                errno.EINVAL, f"MB value {wanted} out of range [{line.minimum},{line.maximum}]"
            ):
                resctrl.echo(f"{line.name}:{domain}={wanted}", "schemata")
        assert value(resctrl, line) == line.maximum


def test_what_is_no_number_is_refused(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        found = {text: resctrl.outcome(f"{line.name}:{domain}={text}", "schemata") for text in NO_NUMBER}
        assert found == {text: f"EINVAL: Invalid MB value {text}" for text in NO_NUMBER}


def test_decimal_in_its_other_forms(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        for text in ("20 ", "\t30", "+40", "050"):
            resctrl.echo(f"{line.name}:{domain}={text}", "schemata")
            assert value(resctrl, line) == int(text)


def test_a_new_group_has_all_the_bandwidth(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        resctrl.echo(f"{line.name}:{domain}=30", "schemata")
    resctrl.mkdir("a")
    for line, domain in lines(resctrl):
        assert value(resctrl, line, "a") == line.maximum
        resctrl.echo(f"{line.name}:{domain}=50", "a/schemata")
        assert (value(resctrl, line), value(resctrl, line, "a")) == (30, 50)


def test_a_group_that_comes_after_has_all_of_it_again(resctrl: Resctrl) -> None:
    """The CLOSID is the same one, its limits are not."""
    resctrl.mkdir("a")
    for line, domain in lines(resctrl):
        resctrl.echo(f"{line.name}:{domain}=30", "a/schemata")
    resctrl.rmdir("a")
    resctrl.mkdir("b")
    for line, _ in lines(resctrl):
        assert value(resctrl, line, "b") == line.maximum


def test_domain_twice(resctrl: Resctrl) -> None:
    for line, domain in lines(resctrl):
        with resctrl.refused(errno.EINVAL, f"Duplicate domain {domain}"):
            resctrl.echo(f"{line.name}:{domain}=20;{domain}=30", "schemata")


@needs("intel")
def test_info_of_intel(resctrl: Resctrl) -> None:
    files = {name: resctrl.read("info/MB", name).strip() for name in resctrl.names("info/MB")}
    assert files == {
        "num_closids": "8",
        "min_bandwidth": "10",
        "bandwidth_gran": "10",
        "delay_linear": "1",
        "thread_throttle_mode": "max",
    }


@needs("amd")
def test_info_of_amd(resctrl: Resctrl) -> None:
    for line, _ in lines(resctrl):
        files = {
            name: resctrl.read("info", line.name, name).strip() for name in resctrl.names("info", line.name)
        }
        assert files == {
            "num_closids": str(line.closids),
            "min_bandwidth": "0",
            "bandwidth_gran": "1",
            "delay_linear": "0",
        }
        assert line.maximum == 2048
