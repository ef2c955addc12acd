"""The running exchange: listeners, TLS, the market's pulse, and an orderly end.

``serve`` runs one exchange until it is cancelled; ``running_exchange`` does so inside a test.
Wall-clock time is read here, and handed down to everything else.
"""

import contextlib
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import hypercorn.trio
import trio
import trustme
from hypercorn.config import Config as HypercornConfig

from venues.sim import control, http_server
from venues.sim.dialects import DIALECTS
from venues.sim.http import HttpRequest
from venues.sim.ledger import DEFAULT_BALANCES as DEFAULT_BALANCES
from venues.sim.ledger import DEFAULT_KEY as DEFAULT_KEY
from venues.sim.ledger import DEFAULT_SECRET as DEFAULT_SECRET
from venues.sim.ledger import Ledger as Ledger
from venues.sim.sockets import SocketServer
from venues.sim.symbols import Symbol
from venues.sim.traders import USUAL, Temper
from venues.sim.venue import RATE, AnyVenue
from venues.sim.venue import AccountConfig as AccountConfig

# The background moves at most this often: a busy market, and time left for requests between.
SHORTEST_TURN_SECONDS: Final = 0.001
# Idle REST connections are kept as long as any ordinary client keeps its pool.
KEEP_ALIVE_SECONDS: Final = 75.0
# What requests under way at shutdown have to finish.
GRACEFUL_SECONDS: Final = 1.0


BINANCE: Final = "binance"
DEFAULT_ACCOUNT: Final = DIALECTS[BINANCE].account


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How an exchange runs. ``port`` is REST's, WebSockets take the next; 0 picks free ones.

    ``dialect`` is one of ``DIALECTS``, whose own account, symbols and limits serve where none are
    named.
    """

    host: str = "127.0.0.1"
    port: int = 0
    seed: int = 0
    rate: float = RATE
    tls: bool = False
    ca_out: Path | None = None
    dialect: str = BINANCE
    accounts: tuple[AccountConfig, ...] | None = None
    symbols: tuple[Symbol, ...] | None = None
    limits: Any = None
    temper: Temper = USUAL
    clock: Callable[[], int] = field(default=time.time_ns)


@dataclass(frozen=True, slots=True)
class RunningExchange:
    """Where a running exchange is reached, and its books. ``ca`` is the path of its CA's PEM.

    ``addresses`` are those of its WebSockets, by the dialect's names.
    """

    dialect: str
    rest: str
    addresses: Mapping[str, str]
    api_key: str
    api_secret: str
    symbols: list[str]
    ca: str | None
    venue: AnyVenue
    ledger: Ledger

    @property
    def stream(self) -> str:
        """Where Binance's market streams are."""
        return self.addresses["stream"]

    @property
    def ws_api(self) -> str:
        """Where Binance's WebSocket API is."""
        return self.addresses["ws_api"]

    def announcement(self) -> dict[str, Any]:
        """Return what ``hotloop sim`` prints when it is ready."""
        line: dict[str, Any] = {
            "venue": self.dialect,
            "rest": self.rest,
            **self.addresses,
            "api_key": self.api_key,
            "api_secret": self.api_secret,
            "symbols": self.symbols,
        }
        if self.ca is not None:
            line["ca"] = self.ca
        return line


