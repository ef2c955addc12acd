"""The control socket: the only way into a running application besides the venue.

Here live who may speak (our own user and root, by the kernel's word), how much and how often, and
the verbs. One connection is one request: a line of JSON in, a line of JSON out. What a verb does is
the engine's business, and the engine is entered from passes of the loop only. No verb raises a risk
limit; a parameter of the strategy is checked before it becomes an input of the engine.

``docs/operations.md`` is for whoever writes a client.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import trio
from msgspec import Struct

from core.model.errors import BadConfig, Misuse
from core.model.wording import count_text

SOCKET: Final = "control.sock"
"""Name of the socket in the run folder."""

MAX_REQUEST_BYTES: Final = 4_096
"""Longest request: a verb and its arguments have some hundred bytes."""

MAX_CLIENTS: Final = 8
"""Served at one time; more wait in the backlog, and no one is served for longer than
``CLIENT_S``."""

BACKLOG: Final = 16

CLIENT_S: Final = 2.0
"""From a client's connection to the last byte of its reply; one that is slower is dropped."""

REQUESTS_PER_S: Final = 20
"""Of each kind, watching and acting, within any second: a status takes some 10 us of the loop, and
as much again to be written."""

LOOK_S: Final = 1.0
"""Between two looks whether the socket is still there: a deleted one is made again within that."""

PATIENCE_S: Final = 1.0
"""Before the next ``accept`` when the system has no descriptor or memory for one."""

_CREDENTIALS: Final = struct.Struct("3i")
"""Linux ``struct ucred``: pid, uid, gid."""

VERBS: Final[dict[str, tuple[int, int]]] = {
    "status": (0, 0),
    "halt": (0, 1),
    "resume": (0, 0),
    "cancel-all": (0, 0),
    "cancel-account": (0, 0),
    "flatten": (0, 0),
    "absent": (1, 1),
    "set": (2, 2),
    "stop": (0, 0),
}
"""Fewest and most arguments of each verb."""

STOPPED: Final = "stopped by the operator"


class Application(Protocol):
    """What the socket gives access to."""

    def post(self, call: Callable[[], None]) -> None:
        """Leave a call for the next pass of the loop."""
        ...

    def control(self, text: str) -> str:
        """Hand a word to the engine, return what became of it; from a pass of the loop only."""
        ...

    def status(self) -> dict[str, Any]:
        """Return the state of the run as plain data; from a pass of the loop only."""
        ...

    def stop(self, why: str) -> None: ...
    def log(self, text: str) -> None: ...


Check = Callable[[str, str], object]
"""Takes key and value of a strategy parameter; raises where they may not be."""


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says."""

    verb: str
    arguments: tuple[str, ...] = ()


class Reply(Struct, frozen=True, omit_defaults=True):
    """What a client is told: an error, or the state after what it requested was done."""

    ok: bool
    error: str = ""
    verb: str = ""
    said: str = ""
    """What became of the word, for people."""
    state: str = ""
    halted: str = ""


class Refused(Exception):
    """A request is not taken; the message is for whoever sent it."""


class Control:
    """Serves the control socket of one run folder."""

    def __init__(
        self,
        folder: Path,
        application: Application,
        *,
        check: Check,
        about: Callable[[], Mapping[str, Any]],
    ) -> None:
        """``about`` returns what a status says of the process beside what the application says."""
        self._folder = folder
        self._application = application
        self._check = check
        self._about = about
        self._slots = trio.Semaphore(MAX_CLIENTS)
        self._watched: deque[float] = deque(maxlen=REQUESTS_PER_S)
        self._acted: deque[float] = deque(maxlen=REQUESTS_PER_S)

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Raises ``BadConfig`` where the socket cannot be made."""
        if stat.S_IMODE(self._folder.stat().st_mode) & 0o077:
            self._application.log(
                "control: others can enter the run folder; chmod 700 keeps them out"
            )
        listener = _listener(self._folder)
        try:
            async with trio.open_nursery() as clients:
                task_status.started()
                while True:
                    with listener:
                        await self._serve_until_gone(listener, clients)
                    listener = await self._made_again()
        finally:
            listener.close()
            with suppress(OSError):  # a folder of its name, say: no reason for a run to end badly
                (self._folder / SOCKET).unlink(missing_ok=True)

    async def _serve_until_gone(
        self, listener: trio.socket.SocketType, clients: trio.Nursery
    ) -> None:
        """Take clients for as long as they can find the socket by its name."""
        ours = _identity(self._folder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_clients, listener, clients)
            while ours is not None and _identity(self._folder) == ours:  # noqa: ASYNC110 - no
                await trio.sleep(LOOK_S)  # event tells of a deleted file
            nursery.cancel_scope.cancel()

    async def _made_again(self) -> trio.socket.SocketType:
        """Make the socket anew: somebody has deleted it, and a run is steered by nothing else."""
        said = ""
        while True:
            try:
                listener = _listener(self._folder)
            except (BadConfig, OSError) as error:
                if str(error) != said:
                    said = str(error)
                    self._application.log(
                        f"control: the socket is gone and cannot be made again: {said}"
                    )
                await trio.sleep(LOOK_S)
            else:
                self._application.log("control: the socket was gone, and is made again")
                return listener

    async def _take_clients(self, listener: trio.socket.SocketType, clients: trio.Nursery) -> None:
        while True:
            await self._slots.acquire()
            try:
                client = await self._accept(listener)
            except BaseException:
                self._slots.release()
                raise
            clients.start_soon(self._serve, client)

    async def _accept(self, listener: trio.socket.SocketType) -> trio.socket.SocketType:
        while True:
            try:
                client, _ = await listener.accept()
            except OSError as error:
                self._application.log(f"control: no client taken: {error.strerror}")
                await trio.sleep(PATIENCE_S)
            else:
                return client

    async def _serve(self, client: trio.socket.SocketType) -> None:
        try:
            deadline = trio.move_on_after(CLIENT_S)
            with client, deadline, suppress(trio.BrokenResourceError):
                await self._converse(trio.SocketStream(client))
            if deadline.cancelled_caught:
                self._application.log(f"control: a client took more than {CLIENT_S:g} s: dropped")
        finally:
            self._slots.release()

    async def _converse(self, stream: trio.SocketStream) -> None:
        uid = peer_uid(stream.socket)
        if not allowed(uid, os.geteuid()):
            self._application.log(f"control: user {uid} was turned away")
            return
        try:
            reply = await self._do(decode(await _line(stream)))
        except Refused as refused:
            reply = msgspec.json.encode(Reply(ok=False, error=str(refused)))
        await stream.send_all(reply + b"\n")

    async def _do(self, request: Request) -> bytes:
        """Have a request done in a pass of the loop, and return the reply to it."""
        _count(self._watched if request.verb == "status" else self._acted, trio.current_time())
        done = trio.Event()
        found: list[dict[str, Any] | Reply] = []

        def act() -> None:
            found.append(self._act(request))
            done.set()

        self._application.post(act)
        await done.wait()
        return msgspec.json.encode(found[0])

    def _act(self, request: Request) -> dict[str, Any] | Reply:
        application, verb, arguments = self._application, request.verb, request.arguments
        if verb == "status":
            return {"ok": True, **application.status(), **self._about()}
        application.log(f"control: {' '.join((verb, *arguments))}")
        if verb == "stop":
            application.stop(STOPPED)
            return Reply(ok=True, verb=verb, said=_leaving(application.status()), state="leaving")
        if verb == "set":
            try:
                self._check(*arguments)
            except (Misuse, ArithmeticError, TypeError, ValueError) as error:
                # A strategy's own checks may stumble over a value in ways of their own.
                return Reply(ok=False, error=str(error))
        said = application.control(" ".join((verb, *arguments)))
        now = application.status()
        return Reply(ok=True, verb=verb, said=said, state=now["state"], halted=now["halted"])


