"""REST, beside the hot loop: an answer for every request, or why there is none.

Here lives the way of a request over HTTP, in ordinary trio tasks. An answer is a status, headers
and a body; trouble of the network is status 0 with the reason as its body, for then nobody knows
what became of the request. What an answer means is the venue's to say. No proxy, no redirect and
no setting from the environment takes part, and no request is repeated here.

Secrets: a request is signed when it leaves, by a ``Signer``, and what was signed is never logged.
Whatever secret an answer brings is kept by the signer, and goes no further.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, Self

import httpx
import trio

from core.io.clock import NowNs
from core.io.loop import HotLoop
from core.io.tls import distrust
from core.model.errors import Untrusted
from core.model.venue import HttpAnswer, HttpRequest, Signed, Signer
from core.model.wording import web_page

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""Most of a body that is taken: the largest known, all of a big venue's symbols with their
filters, has some 20 MB."""

MAX_UNDER_WAY: Final = 32
"""Requests at one time: snapshots of 20 books at the start, and the questions after a lost
connection. Venues count them by the minute; more at once would only wait for each other."""

MAX_CANCELS: Final = 64
"""Beside them cancels, where no connection is up for them: these wait behind no query. What
finds no place is told so at once, and sent again a quarter of a second later."""

ANSWER_S: Final = 10.0
"""From submission to the last byte. Venues give up after 10 s themselves."""

CONNECT_S: Final = 4.0
"""For TCP, and again for TLS: both fit well into an answer's time."""

KEPT_S: Final = 30.0
"""An idle connection is kept so long: for the next time or snapshot, the TLS handshake is
spared; servers commonly cut idle ones after a minute."""


PATIENCE_S: Final = 2.0
"""Where signed requests go one after the other, this is how long one may take once a cancel waits
behind it: many times what an answer takes, and few of them fit into a cancel's own time. A question
that is given up so is sent again; what became of a cancel is queried."""


_REFUSED: Final = 400
"""From this status on it is the status that counts, whatever page comes with it. Below, a page says
nothing about what was asked: nobody knows whether the venue has seen it."""


class RestClient:
    """Asks one host. To be entered before the first ``ask``, and left after the last."""

    def __init__(self, url: str, trusted: ssl.SSLContext) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            verify=trusted,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_S),  # one for the whole of it is in ask
            limits=httpx.Limits(
                max_connections=MAX_UNDER_WAY + MAX_CANCELS,
                max_keepalive_connections=MAX_UNDER_WAY,
                keepalive_expiry=KEPT_S,
            ),
            # Bodies come as they are, so that their bound is one on memory.
            headers={"accept-encoding": "identity", "user-agent": "hotloop"},
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def ask(
        self, request: Signed | str, method: str = "GET", timeout_s: float = ANSWER_S
    ) -> HttpAnswer:
        """Send a request (or just a target) and return its answer, within ``timeout_s``.

        The target is sent byte for byte, since its signature covers it. Raises ``Untrusted``
        where the peer does not prove who it is, and nothing else for what the network does.
        """
        if isinstance(request, str):
            request = Signed(request)
        try:
            with trio.fail_after(timeout_s):
                return await self._ask(request, method)
        except trio.TooSlowError:
            return _nothing(f"no answer within {timeout_s:g} s")
        except httpx.HTTPError as error:
            untrusted = _distrust(error)
            if untrusted is not None:
                raise untrusted from error
            return _nothing(str(error) or type(error).__name__)

    async def _ask(self, request: Signed, method: str) -> HttpAnswer:
        async with self._client.stream(
            method,
            "/",
            headers=request.headers,
            content=request.body,
            extensions={"target": request.target.encode("ascii"), "trace": _Dial().on_step},
        ) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            if headers.get("content-encoding", "identity") != "identity":
                return _nothing("the answer is compressed, which was not asked for")
            body, size = bytearray(), 0
            # What is too much is read but not kept: httpx cannot leave a body half read cleanly,
            # and the deadline bounds how much that can be.
            async for piece in response.aiter_raw():
                size += len(piece)
                if size <= MAX_BODY_BYTES:
                    body += piece
            if size > MAX_BODY_BYTES:
                return _nothing(f"the answer has more than {MAX_BODY_BYTES} bytes")
            answer = HttpAnswer(response.status_code, headers, bytes(body))
            page = web_page(answer.status, answer.body) if answer.status < _REFUSED else ""
            return _nothing(page) if page else answer


class _Dial:
    """The connection that a request may have to dial first, until it is the client's.

    httpcore (1.0.9) closes it where its TLS handshake fails, but not where the handshake is given
    up: by a deadline, for a cancel that waits, or because the process ends.
    """

    def __init__(self) -> None:
        self._close: Callable[[], Awaitable[None]] | None = None

    async def on_step(self, step: str, info: Mapping[str, Any]) -> None:
        """Take a step of the request, as httpcore's extension ``trace`` names it."""
        if step == "connection.connect_tcp.complete":
            self._close = info["return_value"].aclose
        elif step == "connection.start_tls.failed" and self._close is not None:
            await self._close()


