"""Completion of rdtctl in bash, zsh and fish: what the parsers know, and the names that the daemon knows."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rdtd.rdtctl.verbs import VERBS
from tests.packaging import parsers
from tests.packaging.programs import ROOT, need, run
from tests.support.caller import Caller
from tests.support.daemon import Daemon

COMPLETION = ROOT / "packaging/completion"
NAMED = ("release", "resize", "attach", "detach", "show")
"""The verbs whose arguments are names of reservations."""
FILES = ("verify",)
"""Those that take files. Every program here is started in the checkout."""

_BASH = """
source {file}
COMP_WORDS=({words}) COMP_CWORD={last}
_rdtctl
((${{#COMPREPLY[@]}})) && printf '%s\\n' "${{COMPREPLY[@]}}"
exit 0
"""


def bash(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """What bash offers for the last of these words."""
    script = _BASH.format(
        file=shlex.quote(str(COMPLETION / "rdtctl")), words=shlex.join(words), last=len(words) - 1
    )
    return run("bash", "-c", script, environment=environment).split()


def fish(*words: str, environment: dict[str, str] | None = None) -> list[str]:
    """What fish offers, without its descriptions."""
    line = shlex.quote(" ".join(words))
    code = f"source {shlex.quote(str(COMPLETION / 'rdtctl.fish'))}; complete --do-complete {line}"
    printed = run("fish", "--no-config", "-c", code, environment={"TERM": "dumb", **(environment or {})})
    return [offered.partition("\t")[0] for offered in printed.splitlines()]


# The last key is bound to a function that tells when all before it was done. The text of a marker is typed
# in two pieces, so that its echo is no marker.
_ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=({directory} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=1000'
zpty -w shell 'marker() {{ zle -I; print DO""NE }}; zle -N marker; bindkey "^I" list-choices "^G" marker'
zpty -w shell 'print REA""DY'
zpty -r shell output '*READY*'
zpty -n -w shell {line}$'\t\a'
while zpty -r shell part; do print -rn -- $part; [[ $part == *DONE* ]] && break; done
zpty -d shell
"""


def zsh(*words: str, environment: dict[str, str] | None = None) -> set[str]:
    """The words that an interactive zsh shows for a tabulator."""
    line = shlex.quote(" ".join(words))
    script = _ZSH.format(directory=COMPLETION, line=line)
    printed = run("zsh", "-f", "-c", script, environment={"TERM": "dumb", **(environment or {})})
    return set(re.findall(r"[\w.=-]+", printed))


@pytest.fixture(scope="module")
def with_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which rdtctl is a command, for a daemon that has two reservations."""
    directory = tmp_path_factory.mktemp("bin")
    command = directory / "rdtctl"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m rdtd.rdtctl "$@"\n')
    command.chmod(0o755)
    with Daemon() as daemon, Caller(daemon.address) as caller:
        caller.reserve("VM-A.vcpu-2", "size=1ways")
        caller.reserve("web", "size=1ways")
        yield {
            "PATH": f"{directory}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RDTD_BUS": daemon.address,
        }


def test_bash_verbs() -> None:
    assert bash("rdtctl", "") == list(VERBS)
    assert bash("rdtctl", "--json", "--bus", "=", "session", "re") == [
        verb for verb in VERBS if verb.startswith("re")
    ]
    assert set(bash("rdtctl", "--")) == set(parsers.of_rdtctl())


@pytest.mark.parametrize("verb", VERBS)
def test_bash_options(verb: str) -> None:
    known = parsers.of_verbs()[verb]
    everywhere = set(parsers.of_rdtctl()) - {"--version"}
    assert set(bash("rdtctl", verb, "--")) == everywhere | set(known)
    for option, choices in {**known, **parsers.of_rdtctl()}.items():
        if choices:
            assert bash("rdtctl", verb, option, "") == list(choices)
            assert bash("rdtctl", verb, option, "=") == list(choices)
            assert bash("rdtctl", verb, option, "=", choices[0][:2]) == [choices[0]]


@pytest.mark.parametrize("verb", VERBS)
def test_bash_names(verb: str, with_daemon: dict[str, str]) -> None:
    offered = bash("rdtctl", verb, "", environment=with_daemon)
    if verb in FILES:
        assert "README.md" in offered
    else:
        assert offered == (["VM-A.vcpu-2", "web"] if verb in NAMED else [])


def test_bash_names_of_run(with_daemon: dict[str, str]) -> None:
    assert bash("rdtctl", "run", "--name", "w", environment=with_daemon) == ["web"]
    assert bash("rdtctl", "run", "--name", "=", "w", environment=with_daemon) == ["web"]


def test_bash_without_a_daemon() -> None:
    """Nothing is offered, and nothing is said."""
    assert bash("rdtctl", "release", "", environment={"RDTD_BUS": "unix:path=/nonexistent"}) == []


def test_bash_leaves_a_command_alone() -> None:
    assert bash("rdtctl", "run", "size=1ways", "--", "ls", "--") == []


def test_fish(with_daemon: dict[str, str]) -> None:
    need("fish")
    assert sorted(fish("rdtctl", "", environment=with_daemon)) == sorted(VERBS)
    everywhere = set(parsers.of_rdtctl()) - {"--version"}
    for verb, known in parsers.of_verbs().items():
        assert set(fish("rdtctl", verb, "--", environment=with_daemon)) == everywhere | set(known), verb
        offered = fish("rdtctl", verb, "", environment=with_daemon)
        if verb in FILES:
            assert "README.md" in offered
        else:
            assert offered == (["VM-A.vcpu-2", "web"] if verb in NAMED else [])
        for option, choices in {**known, **parsers.of_rdtctl()}.items():
            if choices:
                assert sorted(fish("rdtctl", verb, option, "", environment=with_daemon)) == sorted(choices)


def test_zsh(with_daemon: dict[str, str]) -> None:
    need("zsh")
    assert set(VERBS) <= zsh("rdtctl", "", environment=with_daemon)
    for verb, known in parsers.of_verbs().items():
        offered = zsh("rdtctl", verb, "--", environment=with_daemon)
        assert set(known) <= {option.rstrip("=") for option in offered}, verb
    assert {"VM-A.vcpu-2", "web"} <= zsh("rdtctl", "release", "", environment=with_daemon)
    assert "web" in zsh("rdtctl", "run", "--name=", environment=with_daemon)


def test_syntax() -> None:
    """Also where neither completes anything here."""
    subprocess.run(["bash", "-n", COMPLETION / "rdtctl"], check=True)
    need("zsh")
    subprocess.run(["zsh", "-n", COMPLETION / "_rdtctl"], check=True)
