"""The units: what they are exposed to, and that they fit together. How they run is tested in guests."""

import re
from configparser import RawConfigParser

import pytest

from rdtd.bus.service import BUS_NAME
from tests.packaging.programs import ROOT, need, run

UNITS = ROOT / "systemd"
EXPOSURE = 15
"""The most that `systemd-analyze security` may find, in tenths: systemd's own services have 1.2 to 1.5."""


def section(name: str, title: str) -> dict[str, str]:
    """A section of a file; of options that stand there more than once the last one."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names of options have capitals
    parser.read(ROOT / name)
    return dict(parser[title])


@pytest.mark.parametrize("unit", ["rdtd.service", "rdtd-reservation@.service"])
def test_exposure(unit: str) -> None:
    need("systemd-analyze")
    run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", UNITS / unit)


def test_the_state_outlives_the_service() -> None:
    service = section("systemd/rdtd.service", "Service")
    assert service["RuntimeDirectory"] == "rdtd"
    assert service["RuntimeDirectoryPreserve"] == "yes"


def test_resctrl_may_be_missing() -> None:
    """Neither a host without it nor one that unmounts it has a unit that fails or stops."""
    unit = section("systemd/rdtd.service", "Unit")
    assert not {"Requires", "BindsTo", "RequiresMountsFor"} & unit.keys()
    assert unit["Wants"] == "sys-fs-resctrl.mount"
    assert section("systemd/sys-fs-resctrl.mount", "Unit")["ConditionPathExists"] == "/sys/fs/resctrl"


def test_a_reservation_outlives_the_service() -> None:
    """A unit that requires another is stopped and restarted with it."""
    unit = section("systemd/rdtd-reservation@.service", "Unit")
    assert not {"Requires", "BindsTo", "PartOf"} & unit.keys()


def test_activation() -> None:
    activation = section(f"dbus/{BUS_NAME}.service", "D-BUS Service")
    assert activation["Name"] == BUS_NAME == section("systemd/rdtd.service", "Service")["BusName"]
    assert (UNITS / activation["SystemdService"]).exists()


def test_the_preset_names_units() -> None:
    enabled = re.findall(r"^enable (\S+)$", (UNITS / "80-rdtd.preset").read_text(), re.MULTILINE)
    assert enabled
    assert all((UNITS / unit).exists() for unit in enabled)
