"""``hotloop check``: everything that can be verified without an order, one line each.

Here lives what is asked and what to do about each answer. The questions go out over the same rooms
that a run uses (``core.io.rest``, ``core.io.connection``), so that what is ok here is ok there.
Neither an order nor a logon nor a subscription is ever sent.
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import trio

from core import app
from core.app import House
from core.commands import Command, FetchAccount, FetchInstruments, FetchTime
from core.config import Config
from core.errors import BadConfig, Misuse, RemoteFault, Untrusted
from core.events import AccountReport, InstrumentsReport, VenueTime
from core.instrument import Instrument, Trading
from core.io.clock import EngineClock, NowNs
from core.io.connection import DIAL_S, keep
from core.io.loop import HotLoop
from core.io.process import settle
from core.io.rest import RestClient
from core.io.tls import distrust, trust
from core.io.transport import Transport
from core.units import NS_PER_MS
from core.venue import Line, RestRequest, Signed, Signer
from tools.cli import Exit
from tools.files import Keys, beside, find_strategies_beside, read_config, read_keys

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
    """Verify what can be; return ``OK``, ``FAILED``, or ``MISUSE`` before the venue was asked."""
    findings = Findings()
    try:
        subject = _subject(findings, args.config)
    except BadConfig as error:
        findings.fail("configuration", str(error))
        return Exit.MISUSE
    trio.run(_ask_venue, findings, subject)
    return Exit.FAILED if findings.failed else Exit.OK


T = TypeVar("T")


class Findings:
    """Prints each finding as it comes, and remembers whether one was bad."""

    def __init__(self) -> None:
        self.failed = False

    def ok(self, what: str, text: str) -> None:
        print(f"ok    {what:<13} {text}", flush=True)

    def note(self, what: str, text: str) -> None:
        """Print what a run goes on without, and how to have it."""
        print(f"note  {what:<13} {text}", flush=True)

    def fail(self, what: str, text: str, todo: str = "") -> None:
        """Print what is wrong and what to do, where ``text`` does not say that itself."""
        self.failed = True
        print(f"FAIL  {what:<13} {text}" + (f" -> {todo}" if todo else ""), flush=True)


# -- on this machine -------------------------------------------------------------------------


class Subject(NamedTuple):
    """What is being checked, as far as it could be made."""

    config: Config
    house: House
    signer: Signer | None
    trusted: ssl.SSLContext


def _subject(findings: Findings, path: Path) -> Subject:
    config = read_config(path)
    symbols = ", ".join(config.symbols)
    findings.ok("configuration", f"{path}: {config.venue} {config.environment}, {symbols}")
    keys = _keys(findings, config, path)
    find_strategies_beside(path)
    key = app.venue_of(config, str(path)).key_kind(keys.secret if keys else None)
    house = app.house(config, str(path), scope="", boot=0, seed=0, key=key)
    findings.ok("strategy", f"{config.strategy.name}: {house.strategy.parameters}")
    if not config.trades:
        findings.ok("risk", "no amounts are stated, so nothing can be placed")
    _check_process(findings, config)
    signer = None
    if keys is not None:
        try:
            signer = house.venue.signer(keys.api_key, keys.secret)
        except BadConfig as error:
            findings.fail("keys", str(error))
    ca_file = config.endpoints.ca_file
    trusted = trust(None if ca_file is None else str(beside(path, ca_file)))
    return Subject(config, house, signer, trusted)


def _keys(findings: Findings, config: Config, path: Path) -> Keys | None:
    try:
        keys = read_keys(config, path)
    except BadConfig as error:
        findings.fail("keys", str(error))
        return None
    if config.keys is None or keys is None:
        findings.ok("keys", "none, so this run can only watch")
    else:
        findings.ok("keys", f"{beside(path, config.keys.file)}: private to its owner")
    return keys


def _check_process(findings: Findings, config: Config) -> None:
    """Settle down as a run would; this process ends soon and can as well have it."""
    cpu = config.loop.cpu
    missing = settle(cpu)
    if cpu is not None and os.sched_getaffinity(0) != {cpu}:
        findings.fail("process", missing.pop(0))
    else:
        place = "no CPU of its own" if cpu is None else f"pinned to CPU {cpu}"
        findings.ok("process", f"{'spins' if config.loop.spins else 'waits'}, {place}")
    for line in missing:
        findings.note("process", line)


# -- at the venue ----------------------------------------------------------------------------


async def _ask_venue(findings: Findings, subject: Subject) -> None:
    house = subject.house
    urls = {"endpoints.rest": house.subscription.rest_url}
    urls |= {f"line {line.name}": line.url for line in house.adapter.lines}
    for name, url in urls.items():
        await _check_certificate(findings, name, url, subject.trusted)
    now_ns = EngineClock().now_ns
    with _loop(now_ns) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            for line in house.adapter.lines:
                await _check_line(findings, line, loop, subject.trusted)
            nursery.cancel_scope.cancel()
    async with RestClient(house.subscription.rest_url, subject.trusted) as client:
        question = Questions(subject, client, now_ns)
        offset_ns = await _check_clock(findings, question)
        if offset_ns is not None:
            await _check_symbols(findings, question, subject)
            if subject.signer is not None:
                await _check_account(findings, question, offset_ns)


async def _check_certificate(
    findings: Findings, name: str, url: str, trusted: ssl.SSLContext
) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("https", "wss"):
        findings.ok("certificate", f"{name}: {url} is plain text, which only the sim may be")
        return
    try:
        with trio.fail_after(DIAL_S):
            ends = await _certificate_end(host, parts.port or 443, trusted)
    except trio.TooSlowError:
        findings.fail("certificate", f"{name}: no answer within {DIAL_S:g} s", "check the network")
    except (OSError, trio.BrokenResourceError) as error:
        cause = error.__cause__
        told = (distrust(cause) if isinstance(cause, ssl.SSLError) else None) or cause or error
        findings.fail("certificate", f"{name}: {host}: {told}", "check the address")
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
    """Hears the first that becomes of a dial; a ``core.io.connection.Lines``."""

    def __init__(self) -> None:
        self.told = trio.Event()
        self.failure = ""

    def on_up(self, line: int, transport: Transport) -> None:
        self.told.set()

    def on_bytes(self, line: int, data: bytes, kernel_ns: int, began_ns: int, read_ns: int) -> None:
        """Whatever the venue says first is of no interest."""

    def on_down(self, line: int, reason: str) -> None:
        """It was up: that is all that is asked."""

    def on_dial_failed(self, line: int, reason: str, retry_ns: int) -> None:
        self.failure = reason
        self.told.set()


async def _check_line(
    findings: Findings, line: Line, loop: HotLoop, trusted: ssl.SSLContext
) -> None:
    dialled = _Dialled()

    async def dial() -> None:
        try:
            await keep(
                0, line, dialled, loop=loop, trusted=trusted, random=Random(0), kernel_stamps=False
            )
        except Untrusted as error:
            dialled.failure = str(error)
            dialled.told.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dial)
        await dialled.told.wait()  # a dial has a deadline of its own
        nursery.cancel_scope.cancel()
    what = f"line {line.name}"
    if dialled.failure:
        findings.fail(what, f"{line.url}: {dialled.failure}", "check the address and the network")
    else:
        findings.ok(what, f"{line.url}: the session opens")


class Questions:
    """Asks the venue by REST, one question after the other."""

    def __init__(self, subject: Subject, client: RestClient, now_ns: NowNs) -> None:
        self.now_ns = now_ns
        self._client = client
        self._signer = subject.signer
        self._adapter = subject.house.adapter
        self._ids = count(1)

    async def ask(self, command: Command, kind: type[T], offset_ns: int = 0) -> T:
        """Return the fact of a kind that a command is answered with. Raises ``RemoteFault``."""
        request_id = next(self._ids)
        request = self._adapter.encode(command, request_id, self.now_ns() + offset_ns)
        if not isinstance(request, RestRequest):
            raise Misuse(f"{command} is not asked by REST")
        answer = await self._client.ask(self._signed(request), request.method)
        if answer.status == 0:
            raise RemoteFault(answer.body.decode())
        reply = self._adapter.answer(command, request_id, *answer)
        for fact in reply.facts:
            if isinstance(fact, kind):
                return fact
        error = f": {reply.code} {reply.text}" if reply.code or reply.text else ""
        raise RemoteFault(f"HTTP {answer.status}, {reply.verdict}{error}")

    def _signed(self, request: RestRequest) -> Signed:
        if self._signer is not None:
            return self._signer.rest(request)
        return Signed(f"{request.path}?{request.query}" if request.query else request.path, {})


async def _check_clock(findings: Findings, question: Questions) -> int | None:
    """Check that REST answers, and how far its clock is from ours; return that."""
    offsets_ns, round_trips_ns = [], []
    try:
        for _ in range(CLOCK_SAMPLES):
            sent_ns = question.now_ns()
            venue_time = await question.ask(FetchTime(), VenueTime)
            heard_ns = question.now_ns()
            round_trips_ns.append(heard_ns - sent_ns)
            offsets_ns.append(venue_time.venue_ns - (sent_ns + heard_ns) // 2)
    except RemoteFault as error:
        findings.fail("REST", str(error), "check endpoints.rest and the network")
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


async def _check_symbols(findings: Findings, question: Questions, subject: Subject) -> None:
    try:
        report = await question.ask(FetchInstruments(), InstrumentsReport)
    except RemoteFault as error:
        findings.fail("symbols", str(error), "correct symbols")
        return
    for instrument in report.instruments:
        trouble = _trouble(instrument, subject)
        if trouble:
            findings.fail(instrument.symbol, trouble)
        else:
            findings.ok(
                instrument.symbol,
                f"open; tick {instrument.tick.step} {instrument.quote}, "
                f"lot {instrument.lot.step} {instrument.base}",
            )


def _trouble(instrument: Instrument, subject: Subject) -> str:
    """Return what would keep orders of this run from being placed, and what to do; "" for none."""
    if instrument.trading is not Trading.OPEN:
        return f"trading is {instrument.trading}: wait, or take it out of symbols"
    limits = subject.house.limits(instrument)
    if subject.config.risk_of(instrument.symbol).trades:
        smallest = instrument.lot.text(max(instrument.min_lots, 1))
        for key, lots in (
            ("max_order_size", limits.max_order_lots),
            ("max_position", limits.max_position_lots),
        ):
            if lots < max(instrument.min_lots, 1):
                return f"risk.{key} is below the smallest order of {smallest} {instrument.base}"
    return ""


async def _check_account(findings: Findings, question: Questions, offset_ns: int) -> None:
    try:
        report = await question.ask(FetchAccount(), AccountReport, offset_ns)
    except RemoteFault as error:
        findings.fail("account", str(error), "check the key, its permissions and its addresses")
        return
    assets = ", ".join(sorted(balance.asset for balance in report.balances)) or "none"
    if report.can_trade:
        findings.ok("account", f"may trade; balances: {assets}")
    else:
        findings.fail("account", "may not trade", "give the key the permission to trade")