class Carrier:
    """Signs each request as it leaves, and has the signer keep what is secret in the answer."""

    def __init__(self, client: RestClient, signer: Signer | None, now_ns: NowNs) -> None:
        self._client = client
        self._signer = signer
        self._now_ns = now_ns
        self._turns = _Turns() if signer is not None and signer.in_order else None

    async def carry(self, request: HttpRequest, timeout_s: float = ANSWER_S) -> HttpAnswer:
        """Return the answer, within ``timeout_s``. Raises ``Untrusted``."""
        signer = self._signer
        if signer is None or not request.signed:
            return await self._send(request, timeout_s)
        if self._turns is None:
            answer = await self._send(request, timeout_s)
        else:
            answer = await self._in_turn(request, self._turns, timeout_s)
        return request.arriving(signer, answer)

    async def _in_turn(self, request: HttpRequest, turns: _Turns, timeout_s: float) -> HttpAnswer:
        until_s = trio.current_time() + timeout_s
        with trio.move_on_at(until_s) as waiting:
            await turns.wait(cancels=request.cancels)
        if waiting.cancelled_caught:
            return _nothing(f"nothing was sent: others were before it for {timeout_s:g} s")
        try:
            with turns.begun():
                return await self._send(request, max(until_s - trio.current_time(), 0))
            return _nothing(f"no answer within {PATIENCE_S:g} s, and a cancel waits")
        finally:
            turns.next()

    async def _send(self, request: HttpRequest, timeout_s: float) -> HttpAnswer:
        leaving = request.leaving(self._signer, self._now_ns())
        return await self._client.ask(leaving, request.method, timeout_s)


class _Turns:
    """Whose turn it is: one at a time, cancels before questions, in the order of their coming.

    How many wait is bounded by whoever lets them come.
    """

    def __init__(self) -> None:
        self._cancels: deque[trio.Event] = deque()
        self._questions: deque[trio.Event] = deque()
        self._taken = False
        self._under_way: trio.CancelScope | None = None

    async def wait(self, *, cancels: bool) -> None:
        """Wait for one's turn, which lasts until ``next``."""
        if not self._taken:
            self._taken = True
            return
        waiting = self._cancels if cancels else self._questions
        turn = trio.Event()
        waiting.append(turn)
        self._hurry()
        try:
            await turn.wait()
        except trio.Cancelled:
            if turn.is_set():
                self.next()
            else:
                waiting.remove(turn)
            raise

    def begun(self) -> trio.CancelScope:
        """Return what ends a turn that lasts too long for a cancel that waits."""
        self._under_way = trio.CancelScope()
        self._hurry()
        return self._under_way

    def next(self) -> None:
        """The turn is over: it is the next one's."""
        self._under_way = None
        waiting = self._cancels or self._questions
        if waiting:
            waiting.popleft().set()
        else:
            self._taken = False

    def _hurry(self) -> None:
        if self._cancels and self._under_way is not None:
            soon_s = trio.current_time() + PATIENCE_S
            self._under_way.deadline = min(self._under_way.deadline, soon_s)


class RestDesk:
    """Takes requests from within a turn, and brings the answers back in a later pass."""

    def __init__(
        self,
        url: str,
        *,
        trusted: ssl.SSLContext,
        signer: Signer | None,
        now_ns: NowNs,
        on_answer: Callable[[int, int, Mapping[str, str], bytes], None],
        on_untrusted: Callable[[str], None],
        loop: HotLoop,
    ) -> None:
        """``on_answer`` takes request id, status, headers and body, from a pass of ``loop``.

        ``on_untrusted``, from a pass as well, is told that the host does not prove who it is; the
        request concerned is answered with status 0.
        """
        self._client = RestClient(url, trusted)
        self._carrier = Carrier(self._client, signer, now_ns)
        self._on_answer = on_answer
        self._on_untrusted = on_untrusted
        self._loop = loop
        self._nursery: trio.Nursery | None = None
        self._questions = 0
        self._cancels = 0

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry requests until cancelled."""
        async with self._client, trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def submit(self, request_id: int, request: HttpRequest) -> None:
        """Have a request sent; returns at once, and every one is answered.

        Beyond ``MAX_UNDER_WAY`` questions or ``MAX_CANCELS`` cancels, and while the desk is
        closed, the answer is that nothing was sent: status 0.
        """
        under_way, most = (
            (self._cancels, MAX_CANCELS) if request.cancels else (self._questions, MAX_UNDER_WAY)
        )
        if self._nursery is None:
            self._answer(request_id, _nothing("nothing was sent: the desk is closed"))
        elif under_way == most:
            self._answer(request_id, _nothing(f"nothing was sent: {most} such are under way"))
        else:
            self._count(request, 1)
            self._nursery.start_soon(self._carry, request_id, request)

    def _count(self, request: HttpRequest, change: int) -> None:
        if request.cancels:
            self._cancels += change
        else:
            self._questions += change

    async def _carry(self, request_id: int, request: HttpRequest) -> None:
        try:
            answer = await self._carrier.carry(request)
        except Untrusted as error:
            answer = _nothing(str(error))
            self._loop.post(partial(self._on_untrusted, str(error)))
        finally:
            self._count(request, -1)
        self._answer(request_id, answer)

    def _answer(self, request_id: int, answer: HttpAnswer) -> None:
        self._loop.post(partial(self._on_answer, request_id, *answer))


def _nothing(reason: str) -> HttpAnswer:
    return HttpAnswer(0, {}, reason.encode())


def _distrust(error: httpx.HTTPError) -> Untrusted | None:
    """Find what TLS said among the causes of an error of httpx's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return distrust(cause)
        cause = cause.__cause__ or cause.__context__
    return None
