"""Round after round on one folder and one exchange, and the end of all."""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tools.cli import Exit
from tools.crash_test.application import Journaled, Watched, write_loud_folder
from tools.crash_test.checks import check_all, check_words, cleared, compare, ended
from tools.crash_test.exchange import Relayed, running_exchange
from tools.crash_test.patience import Wrong, until
from tools.crash_test.strikes import DOUBT_S, KINDS, TIMERS, Kind, Struck, settled

ROUNDS_S: Final = {"binance": 10.0, "kraken": 20.0}
"""A round lasts at least this long. A start and its guardian's looks take up to 800 of the 6,000
that Binance allows an address a minute, and up to 20 of Kraken's calls, of which one comes back a
second: whoever was killed more often would find none left to list what is to be cancelled."""

LAST_LINES: Final = 40
"""Of the run's log, which are shown with what is wrong."""

BLIND: Final = 2
"""Strikes of a kind that may all meet a run whose orders have just traded; with a third it is
believed that they always do."""

TRADING_S: Final = 1.5
"""A run that trades is struck within so many seconds."""


class Round(NamedTuple):
    """One strike, and what was checked after it."""

    kind: Kind
    struck: Struck
    replayed: int
    """Boots whose journal was replayed."""


def plan(strikes: int, chance: random.Random, kinds: Sequence[Kind] = KINDS) -> list[Kind]:
    """Return so many strikes, every kind as often as every other or once more, mixed.

    A start is never struck where nobody is left to clear up what stands since the strike before.
    """
    planned: list[Kind] = []
    while len(planned) < strikes:
        turn = chance.sample(list(kinds), len(kinds))
        both = planned[-1:] + turn
        if all(a.guarded or b.trades for a, b in pairwise(both)):
            planned += turn
    return planned[:strikes]


def kinds_at(venue: str) -> list[Kind]:
    """Return the strikes that a venue can be held to: not every one has a dead-man switch."""
    return [kind for kind in KINDS if venue in TIMERS or not kind.timer]


def rounds(
    folder: Path, exchange: Relayed, planned: Sequence[Kind], chance: random.Random
) -> Iterator[Round]:
    """Strike as planned; yield what each strike met. Raises ``Wrong``."""
    journaled = Journaled(folder)
    left: list[str] = []
    for kind in planned:
        next_s = time.monotonic() + ROUNDS_S[exchange.announcement["venue"]]
        run = kind.begin(folder, exchange)
        try:
            if kind.trades:
                until("it trades", run.trading, DOUBT_S)
                cleared(exchange, left)
                compare(run, exchange)
                time.sleep(chance.uniform(0, TRADING_S))
                until("it has orders again", partial(quotes, run, exchange), DOUBT_S)
            struck = kind.strike(run, exchange, chance)
        finally:
            exchange.go_on()
            exchange.accept()
            run.kill()
        left = exchange.open_orders()
        check_words(run.process.returncode, run.said(), run.logged(), left)
        yield Round(kind, struck, check_all(folder, exchange, journaled, traded=kind.trades))
        time.sleep(max(0.0, next_s - time.monotonic()))


def quotes(run: Watched, exchange: Relayed) -> list[str]:
    """Return what the exchange lists, once the run says that there is something."""
    return exchange.open_orders() if run.status().get("open_orders") else []


def finish(folder: Path, exchange: Relayed) -> int:
    """Have a last run recover, trade and leave; return how many orders there were in all."""
    run = Watched(folder)
    try:
        until("the last run trades", run.trading, DOUBT_S)
        compare(run, exchange)
        settled(run)
        run.send(signal.SIGTERM)
        code = ended(run, [Exit.OK])
    finally:
        run.kill()
    left = exchange.open_orders()
    check_words(code, run.said(), run.logged(), left)
    return check_end(left, exchange.orders())


def check_end(left: Sequence[str], names: Sequence[str]) -> int:
    """Return how many orders were ever placed. Raises ``Wrong`` where one is left, or none was."""
    if left:
        raise Wrong(f"left open: {left}")
    if not names:
        raise Wrong("no order was ever placed, so nothing was shown")
    return len(names)


def check_met(done: Sequence[Round]) -> None:
    """See that strikes met what they were meant for. Raises ``Wrong``."""
    if not done:
        raise Wrong("nothing was struck")
    if not any(each.replayed for each in done):
        raise Wrong("no journal was replayed")
    met: dict[str, list[int]] = defaultdict(list)
    for each in done:
        if each.kind.trades:
            met[_name(each.kind)].append(each.struck.open)
    if not any(any(orders) for orders in met.values()):
        raise Wrong("no strike met an open order")
    if blind := sorted(name for name, orders in met.items() if orders[BLIND:] and not any(orders)):
        raise Wrong(f"none of these strikes met an open order: {', '.join(blind)}")


def table(done: Sequence[Round]) -> str:
    """Return a row for each kind of strike."""
    rows = [f"{'strike':18} {'times':>5} {'with orders':>11} {'longest s':>9}"]
    for kind in KINDS:
        these = [each.struck for each in done if each.kind is kind]
        if these:
            met = sum(each.open > 0 for each in these)
            longest_s = max(each.within_s for each in these)
            shown = f"{longest_s:.2f}" if longest_s else "-"
            rows.append(f"{_name(kind):18} {len(these):5} {met:11} {shown:>9}")
    return "\n".join(rows)


def _name(kind: Kind) -> str:
    return kind.strike.__name__


def crash(
    strikes: int,
    seed: int,
    tell: Callable[[str], None],
    kinds: Sequence[Kind] | None = None,
    venue: str = "binance",
) -> str:
    """Run the whole test; return what it has shown. Raises ``Wrong``."""
    chance = random.Random(seed)
    kinds = kinds_at(venue) if kinds is None else kinds
    # A guardian may be noting what it does there until its proof is complete.
    temporary_folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    with temporary_folder as temporary, running_exchange(venue) as exchange:
        folder = Path(temporary) / "run"
        write_loud_folder(folder, exchange.announcement)
        began_s = time.monotonic()
        done: list[Round] = []
        try:
            for one in rounds(folder, exchange, plan(strikes, chance, kinds), chance):
                done.append(one)
                tell(f"{len(done)}: {one.struck.text}, {one.struck.open} orders open then")
            check_met(done)
            orders = finish(folder, exchange)
        except Wrong as wrong:
            log = (folder / "run.log").read_text(encoding="utf-8").splitlines()[-LAST_LINES:]
            raise Wrong("\n".join([str(wrong), *log])) from wrong
        replayed = sum(each.replayed for each in done)
        met = sum(each.struck.open > 0 for each in done)
        return (
            f"{table(done)}\n"
            f"struck {strikes} times in {time.monotonic() - began_s:.0f} s (seed {seed}), {met} "
            f"times with open orders: {orders} orders, no id twice, every one journaled, none left,"
            f" position {exchange.position()} by both ledgers, {replayed} boots replayed"
        )
