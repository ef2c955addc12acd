"""HTTP around the REST API: the ASGI application that takes requests off a socket.

Nothing but the exchange that listens imports this; what a request means is a dialect's
(``venues.sim.binance.rest``).
"""

import contextlib
from collections.abc import Callable
from typing import Final

import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from venues.sim.http import HttpReply, HttpRequest

# After which a request that a fault leaves unanswered is broken off: no client waits longer.
UNANSWERED_SECONDS: Final = 60.0

# The largest request of this API is a few hundred bytes of parameters.
MAX_BODY_BYTES: Final = 65_536


class Pending:
    """Where the reply to one request leaves: whoever serves it waits for ``done``."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.reply: HttpReply | None = None
        """None once ``done`` says that the connection breaks instead."""

    def send(self, payload: HttpReply) -> None:
        """Take the reply; HTTP has no place for a second one."""
        if not self.done.is_set():
            self.reply = payload
            self.done.set()

    def cut(self) -> None:
        self.done.set()


class _BrokenOff(Response):
    """An answer that ends before its body does, with which the connection breaks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def application(take: Callable[[HttpRequest, Pending], None]) -> Starlette:
    """Return the ASGI application whose every request is given to ``take``."""

    async def endpoint(request: Request) -> Response:
        body = b""
        async with contextlib.aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Response(status_code=413)
        client = request.client
        pending = Pending()
        take(
            HttpRequest(
                method=request.method,
                path=request.url.path,
                query=request.scope["query_string"].decode("latin-1"),
                body=body.decode("utf-8", "replace"),
                headers=request.headers,
                ip="" if client is None else client.host,
            ),
            pending,
        )
        with trio.move_on_after(UNANSWERED_SECONDS):
            await pending.done.wait()
        reply = pending.reply
        if reply is None:
            return _BrokenOff()
        return Response(
            reply.body,
            status_code=reply.status,
            headers=reply.headers,
            media_type=reply.content_type,
        )

    methods = ["GET", "POST", "PUT", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", endpoint, methods=methods)])
