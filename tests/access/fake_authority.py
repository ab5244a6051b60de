"""A polkit in the test's hands: it answers what the test says, when the test says."""

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from rdtd.bus.connection import Connection
from rdtd.bus.dispatch import Call
from rdtd.bus.interface import Interface, parse
from rdtd.bus.library import Variant
from rdtd.bus.objects import ObjectTree
from rdtd.bus.wire import Encoded, encode, plain

NAME = "org.freedesktop.PolicyKit1"
PATH = "/org/freedesktop/PolicyKit1/Authority"
_XML = """<node><interface name="org.freedesktop.PolicyKit1.Authority">
  <method name="CheckAuthorization">
    <arg name="subject" type="(sa{sv})" direction="in"/><arg name="action_id" type="s" direction="in"/>
    <arg name="details" type="a{ss}" direction="in"/><arg name="flags" type="u" direction="in"/>
    <arg name="cancellation_id" type="s" direction="in"/><arg name="result" type="RESULT" direction="out"/>
  </method>
  <method name="CancelCheckAuthorization"><arg name="cancellation_id" type="s" direction="in"/></method>
</interface></node>"""


def interface(result: str = "(bba{ss})") -> Interface:
    """The authority's interface; with another type of result it is one that talks nonsense."""
    [found] = parse(_XML.replace("RESULT", result))
    return found


class Question(NamedTuple):
    """A call of CheckAuthorization. `subject`: the unique bus name."""

    subject: str
    action: str
    details: dict[str, str]
    interactive: bool


YES, NO, CHALLENGE = ([one, two, {}] for one, two in ((True, False), (False, False), (False, True)))


class Authority:
    """The object. `decide` gives an answer for a question, or raises; without one it is not answered yet."""

    def __init__(self, decide: Callable[[Question], Any]) -> None:
        self.decide = decide
        self.asked: list[Question] = []
        self.cancelled: list[str] = []
        self.arrived: asyncio.Queue[Question] = asyncio.Queue()
        self.gone: asyncio.Queue[str] = asyncio.Queue()
        self.go = asyncio.Event()

    async def check_authorization(
        self,
        call: Call,
        subject: list[Any],
        action: str,
        details: dict[str, str],
        flags: int,
        cancellation: str,
    ) -> Any:
        kind, about = plain(subject)
        assert (kind, list(about)) == ("system-bus-name", ["name"])
        assert bool(cancellation) == bool(flags)
        question = Question(about["name"], action, details, bool(flags))
        self.asked.append(question)
        self.arrived.put_nowait(question)
        answer = self.decide(question)
        if answer is None:
            await self.go.wait()
            answer = YES
        return answer if isinstance(answer, Encoded) else (answer,)

    def cancel_check_authorization(self, call: Call, cancellation: str) -> None:
        self.cancelled.append(cancellation)
        self.gone.put_nowait(cancellation)


async def put_on(connection: Connection, authority: Authority, result: str = "(bba{ss})") -> ObjectTree:
    """Serves it on a connection, under polkit's name."""
    tree = ObjectTree("/")
    tree.add(PATH, authority, interface(result))
    tree.attach(connection)
    await connection.request_name(NAME)
    return tree


class AuthorityThread:
    """The authority on a loop of its own, for tests that block. `decide` may be set at any time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.authority = Authority(lambda _: NO)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @property
    def asked(self) -> list[Question]:
        return self.authority.asked

    def answer(self, *allowed: str) -> None:
        """Allows these actions from now on, and forgets what was asked."""
        self.authority.asked.clear()
        self.authority.decide = lambda question: YES if question.action in allowed else NO

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    async def _begin(self) -> None:
        self._connection = await Connection.open(self._address)
        self._tree = await put_on(self._connection, self.authority)

    async def _end(self) -> None:
        await self._tree.close()
        await self._connection.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._begin())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


__all__ = [
    "CHALLENGE",
    "NO",
    "YES",
    "Authority",
    "AuthorityThread",
    "Question",
    "Variant",
    "encode",
    "put_on",
]
