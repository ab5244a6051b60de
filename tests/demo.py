"""`make demo`: two real-time guests reserve cache for a vCPU each, on a simulated host.

The scenario that rdtd was thought up for: guests VM-A and VM-B have two vCPUs. vCPU 1 does housekeeping and
stays in the default group; vCPU 2 runs a real-time task and gets ways of its own on cache 0. Everything runs
for real but the cache: the bus, the daemon, the threads, and a file system that behaves as resctrl does.
"""

import os
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.support.daemon import Daemon

# A guest: two threads that wait, whose IDs it prints.
_GUEST = """
import sys, threading
ready = threading.Barrier(3)
ids = {}
def vcpu(number):
    ids[number] = threading.get_native_id()
    ready.wait()
    sys.stdin.read()
for number in (1, 2):
    threading.Thread(target=vcpu, args=(number,), daemon=True).start()
ready.wait()
print(ids[1], ids[2], flush=True)
sys.stdin.read()
"""

_SEED = "type=both,size=10mb,cacheid=0;type=both,size=4mb,cacheid=1"


class Guest:
    """A process with two vCPU threads."""

    def __init__(self, stack: ExitStack) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _GUEST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        stack.callback(self._end)
        assert self._process.stdout is not None
        self.vcpu = {
            number: int(text) for number, text in enumerate(self._process.stdout.readline().split(), 1)
        }

    def _end(self) -> None:
        self._process.communicate()  # its standard input ends, and so does it


class Demo:
    """Shows commands with what they print, and checks that they end as they should."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._bin = Path(sys.executable).parent

    def say(self, text: str) -> None:
        print(f"\n\033[1m# {text}\033[0m" if sys.stdout.isatty() else f"\n# {text}")

    def run(self, command: str, *, status: int = 0) -> None:
        """One command, as a person would type it."""
        print(f"$ {command}", flush=True)
        words = shlex.split(command)
        if words[0] == "rdtctl":
            words[0] = str(self._bin / "rdtctl")
        if words[0] == "busctl":
            words.insert(1, f"--address={self._daemon.address}")
        environment = os.environ | {"RDTD_BUS": self._daemon.address}
        ended = subprocess.run(words, env=environment, stderr=subprocess.STDOUT, check=False)
        if ended.returncode != status:
            raise SystemExit(f"demo: {command!r} ended with {ended.returncode}, not with {status}")

    def check(self, thread: int, group: str, what: str) -> None:
        """Whether a thread is in a group, read from the mounted file system itself."""
        tasks = Path(self._daemon.root, group, "tasks").read_text().split()
        if str(thread) not in tasks:
            raise SystemExit(f"demo: {what} is not in {group or 'the default group'}")
        print(f"{what} (thread {thread}) is in {f'group {group}' if group else 'the default group'}")


def main() -> int:
    """The whole scenario; 0 when every step did what it should."""
    with ExitStack() as stack:
        demo = Demo(stack.enter_context(Daemon()))
        guests = {name: Guest(stack) for name in ("VM-A", "VM-B")}

        demo.say(
            "A host with two sockets, 11 ways of L3 each. What is free, and how much of it in one piece?"
        )
        demo.run("rdtctl free")
        demo.say("The same over D-Bus, as OpenStack asks before it starts a guest")
        demo.run("busctl call org.rdtd1 /org/rdtd1 org.rdtd1.Manager ListFree")

        demo.say("VM-A's real-time vCPU gets ways of its own; its thread is inside when the call returns")
        demo.run(f"rdtctl reserve VM-A.vcpu-2 '{_SEED}' --task {guests['VM-A'].vcpu[2]}")
        demo.say("VM-B's, as a hypervisor's agent calls it")
        demo.run(
            "busctl call org.rdtd1 /org/rdtd1 org.rdtd1.Manager ReserveSpec 'ssa{sv}' VM-B.vcpu-2 "
            f"'{_SEED}' 1 tasks au 1 {guests['VM-B'].vcpu[2]}"
        )
        demo.say("Who is where")
        for name, guest in guests.items():
            demo.check(guest.vcpu[1], "", f"{name} vCPU 1")
            demo.check(guest.vcpu[2], f"rdtd.{name}.vcpu-2", f"{name} vCPU 2")
        demo.run("rdtctl map")
        demo.run("rdtctl free")

        demo.say(
            "A third guest asks for more than there is in one piece: nothing changes, and it is told why"
        )
        demo.run("rdtctl reserve VM-C.vcpu-2 'type=both,size=10mb,cacheid=0'", status=5)

        demo.say("VM-A ends: its ways go back to the default group")
        demo.run("rdtctl release VM-A.vcpu-2")
        demo.check(guests["VM-A"].vcpu[2], "", "VM-A vCPU 2")
        demo.run("rdtctl map")
        demo.run("rdtctl release VM-B.vcpu-2")
        demo.run("busctl call org.rdtd1 /org/rdtd1 org.rdtd1.Manager ListFree")
    print("\ndemo: done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
