"""``hotloop check``: everything that can be verified without an order, one line each.

Here lives what is asked and what to do about each answer. The questions go out over the same
modules that a run uses (``core.io.rest``, ``core.io.dialling``), so that what is ok here is ok
there. The strategy is started and shown the market (``tools.trial``); what it would place, the
venue is asked to judge. Neither an order nor a logon nor a subscription is ever sent. What is wrong
gives the exit code that a run would end with.
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import trio

from core.engine.dead_man import is_used
from core.io.clock import EngineClock, NowNs
from core.io.dialling import DIAL_S, keep
from core.io.last_boot import last_header
from core.io.loop import HotLoop
from core.io.process import configure
from core.io.rest import Carrier, RestClient
from core.io.run_folder import Owner, RunFolder
from core.io.tls import distrust, trust
from core.io.transport import Transport
from core.model.commands import (
    Command,
    FetchAccount,
    FetchBook,
    FetchInstruments,
    FetchTime,
    Place,
    TestPlace,
)
from core.model.config import AMOUNTS, Config
from core.model.errors import BadConfig, Misuse, RemoteFault, Untrusted
from core.model.events import (
    AccountReport,
    BookSnapshot,
    InstrumentsReport,
    Reply,
    VenueTime,
    Verdict,
)
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_MS, NS_PER_S, NS_PER_US
from core.model.venue import (
    PLAIN,
    Clock,
    Connection,
    Credentials,
    DeadMan,
    DeadManKind,
    HttpRequest,
    KeyFields,
    Scope,
    Signer,
    Stream,
)
from core.model.views import RefusalReason
from core.state.orders import Order
from tools import app
from tools.app import Application
from tools.cli import Exit, worst
from tools.files import (
    beside,
    find_strategies_beside,
    owner_of,
    read_config,
    read_keys,
)
from tools.trial import Trial

CLOCK_SAMPLES = 5
"""Times asked for the venue's clock: the median of five stands two that were held up."""

MOST_OFFSET_MS = 1_000.0
"""A run corrects what it signs by the offset; a clock that is off by more is not being set at all,
and the times in the journal would be as wrong."""

SOON_DAYS = 14
"""A certificate that ends within two weeks fails the check: an own one was forgotten by then."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``hotloop check``."""
    parser.add_argument("config", type=Path, metavar="CONFIG.toml")


def run(args: argparse.Namespace) -> int:
    """Verify what can be; return the exit code that a run would end with."""
    findings = Findings()
    try:
        subject = _subject(findings, args.config)
    except BadConfig as error:
        findings.fail("configuration", str(error), code=Exit.MISUSE)
        return Exit.MISUSE
    trio.run(_ask_venue, findings, subject)
    return findings.code


T = TypeVar("T")


class Findings:
    """Prints each finding as it comes, and remembers how bad it was."""

    def __init__(self) -> None:
        self._codes: set[Exit] = set()

    @property
    def code(self) -> Exit:
        """What a run would end with: the code of the worst that was found."""
        return worst(self._codes) if self._codes else Exit.OK

    def ok(self, what: str, text: str) -> None:
        print(f"ok    {what:<13} {text}", flush=True)

    def note(self, what: str, text: str) -> None:
        """Print what a run goes on without, and how to have it."""
        print(f"note  {what:<13} {text}", flush=True)

    def fail(self, what: str, text: str, todo: str = "", *, code: Exit = Exit.FAILED) -> None:
        """Print what is wrong and what to do, where ``text`` does not say that itself."""
        self._codes.add(code)
        print(f"FAIL  {what:<13} {text}" + (f" -> {todo}" if todo else ""), flush=True)


# -- on this machine -------------------------------------------------------------------------


class Subject(NamedTuple):
    """What is being checked, as far as it could be made."""

    config: Config
    application: Application
    signer: Signer | None
    trusted: ssl.SSLContext


