"""A command as a child process that waits before it starts, and is then waited for.

The child is forked first and executes the command later, so that its parent can put it into a resource
group in between: every thread and child of the command is then born there.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import NoReturn

from rdtd.rdtctl.exits import CANNOT_EXECUTE, NO_SUCH_COMMAND, RUN_FAILED

_FORWARDED = {
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
}
_GO = b"1"


class Child:
    """See the module. Either `run` or `abandon` ends it."""

    def __init__(self, command: tuple[str, ...]) -> None:
        """Fork. Raises OSError if there cannot be another process."""
        # Whoever started us may have SIGCHLD ignored: the kernel would then keep no status for us.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        waiting, gate = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(waiting)
            os.close(gate)
            raise
        if pid == 0:
            os.close(gate)  # or it would wait for itself when we are gone
            _wait_and_execute(waiting, command)
        os.close(waiting)
        self.pid, self._gate = pid, gate

    def abandon(self) -> None:
        """End the child without having executed the command."""
        os.close(self._gate)
        os.waitpid(self.pid, 0)

    def run(self) -> int:
        """Execute the command and wait for its end; its exit status, 128+N if signal N killed it.

        Signals that are sent to us meanwhile are sent on to the command.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
        try:
            with suppress(BrokenPipeError):  # killed while it waited: its status tells
                os.write(self._gate, _GO)
            os.close(self._gate)
            status = os.waitstatus_to_exitcode(self._wait())
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return 128 - status if status < 0 else status

    def _wait(self) -> int:
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return status
            received = signal.sigwaitinfo(_FORWARDED | {signal.SIGCHLD})
            # What the terminal sends (SI_KERNEL, above 0) went to the whole foreground group, the command
            # included: it must not get it twice. SI_USER and its kin are 0 and below.
            if received.si_signo != signal.SIGCHLD and received.si_code <= 0:
                os.kill(self.pid, received.si_signo)


def _wait_and_execute(waiting: int, command: tuple[str, ...]) -> NoReturn:
    """The child: never returns into the parent's code."""
    try:
        restore_signals()
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if os.read(waiting, 1) == _GO:
            status, text = execute(command)
            os.write(2, f"rdtctl: {text}\n".encode(errors="backslashreplace"))
            os._exit(status)
    finally:
        os._exit(RUN_FAILED)


def restore_signals() -> None:
    """Undo what Python does at its start: it ignores these, and what is ignored stays so in the command."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def execute(command: tuple[str, ...]) -> tuple[int, str]:
    """Become the command. Returns only if that fails: the exit status as env(1) has it, and the reason."""
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command is the caller's own
    except FileNotFoundError as error:
        return NO_SUCH_COMMAND, f"{command[0]}: {error.strerror}"
    except (OSError, ValueError) as error:
        return CANNOT_EXECUTE, f"{command[0]}: {getattr(error, 'strerror', error)}"
