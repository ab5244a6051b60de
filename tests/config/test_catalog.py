"""The journal's explanations: one for each message, with the fields that the message has."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from rdtd.messages import Message

ROOT = Path(__file__).parents[2]
CATALOG = ROOT / "systemd/rdtd.catalog"


def entries() -> dict[str, str]:
    """Each entry's text by its ID."""
    parts = re.split(r"^-- ([0-9a-f]{32})$", CATALOG.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_message_is_explained() -> None:
    assert entries().keys() == {message.value for message in Message}


def test_every_message_is_one_that_rdtd_sends() -> None:
    code = "".join(path.read_text() for path in (ROOT / "rdtd").rglob("*.py"))
    assert [message.name for message in Message if f"Message.{message.name}" not in code] == []


def test_fields_in_texts_are_fields_that_rdtd_sends() -> None:
    code = "".join(path.read_text() for path in (ROOT / "rdtd").rglob("*.py"))
    for field in re.findall(r"@RDTD_([A-Z]+)@", CATALOG.read_text()):
        assert re.search(rf"\b{field.lower()}=|\"{field.lower()}\":", code), field


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="there is no journalctl")
def test_journalctl_takes_it(tmp_path: Path) -> None:
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    shutil.copy(CATALOG, directory)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    said = subprocess.run(
        ["journalctl", f"--root={tmp_path}", "--update-catalog"], capture_output=True, text=True, check=True
    )
    assert said.stderr == ""
    [database] = (tmp_path / "var/lib/systemd/catalog").iterdir()
    for message in Message:
        assert bytes.fromhex(message.value) in database.read_bytes()