def _subject(findings: Findings, path: Path) -> Subject:
    config = read_config(path)
    venue = app.venue_of(config, str(path))
    symbols = ", ".join(config.symbols)
    findings.ok("configuration", f"{path}: {config.venue} {config.environment}, {symbols}")
    keys = _keys(findings, config, path, venue.key_fields)
    find_strategies_beside(path)
    key = venue.key_kind(keys)
    application = app.wire(config, str(path), scope="", boot=0, seed=0, key=key)
    findings.ok("strategy", f"{config.strategy.name}: {application.strategy.parameters}")
    _check_trading(findings, config, keyed=config.keys is not None)
    if config.keys is not None:
        _say_dead_man(findings, application.adapter.capabilities.dead_man, application.setup.shared)
    account = venue.account(keys)
    owner = owner_of(config, account, app.scope_of(config, account))
    _check_folder(findings, beside(path, config.run.dir), owner)
    _check_process(findings, config)
    signer = None
    if keys is not None:
        try:
            signer = venue.signer(keys)
        except BadConfig as error:
            findings.fail("keys", str(error), code=Exit.MISUSE)
    ca_file = config.endpoints.ca_file
    trusted = trust(None if ca_file is None else str(beside(path, ca_file)))
    return Subject(config, application, signer, trusted)


def _keys(findings: Findings, config: Config, path: Path, wanted: KeyFields) -> Credentials | None:
    try:
        keys = read_keys(config, path, wanted)
    except BadConfig as error:
        findings.fail("keys", str(error), code=Exit.MISUSE)
        _say_wanted(findings, config, wanted)
        return None
    if config.keys is None or keys is None:
        findings.ok("keys", "none, so this run can only watch")
        _say_wanted(findings, config, wanted)
    else:
        there = ", ".join(keys.fields)
        findings.ok("keys", f"{beside(path, config.keys.file)}: {there}; private to its owner")
    return keys


def _say_wanted(findings: Findings, config: Config, wanted: KeyFields) -> None:
    """Say what the venue wants in a key file."""
    for group in wanted:
        choices = ", or ".join(f"{field.name}: {field.what}" for field in group)
        findings.note("key file", f"{config.venue} wants {choices}")


def _check_trading(findings: Findings, config: Config, *, keyed: bool) -> None:
    """Check that there is something to trade with, and prices to trade on."""
    if not keyed:
        findings.note("risk", "without keys nothing can be placed: this run only watches")
        return
    unlimited = [symbol for symbol, risk in config.risk.items() if not risk.trades]
    if unlimited:
        findings.fail(
            "risk",
            f"no amounts are stated for {', '.join(unlimited)}, so nothing can be placed there",
            f"state {', '.join(AMOUNTS)} under [risk]",
        )
    if not {Stream.BBO, Stream.DEPTH, Stream.ORDERS} & set(config.streams):
        findings.fail(
            "streams",
            "no book without top or depth, and nothing is placed without a book",
            'add "top" or "depth" to streams',
        )


def _say_dead_man(findings: Findings, switch: DeadMan, shared: bool) -> None:
    """Say what cancels orders where process, guardian and machine are gone."""
    window_s = switch.window_ns / NS_PER_S
    if is_used(switch, shared=shared):
        whose = "every order of the account" if switch.scope is Scope.ACCOUNT else "our orders"
        findings.ok(
            "dead-man", f"the venue cancels {whose} {window_s:g} s after it last heard of this run"
        )
    elif switch.kind is DeadManKind.TIMER:
        findings.note(
            "dead-man",
            "not set, as the account is shared and it would cancel others' orders too: what a run "
            "leaves that dies with its guardian stays until the next start",
        )


