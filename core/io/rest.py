"""REST, beside the hot loop: an answer for every request, or why there is none.

Here lives the way of a request over HTTP, in ordinary trio tasks. An answer is a status, headers
and a body; trouble of the network is status 0 with the reason as its body, for then nobody knows
what became of the request. What an answer means is the venue's to say. No proxy, no redirect and
no setting from the environment takes part, and no request is repeated here.

Secrets: a request is signed when it leaves, by a ``Signer``, and what was signed is never logged.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, Self

import httpx
import trio

from core.io.loop import HotLoop
from core.io.tls import distrust
from core.model.errors import Untrusted
from core.model.venue import RestRequest, Signed, Signer

MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""Most of a body that is taken: the largest known, all of a big venue's symbols with their
filters, has some 20 MB."""

MAX_UNDER_WAY: Final = 32
"""Requests at one time: snapshots of 20 books at the start, and the questions after a lost
connection. Venues count them by the minute; more at once would only wait for each other."""

MAX_CANCELS: Final = 64
"""Beside them what is no question, that is cancels where no line takes them: they wait behind
none. What finds no place is told so at once, and sent again a quarter of a second later."""

ANSWER_S: Final = 10.0
"""From submission to the last byte. Venues give up after 10 s themselves."""

CONNECT_S: Final = 4.0
"""For TCP, and again for TLS: both fit well into an answer's time. Where our own deadline ended a
TLS handshake instead, httpcore would leave the socket for the garbage collection to find."""

KEPT_S: Final = 30.0
"""An idle connection is kept so long: asked for a time or a snapshot, the next TLS handshake is
spared; servers commonly cut idle ones after a minute."""


class Answer(NamedTuple):
    """What came back; status 0 where nothing did, and then the body says why."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


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
    ) -> Answer:
        """Send a request (or just a target) and return its answer, within ``timeout_s``.

        The target is sent byte for byte, since its signature covers it. Raises ``Untrusted``
        where the peer does not prove who it is, and nothing else for what the network does.
        """
        if isinstance(request, str):
            request = Signed(request, {})
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

    async def _ask(self, request: Signed, method: str) -> Answer:
        async with self._client.stream(
            method,
            "/",
            headers=request.headers,
            extensions={"target": request.target.encode("ascii")},
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
            return Answer(response.status_code, headers, bytes(body))


class RestDesk:
    """Takes requests from within a turn, and brings the answers back in a later pass."""

    def __init__(
        self,
        url: str,
        *,
        trusted: ssl.SSLContext,
        signer: Signer | None,
        on_answer: Callable[[int, int, dict[str, str], bytes], None],
        on_untrusted: Callable[[str], None],
        loop: HotLoop,
    ) -> None:
        """``on_answer`` takes request id, status, headers and body, from a pass of ``loop``.

        ``on_untrusted``, from a pass as well, is told that the host does not prove who it is; the
        request concerned is answered with status 0.
        """
        self._client = RestClient(url, trusted)
        self._signer = signer
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

    def submit(self, request_id: int, request: RestRequest) -> None:
        """Have a request sent; returns at once, and every one is answered.

        Beyond ``MAX_UNDER_WAY`` questions or ``MAX_CANCELS`` cancels, and while the desk is
        closed, the answer is that nothing was sent: status 0.
        """
        question = request.method == "GET"
        under_way, most = (
            (self._questions, MAX_UNDER_WAY) if question else (self._cancels, MAX_CANCELS)
        )
        if self._nursery is None:
            self._answer(request_id, _nothing("nothing was sent: the desk is closed"))
        elif under_way == most:
            self._answer(request_id, _nothing(f"nothing was sent: {most} such are under way"))
        else:
            self._count(question, 1)
            self._nursery.start_soon(self._carry, request_id, request, question)

    def _count(self, question: bool, change: int) -> None:
        if question:
            self._questions += change
        else:
            self._cancels += change

    async def _carry(self, request_id: int, request: RestRequest, question: bool) -> None:
        try:
            answer = await self._client.ask(self._signed(request), request.method)
        except Untrusted as error:
            answer = _nothing(str(error))
            self._loop.post(partial(self._on_untrusted, str(error)))
        finally:
            self._count(question, -1)
        self._answer(request_id, answer)

    def _signed(self, request: RestRequest) -> Signed:
        if request.signed and self._signer is not None:
            return self._signer.rest(request)
        return Signed(f"{request.path}?{request.query}" if request.query else request.path, {})

    def _answer(self, request_id: int, answer: Answer) -> None:
        self._loop.post(partial(self._on_answer, request_id, *answer))


def _nothing(reason: str) -> Answer:
    return Answer(0, {}, reason.encode())


def _distrust(error: httpx.HTTPError) -> Untrusted | None:
    """Find what TLS said among the causes of an error of httpx's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return distrust(cause)
        cause = cause.__cause__ or cause.__context__
    return None
