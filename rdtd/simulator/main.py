"""rdtd-simulator: the command."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from rdtd.simulator.kernel import KERNELS
from rdtd.simulator.machine import Machine
from rdtd.simulator.mounting import SimulatorError, check_mountable, unmount
from rdtd.simulator.options import build_parser, chosen_preset
from rdtd.simulator.procfs import ProcThreads
from rdtd.simulator.state import MountOptions, State

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def main(arguments: Sequence[str] | None = None) -> int:
    """Mounts and serves until a signal. Returns the exit status."""
    options = build_parser().parse_args(arguments)
    supervisor = None if options.supervisor is None else socket.socket(fileno=options.supervisor)
    try:
        serve(options, supervisor)
    except SimulatorError as error:
        if supervisor:
            supervisor.sendall(f"{error}\n".encode(errors="replace"))
        else:
            print(f"rdtd-simulator: {error}", file=sys.stderr)
        return 1
    return 0


def serve(options: argparse.Namespace, supervisor: socket.socket | None) -> None:
    """Mounts; does not come back before the file system is unmounted."""
    directory = os.path.abspath(options.directory)
    state = build_state(options)
    check_mountable(directory)
    try:
        from rdtd.simulator.filesystem import mount
    except ImportError:
        raise SimulatorError("the Python package mfusepy is missing (pip install rdtd[simulator])") from None
    except OSError:
        raise SimulatorError("libfuse is missing (Debian: apt install libfuse3-3)") from None

    # Signals are taken by a thread of their own: libfuse's handlers can miss one that comes just before
    # the loop blocks in read().
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    _in_thread(lambda: _end_on_signal(directory))

    def ready() -> None:
        if supervisor:
            supervisor.sendall(b"ready\n")
            _in_thread(lambda: _end_with_supervisor(supervisor))
        else:
            print(f"resctrl is simulated at {directory}; ^C ends it", flush=True)

    mount(Machine(state, ProcThreads()), directory, ready)


def build_state(options: argparse.Namespace) -> State:
    """The machine that the options describe. Raises SimulatorError if there is no such machine."""
    try:
        preset = chosen_preset(options)
        mount_options = MountOptions(cdp=preset.cdp, cdpl2=preset.cdpl2, debug=options.debug)
        return State(preset.topology(), KERNELS[options.kernel], mount_options)
    except ValueError as error:
        raise SimulatorError(str(error)) from None


def _in_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, daemon=True).start()


def _end_on_signal(directory: str) -> None:
    signal.sigwait(_SIGNALS)
    unmount(directory)
    # The main thread may wait for requests for ever: a client can keep the file system open.
    os._exit(0)


def _end_with_supervisor(supervisor: socket.socket) -> None:
    while supervisor.recv(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