async def serve(
    config: ServerConfig,
    *,
    task_status: trio.TaskStatus[RunningExchange] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run an exchange until cancelled, then announce the shutdown, close, and return."""
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        # Shielded inside: the end is requested by ``stopping``, so that goodbyes get through.
        running = await nursery.start(_run, config, stopping)
        task_status.started(running)
        try:
            await trio.sleep_forever()
        finally:
            stopping.set()


@contextlib.asynccontextmanager
async def running_exchange(
    config: ServerConfig = ServerConfig(),
) -> AsyncIterator[RunningExchange]:
    """Run an exchange for the body of an ``async with``, on free ports of the loopback."""
    async with trio.open_nursery() as nursery:
        running: RunningExchange = await nursery.start(serve, config)
        try:
            yield running
        finally:
            nursery.cancel_scope.cancel()


async def _run(
    config: ServerConfig,
    stopping: trio.Event,
    *,
    task_status: trio.TaskStatus[RunningExchange],
) -> None:
    clock = config.clock
    dialect = DIALECTS[config.dialect]
    accounts = (dialect.account,) if config.accounts is None else config.accounts
    symbols = dialect.symbols if config.symbols is None else config.symbols
    venue = dialect.open(
        clock(),
        seed=config.seed,
        rate=config.rate,
        symbols=symbols,
        limits=config.limits,
        temper=config.temper,
    )
    for account in accounts:
        venue.add_account(account)
    sockets = SocketServer(venue, clock)
    with contextlib.ExitStack() as stack, trio.CancelScope(shield=True):
        tls = stack.enter_context(_certificate(config)) if config.tls else None
        async with trio.open_nursery() as nursery:
            rest_url = await nursery.start(_serve_rest, venue, config, tls, stopping)
            listener = await _listen(nursery, sockets, config, tls, urlsplit(rest_url).port)
            nursery.start_soon(_pulse, venue, clock)
            scheme, port = "ws" if tls is None else "wss", listener
            first = accounts[0] if accounts else dialect.account
            base = f"{scheme}://{_in_url(config.host)}:{port}"
            task_status.started(
                RunningExchange(
                    dialect=dialect.name,
                    rest=rest_url,
                    addresses=dialect.addresses(base),
                    api_key=first.api_key,
                    api_secret=first.secret,
                    symbols=[symbol.name for symbol in symbols],
                    ca=None if tls is None else str(tls.ca),
                    venue=venue,
                    ledger=Ledger(venue, clock),
                )
            )
            await stopping.wait()
            await sockets.say_goodbye()
            nursery.cancel_scope.cancel()


async def _pulse(venue: AnyVenue, clock: Callable[[], int]) -> None:
    """Play the background whenever something is due."""
    woken = trio.lowlevel.ParkingLot()

    def wake(_: int) -> None:
        woken.unpark()

    venue.faults.wake = wake
    while True:
        now_ns = clock()
        due_ns = venue.step(now_ns)
        with trio.move_on_after(max(SHORTEST_TURN_SECONDS, (due_ns - clock()) / 1e9)):
            await woken.park()


# -- listeners ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tls:
    """Files of a certificate made for this run."""

    ca: Path
    certificate: Path
    key: Path


@contextlib.contextmanager
def _certificate(config: ServerConfig) -> Any:
    """Make a CA and a certificate for the host; only the CA's PEM may outlive the run."""
    with tempfile.TemporaryDirectory(prefix="hotloop-sim-") as folder:
        ca = trustme.CA()
        issued = ca.issue_cert(config.host, "localhost")
        ca_path = config.ca_out or Path(folder) / "ca.pem"
        ca.cert_pem.write_to_path(str(ca_path))
        key_path, certificate_path = Path(folder) / "key.pem", Path(folder) / "certificate.pem"
        issued.private_key_pem.write_to_path(str(key_path))
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(certificate_path), append=True)
        yield _Tls(ca_path, certificate_path, key_path)


async def _serve_rest(
    venue: AnyVenue,
    config: ServerConfig,
    tls: _Tls | None,
    stopping: trio.Event,
    *,
    task_status: trio.TaskStatus[str],
) -> None:
    def take(request: HttpRequest, outlet: http_server.Pending) -> None:
        now_ns = config.clock()
        if request.path in control.PATHS:
            outlet.send(control.answer(venue, request, now_ns))
        else:
            venue.receive(request, outlet, now_ns)
            venue.advance(now_ns)

    options = HypercornConfig()
    options.bind = [f"{_in_url(config.host)}:{config.port}"]
    options.accesslog = options.errorlog = None
    options.alpn_protocols = ["http/1.1"]
    options.include_server_header = False
    options.keep_alive_timeout = KEEP_ALIVE_SECONDS
    options.graceful_timeout = GRACEFUL_SECONDS
    if tls is not None:
        options.certfile, options.keyfile = str(tls.certificate), str(tls.key)
    async with trio.open_nursery() as nursery:
        binds = await nursery.start(
            lambda task_status: hypercorn.trio.serve(
                http_server.application(take),  # type: ignore[arg-type]  # Starlette is an ASGI app
                options,
                shutdown_trigger=stopping.wait,
                task_status=task_status,
            )
        )
        task_status.started(binds[0])


async def _listen(
    nursery: trio.Nursery, sockets: SocketServer, config: ServerConfig, tls: _Tls | None, rest: int
) -> int:
    """Start the WebSocket listener, next to REST's port unless any port will do."""
    port = rest + 1 if config.port else 0
    listeners: Any
    if tls is None:
        listeners = await nursery.start(
            partial(trio.serve_tcp, sockets.handle, port, host=config.host)
        )
    else:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls.certificate, tls.key)
        listeners = await nursery.start(
            partial(trio.serve_ssl_over_tcp, sockets.handle, port, context, host=config.host)
        )
        return int(listeners[0].transport_listener.socket.getsockname()[1])
    return int(listeners[0].socket.getsockname()[1])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
