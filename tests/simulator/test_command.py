"""rdtd-simulator from the command line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rdtd.simulator.options import build_parser
from rdtd.simulator.presets import PRESETS
from tests.simulator.test_process import mounted

COMMAND = [sys.executable, "-m", "rdtd.simulator.main"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_runs_until_a_signal(tmp_path: Path, how: signal.Signals) -> None:
    with subprocess.Popen([*COMMAND, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"resctrl is simulated at {tmp_path}; ^C ends it\n"
        assert (tmp_path / "schemata").exists()
        process.send_signal(how)
        assert process.wait(20) == 0
    assert not mounted(tmp_path)


def test_somebody_else_may_unmount_it(tmp_path: Path) -> None:
    with subprocess.Popen([*COMMAND, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        subprocess.run(["umount", str(tmp_path)], check=True)
        assert process.wait(20) == 0


def test_an_error_is_one_line(tmp_path: Path) -> None:
    result = subprocess.run(
        [*COMMAND, str(tmp_path / "missing")], capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    assert result.stderr == f"rdtd-simulator: {tmp_path}/missing: No such file or directory\n"


def test_help_names_every_preset() -> None:
    text = build_parser().format_help()
    for name, preset in PRESETS.items():
        assert f"{name:10}{preset.summary}" in text
    assert "SUPPRESS" not in text
    assert "--supervisor" not in text
