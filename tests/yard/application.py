"""A run and an exchange as two processes, and what their ledgers say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import trio

from core.io.guardian import LOG
from core.io.journal_file import read
from core.model.units import NS_PER_MS
from core.state.journal import Kind, Record
from tools.crash_test.application import CONFIG, Run, write_folder
from tools.crash_test.exchange import Exchange
from venues.binance.decode import MARKET, TRADE

PATIENCE_S = 30.0
"""For anything: the machine may be busy with other tests."""

MAX_BOOK_AGE_MS = 1_000
T = TypeVar("T")


async def until(look: Callable[[], T]) -> T:
    """Return what ``look`` finds as soon as it finds anything; it may block."""
    with trio.fail_after(PATIENCE_S):
        while True:
            found = await trio.to_thread.run_sync(look)
            if found:
                return found
            await trio.sleep(0.05)


PARAMETERS = CONFIG[CONFIG.index("[strategy.parameters]") : CONFIG.index("[risk]")]


def write_own(folder: Path, endpoints: dict[str, Any], strategy: str) -> None:
    """Write what a run of a strategy in a module beside its configuration needs."""
    write_folder(folder, endpoints)
    config = folder / "run.toml"
    text = config.read_text(encoding="utf-8").replace(PARAMETERS, "")
    config.write_text(text.replace('"maker"', f'"{strategy}"'), encoding="utf-8")


@asynccontextmanager
async def run_at(
    folder: Path,
    endpoints: dict[str, Any],
    *,
    segment_mb: int = 4,
    ca_file: str = "",
    strategy: str = "",
    leave_timeout_s: int = 30,
) -> AsyncIterator[Run]:
    """Run in ``folder`` until the block is left, never longer."""
    if strategy:
        write_own(folder, endpoints, strategy)
    else:
        write_folder(folder, endpoints)
    config = folder / "run.toml"
    text = config.read_text(encoding="utf-8").replace(
        "segment_mb = 4", f"segment_mb = {segment_mb}"
    )
    text = text.replace('dir = "."', f'dir = "."\nleave_timeout_s = {leave_timeout_s}')
    text = text.replace("[loop]", f"max_book_age_ms = {MAX_BOOK_AGE_MS}\n[loop]")
    if ca_file:
        text = text.replace("[endpoints]", f'[endpoints]\nca_file = "{ca_file}"')
    config.write_text(text, encoding="utf-8")
    run = Run(folder)
    try:
        yield run
    finally:
        run.process.send_signal(signal.SIGCONT)
        run.kill()


async def end(run: Run) -> int:
    """Return the exit code of a run that ends by itself."""
    [code] = await until(lambda: [] if run.process.poll() is None else [run.process.returncode])
    return code


class Pair:
    """An exchange, a run that trades on it, and the folder of that run."""

    def __init__(self, folder: Path, exchange: Exchange, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.exchange = exchange
        self.exchange_process = process
        self.endpoints: dict[str, Any] = dict(exchange.announcement)

    async def trading(self, run: Run) -> None:
        """Wait until the run trades and has orders at the exchange."""
        await until(run.trading)
        await until(self.exchange.open_orders)

    async def stop(self, run: Run) -> int:
        """Have the run left; return its exit code."""
        run.process.send_signal(signal.SIGTERM)
        return await end(run)

    def errors(self) -> str:
        return (self.folder / "stderr").read_text(encoding="utf-8")

    def guardian_notes(self) -> list[dict[str, Any]]:
        log = self.folder / LOG
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    def placed(self) -> list[str]:
        """Return the ids of all orders that the exchange ever had, oldest first."""
        return self.exchange.orders()

    def records(self) -> list[Record]:
        return list(read(self.folder))


def placements(records: list[Record]) -> list[tuple[Record, str]]:
    """Return the requests for new orders in a journal, with the new order's id."""
    found = []
    for record in records:
        if (
            record.kind == Kind.SEND
            and record.connection == TRADE
            and b'"method":"order.' in record.payload
        ):
            request = json.loads(record.payload[record.payload.index(b"{") :])
            if request["method"] in ("order.place", "order.cancelReplace"):
                found.append((record, request["params"]["newClientOrderId"]))
    return found


def unanswered(records: list[Record]) -> set[str]:
    """Return the ids of the orders in a journal of whose requests nothing came back."""
    heard = b"".join(
        r.payload for r in records if r.kind == Kind.BYTES and r.connection % 2 == TRADE
    )
    found = set()
    for record, name in placements(records):
        request = json.loads(record.payload[record.payload.index(b"{") :])
        if b'"id":"%s"' % request["id"].encode() not in heard and name.encode() not in heard:
            found.add(name)
    return found


def assert_every_order_was_fresh(records: list[Record]) -> None:
    """Hold every placement against the last bytes of the market line before it."""
    heard_ns = 0
    sends = {id(record) for record, _ in placements(records)}
    assert sends
    for record in records:
        if record.kind == Kind.BYTES and record.connection == MARKET:
            heard_ns = record.time_ns
        elif id(record) in sends:
            assert record.time_ns - heard_ns <= MAX_BOOK_AGE_MS * NS_PER_MS


def assert_ledgers_agree(pair: Pair, records: list[Record]) -> None:
    """Every order the exchange had was journaled before, none twice, and none is left."""
    names = pair.exchange.orders()
    assert names, "no order was ever placed, so nothing is shown"
    assert len(names) == len(set(names))
    assert set(names) <= {name for _, name in placements(records)}
    assert pair.exchange.open_orders() == []


@contextmanager
def exchange_process(*options: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes]]]:
    """Run ``hotloop sim`` in a process of its own; yield its announcement and the process."""
    command = [sys.executable, "-m", "tools", "sim", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline()), process
        finally:
            os.killpg(process.pid, signal.SIGCONT)
            process.kill()


@contextmanager
def a_pair(folder: Path, rate: int = 100) -> Iterator[Pair]:
    with (
        exchange_process("--rate", str(rate)) as (announcement, process),
        httpx.Client(base_url=announcement["rest"], timeout=PATIENCE_S) as client,
    ):
        yield Pair(folder / "run", Exchange(announcement, client, process), process)
