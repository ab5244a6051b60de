"""The configuration file. (What rdtd does about a bad one: tests/daemon/test_process.py.)"""

from pathlib import Path

import pytest

from rdtd import config
from rdtd.config import Config, ConfigError, load
from rdtd.core.sizes import Amount, Unit
from rdtd.core.space import ForeignGroups, Policy


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "rdtd.conf"
    path.write_text(text)
    return str(path)


def test_the_options(tmp_path: Path) -> None:
    text = "# a comment\n[Manager]\nForeignGroups = narrow\nDefaultGroupMinimum=10%\n"
    expected = Policy(ForeignGroups.NARROW, Amount(10, Unit.PERCENT))
    assert load(written(tmp_path, text)) == Config(expected)


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", str(tmp_path / "none.conf"))
    assert load(None) == load(written(tmp_path, "")) == Config(Policy(ForeignGroups.RESPECT))
    with pytest.raises(ConfigError, match=r"none\.conf: there is no such file"):
        load(str(tmp_path / "none.conf"))


def test_options_are_written_as_they_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, "[Manager]\nforeigngroups=narrow\n")
    found = load(path)
    assert found.policy == Policy()
    assert found.warnings == (f"{path}: unknown option foreigngroups in section [Manager] is ignored",)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Is a directory"):
        load(str(tmp_path))