def _check_folder(findings: Findings, path: Path, owner: Owner) -> None:
    """Check that a run could write there, and that it is nobody else's.

    A folder that is not there yet is not made, and none is bound.
    """
    try:
        if os.path.lexists(path):
            with RunFolder(path) as folder:
                folder.belongs(owner, last_header(path))
        else:
            above = next(parent for parent in path.absolute().parents if parent.exists())
            os.rmdir(tempfile.mkdtemp(dir=above))
    except (BadConfig, OSError) as error:
        findings.fail("run folder", str(error), code=Exit.MISUSE)
    else:
        findings.ok("run folder", str(path))


def _check_process(findings: Findings, config: Config) -> None:
    """Settle down as a run would; this process ends soon and can as well have it."""
    cpu = config.loop.cpu
    missing = configure(cpu)
    if cpu is not None and os.sched_getaffinity(0) != {cpu}:
        findings.fail("process", missing.pop(0))
    else:
        place = "no CPU of its own" if cpu is None else f"pinned to CPU {cpu}"
        findings.ok(
            "process", f"{'spins' if config.loop.spins else 'waits'}, {place}{_warm(config)}"
        )
    for line in missing:
        findings.note("process", line)


def _warm(config: Config) -> str:
    every_ns = config.loop.warm_ns
    return f", rehearses every {every_ns // NS_PER_US} us" if every_ns else ""


# -- at the venue ----------------------------------------------------------------------------


async def _ask_venue(findings: Findings, subject: Subject) -> None:
    application = subject.application
    urls = {f"endpoints.{application.venue.http}": application.subscription.rest_url}
    urls |= {
        f"line {connection.name}": connection.url for connection in application.adapter.connections
    }
    for name, url in urls.items():
        await _check_certificate(findings, name, url, subject.trusted)
    now_ns = EngineClock().now_ns
    with _loop(now_ns) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            for connection in application.adapter.connections:
                await _check_connection(findings, connection, loop, subject.trusted)
            nursery.cancel_scope.cancel()
    async with RestClient(application.subscription.rest_url, subject.trusted) as client:
        question = Questions(subject, client, now_ns)
        offset_ns = await _check_clock(findings, question)
        if offset_ns is None:
            return
        report = await _check_symbols(findings, question, subject)
        account = None
        if subject.signer is not None:
            account = await _check_account(findings, question, offset_ns)
        if report is not None:
            trial = _try_start(findings, question, subject, report)
            if trial is not None and account is not None and subject.config.trades:
                await _try_orders(findings, question, trial, report, account, offset_ns)


async def _check_certificate(
    findings: Findings, name: str, url: str, trusted: ssl.SSLContext
) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in PLAIN:
        findings.ok("certificate", f"{name}: {url} is plain text, which only the sim may be")
        return
    try:
        with trio.fail_after(DIAL_S):
            ends = await _certificate_end(host, parts.port or 443, trusted)
    except trio.TooSlowError:
        text = f"{name}: no answer within {DIAL_S:g} s"
        findings.fail("certificate", text, "check the network", code=Exit.REMOTE)
    except (OSError, trio.BrokenResourceError) as error:
        cause = error.__cause__
        distrusted = distrust(cause) if isinstance(cause, ssl.SSLError) else None
        told = distrusted or cause or error
        code = Exit.FAILED if distrusted else Exit.REMOTE
        findings.fail("certificate", f"{name}: {host}: {told}", "check the address", code=code)
    else:
        days = (ends - datetime.now(UTC)).days
        text = f"{name}: {host}: valid until {ends:%Y-%m-%d} ({days} days)"
        if days < SOON_DAYS:
            findings.fail("certificate", text, "it has to be renewed before it ends")
        else:
            findings.ok("certificate", text)


async def _certificate_end(host: str, port: int, trusted: ssl.SSLContext) -> datetime:
    stream = await trio.open_ssl_over_tcp_stream(host, port, ssl_context=trusted)
    try:
        await stream.do_handshake()
        end_s = ssl.cert_time_to_seconds(stream.getpeercert()["notAfter"])
    finally:
        await trio.aclose_forcefully(stream)
    return datetime.fromtimestamp(end_s, UTC)