def _leaving(now: dict[str, Any]) -> str:
    """Say what a run does that is being left."""
    count = len(now["open_orders"])
    orders = (
        f"{count_text(count, 'order')} of ours being cancelled" if count else "no order is open"
    )
    return f"the run is being left: {orders}; it ends once the venue lists none of ours"


def allowed(uid: int, own: int) -> bool:
    """Whether a user may speak: our own, and root, whom nothing here could keep out."""
    return uid in (own, 0)


def peer_uid(client: trio.socket.SocketType) -> int:
    """Return the user at the other end when it connected, by the kernel's word (unix(7))."""
    raw = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    uid: int = _CREDENTIALS.unpack(raw)[1]
    return uid


@contextmanager
def path_to(folder: Path) -> Iterator[str]:
    """Return a path of the socket that fits, however long the folder's is.

    An address has 108 bytes (unix(7)); through a descriptor of the folder it is always short.
    """
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)


def _identity(folder: Path) -> tuple[int, int] | None:
    """Return what tells the socket from another one of its name, ``None`` where there is none."""
    try:
        found = os.lstat(folder / SOCKET)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _listener(folder: Path) -> trio.socket.SocketType:
    """Make the socket, over one that a dead process left. Raises ``BadConfig``."""
    place = folder / SOCKET
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        place.unlink(missing_ok=True)
        with path_to(folder) as short:
            listener.bind(short)
        place.chmod(0o600)  # nobody can have connected: it does not listen yet
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BadConfig(f"control socket {place}: {error.strerror}") from error
    return trio.socket.from_stdlib_socket(listener)


async def _line(stream: trio.SocketStream) -> bytes:
    data = bytearray()
    while b"\n" not in data:
        if len(data) > MAX_REQUEST_BYTES:
            raise Refused(f"a request has at most {MAX_REQUEST_BYTES} bytes")
        piece = await stream.receive_some(MAX_REQUEST_BYTES + 1)
        if not piece:
            raise Refused("a request is one line of JSON; this one has no end")
        data += piece
    return bytes(data[: data.index(b"\n")])


def decode(line: bytes) -> Request:
    """Return the request that a line makes. Raises ``Refused`` for everything else."""
    try:
        request = msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(
            f'a request is one line of JSON as {{"verb": "status", "arguments": []}}: {error}'
        ) from None
    _check_form(request)
    return request


def _check_form(request: Request) -> None:
    bounds = VERBS.get(request.verb)
    if bounds is None:
        raise Refused(f"no such verb; there are {', '.join(VERBS)}")
    count = len(request.arguments)
    if not bounds[0] <= count <= bounds[1]:
        raise Refused(f"{request.verb} takes {bounds[1] or 'no'} arguments, not {count}")
    if not all(argument and argument.isprintable() for argument in request.arguments):
        raise Refused("arguments are printable texts of at least one character")
    if request.verb == "set" and " " in request.arguments[0]:
        raise Refused("set: no key has a space in it")


def _count(times: deque[float], now: float) -> None:
    """Enter a request of now, unless there were too many within a second."""
    if len(times) == REQUESTS_PER_S and now - times[0] < 1.0:
        raise Refused(f"more than {REQUESTS_PER_S} requests within a second; wait one")
    times.append(now)