def _loop(now_ns: NowNs) -> HotLoop:
    """Return a loop that waits: nothing here is in a hurry."""
    return HotLoop(
        spin=False,
        now_ns=now_ns,
        next_due_ns=lambda: 0,
        on_due=lambda _: None,
        record=lambda _name, _ns: None,
    )


class _Dialled:
    """Hears the first that becomes of a dial; a ``core.io.dialling.Listener``."""

    def __init__(self) -> None:
        self.told = trio.Event()
        self.failure = ""
        self.distrusted = False

    def on_up(self, connection: int, transport: Transport) -> None:
        self.told.set()

    def on_bytes(
        self, connection: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int
    ) -> None:
        """Whatever the venue says first is of no interest."""

    def on_down(self, connection: int, reason: str) -> None:
        """It was up: that is all that is asked."""

    def on_dial_failed(self, connection: int, reason: str, retry_ns: int) -> None:
        self.failure = reason
        self.told.set()

    def on_dial_refused(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """The failure that follows says it."""


async def _check_connection(
    findings: Findings, connection: Connection, loop: HotLoop, trusted: ssl.SSLContext
) -> None:
    dialled = _Dialled()

    async def dial() -> None:
        try:
            await keep(
                0,
                connection,
                dialled,
                loop=loop,
                trusted=trusted,
                random=Random(0),
                kernel_stamps=False,
            )
        except Untrusted as error:
            dialled.failure = str(error)
            dialled.distrusted = True
            dialled.told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        await dialled.told.wait()  # a dial has a deadline of its own
        nursery.cancel_scope.cancel()
    what = f"line {connection.name}"
    if dialled.failure:
        text = f"{connection.url}: {dialled.failure}"
        code = Exit.FAILED if dialled.distrusted else Exit.REMOTE
        findings.fail(what, text, "check the address and the network", code=code)
    else:
        findings.ok(what, f"{connection.url}: the session opens")


class Questions:
    """Asks the venue by REST, one question after the other."""

    def __init__(self, subject: Subject, client: RestClient, now_ns: NowNs) -> None:
        self.now_ns = now_ns
        self._carrier = Carrier(client, subject.signer, now_ns)
        self._adapter = subject.application.adapter
        self.can = self._adapter.capabilities
        self.place = f"endpoints.{subject.application.venue.http}"
        """What a configuration calls where it asks."""
        self._ids = count(1)

    async def ask(self, command: Command, kind: type[T], offset_ns: int = 0) -> T:
        """Return the event of a kind that a command is answered with. Raises ``RemoteFault``."""
        reply, status = await self._reply(command, offset_ns)
        for event in reply.events:
            if isinstance(event, kind):
                return event
        raise _refusal(reply, status)

    async def test(self, order: Order, offset_ns: int) -> None:
        """Have the venue judge an order without placing it. Raises ``RemoteFault``."""
        place = Place(
            instrument=order.instrument,
            client_order_id=order.client_order_id,
            side=order.side,
            kind=order.kind,
            tif=order.tif,
            price_ticks=order.price_ticks,
            lots=order.size_lots,
        )
        reply, status = await self._reply(TestPlace(place), offset_ns)
        if reply.verdict is not Verdict.DONE:
            raise _refusal(reply, status)

    async def _reply(self, command: Command, offset_ns: int) -> tuple[Reply, int]:
        request_id = next(self._ids)
        request = self._adapter.encode(command, request_id, self.now_ns() + offset_ns)
        if not isinstance(request, HttpRequest):
            raise Misuse(f"{command} is not asked by REST")
        answer = await self._carrier.carry(request)
        if answer.status == 0:
            raise RemoteFault(answer.body.decode())
        return self._adapter.answer(command, request_id, *answer), answer.status


def _refusal(reply: Reply, status: int) -> RemoteFault:
    error = f": {reply.words}" if reply.code or reply.text else ""
    return RemoteFault(f"HTTP {status}, {reply.verdict}{error}")


async def _check_clock(findings: Findings, question: Questions) -> int | None:
    """Check that REST answers, and how far its clock is from ours; return that.

    Of a venue that tells no time nothing can be found out.
    """
    if question.can.clock is Clock.OURS:
        findings.ok("clock", "the venue tells no time: ours has to be right (chrony, NTP)")
        return 0
    offsets_ns, round_trips_ns = [], []
    try:
        for _ in range(CLOCK_SAMPLES):
            sent_ns = question.now_ns()
            venue_time = await question.ask(FetchTime(), VenueTime)
            heard_ns = question.now_ns()
            round_trips_ns.append(heard_ns - sent_ns)
            offsets_ns.append(venue_time.venue_ns - (sent_ns + heard_ns) // 2)
    except RemoteFault as error:
        code = Exit.FAILED if isinstance(error, Untrusted) else Exit.REMOTE
        findings.fail("REST", str(error), f"check {question.place} and the network", code=code)
        return None
    offset_ns = round(statistics.median(offsets_ns))
    round_trip_ns = round(statistics.median(round_trips_ns))
    findings.ok("REST", f"answers within {round_trip_ns / NS_PER_MS:.1f} ms")
    text = (
        f"the venue's is {offset_ns / NS_PER_MS:+.1f} ms from ours "
        f"(median of {CLOCK_SAMPLES}, +-{round_trip_ns / NS_PER_MS / 2:.1f} ms)"
    )
    if abs(offset_ns) > MOST_OFFSET_MS * NS_PER_MS:
        findings.fail("clock", text, "have this machine's clock set (chrony, NTP)")
    else:
        findings.ok("clock", text)
    return offset_ns


async def _check_symbols(
    findings: Findings, question: Questions, subject: Subject
) -> InstrumentsReport | None:
    try:
        report = await question.ask(FetchInstruments(), InstrumentsReport)
    except RemoteFault as error:
        findings.fail("symbols", str(error), "correct symbols", code=Exit.REMOTE)
        return None
    told = {instrument.symbol for instrument in report.instruments}
    if missing := [symbol for symbol in subject.config.symbols if symbol not in told]:
        text = f"the venue says nothing of {', '.join(missing)}"
        findings.fail("symbols", text, "correct symbols", code=Exit.REMOTE)
        return None
    for instrument in report.instruments:
        trouble = _trouble(instrument, subject)
        if trouble:
            findings.fail(instrument.symbol, trouble)
        else:
            findings.ok(
                instrument.symbol,
                f"{instrument.trading}; tick {instrument.tick.step} {instrument.quote}, "
                f"lot {instrument.lot.step} {instrument.base}",
            )
        if instrument.unread_filters:
            findings.note(
                instrument.symbol,
                f"filters that are not known here: {', '.join(instrument.unread_filters)}; the "
                "venue alone holds orders to them",
            )
    return report


def _trouble(instrument: Instrument, subject: Subject) -> str:
    """Return what would keep orders of this run from being placed, and what to do; "" for none."""
    if instrument.trading in (Trading.CANCEL_ONLY, Trading.HALTED):
        return f"trading is {instrument.trading}: wait, or take it out of symbols"
    limits = subject.application.limits(instrument)
    if subject.config.risk_of(instrument.symbol).trades:
        smallest = instrument.lot.text(max(instrument.min_lots, 1))
        for key, lots in (
            ("max_order_size", limits.max_order_lots),
            ("max_position", limits.max_position_lots),
        ):
            if lots < max(instrument.min_lots, 1):
                return f"risk.{key} is below the smallest order of {smallest} {instrument.base}"
        if limits.max_order_notional < instrument.min_notional:
            smallest = instrument.contract.money_text(instrument.min_notional)
            return f"risk.max_order_notional is below the smallest order of {smallest}"
    return ""


async def _check_account(
    findings: Findings, question: Questions, offset_ns: int
) -> AccountReport | None:
    try:
        report = await question.ask(FetchAccount(), AccountReport, offset_ns)
    except RemoteFault as error:
        todo = "check the key, its permissions and its addresses"
        findings.fail("account", str(error), todo, code=Exit.REMOTE)
        return None
    assets = ", ".join(sorted(balance.asset for balance in report.balances)) or "none"
    if report.can_trade is False:
        findings.fail("account", "may not trade", "give the key the permission to trade")
        return None
    may = "may trade" if report.can_trade else "the venue does not say whether it may trade"
    findings.ok("account", f"{may}; balances: {assets}")
    return report


# -- what the strategy would do ----------------------------------------------------------------

MOST_BOOKS = 8
"""Symbols whose books are asked for: a whole one costs 250 of 6,000 weight a minute, which a run
from the same address may need meanwhile."""

TELLING = frozenset(
    {
        RefusalReason.VENUE_FILTER,
        RefusalReason.ORDER_SIZE,
        RefusalReason.ORDER_NOTIONAL,
        RefusalReason.POSITION,
        RefusalReason.PRICE_COLLAR,
        RefusalReason.SELF_MATCH,
    }
)
"""Refusals that a run would meet as well: they follow from configuration and market alone."""


def _try_start(
    findings: Findings, question: Questions, subject: Subject, report: InstrumentsReport
) -> Trial | None:
    """Start the strategy on the venue's instruments; ``None`` where it raises."""
    trial = Trial(subject.application, report, question.now_ns())
    if trial.broken:
        findings.fail("on_start", trial.broken)
        print(trial.traceback, end="", flush=True)
        return None
    findings.ok("on_start", "returns")
    return trial


async def _try_orders(
    findings: Findings,
    question: Questions,
    trial: Trial,
    report: InstrumentsReport,
    account: AccountReport,
    offset_ns: int,
) -> None:
    """Show the strategy the market, and have the venue judge what it would place."""
    books = []
    for row in report.instruments[:MOST_BOOKS]:
        try:
            books.append(await question.ask(FetchBook(row.index), BookSnapshot))
        except RemoteFault as error:
            findings.fail(row.symbol, f"no book: {error}", code=Exit.REMOTE)
    trial.look(books, {each.asset: each.free_atoms for each in account.balances})
    if trial.broken:
        findings.fail("strategy", trial.broken)
        print(trial.traceback, end="", flush=True)
        return
    for book in books:
        await _judge(findings, question, trial, report.instruments[book.instrument], offset_ns)
    for row in report.instruments[MOST_BOOKS:]:
        findings.note(row.symbol, "its orders were not tried: too many symbols for one look")


async def _judge(
    findings: Findings, question: Questions, trial: Trial, row: Instrument, offset_ns: int
) -> None:
    """Check what the strategy would place on one symbol."""
    refused = [text for why, text in trial.refusals(row.index).items() if why in TELLING]
    for text in refused:
        findings.fail(row.symbol, f"an order of the strategy is refused: {text}")
    orders = trial.orders(row.index)
    for order in orders:
        what = f"{order.side.name.lower()} {row.size_text(order.size_lots)}"
        if order.price_ticks:
            what += f" at {row.price_text(order.price_ticks)}"
        if not question.can.test_place:
            findings.note(
                row.symbol, f"our limits allow {what}; the venue judges no order unplaced"
            )
            continue
        try:
            await question.test(order, offset_ns)
        except RemoteFault as error:
            findings.fail(row.symbol, f"the venue refuses {what}: {error}", code=Exit.REMOTE)
        else:
            findings.ok(row.symbol, f"the venue would take {what}")
    if not orders and not refused:
        findings.note(row.symbol, "the strategy places nothing in its first look at the market")
