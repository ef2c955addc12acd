"""A run with a key trades at an exchange of another venue, leaves nothing there, and replays."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.yard.application import exchange_process, until
from tests.yard.test_watching import running, tools

pytestmark = pytest.mark.yard

CONFIG = """
venue = "kraken"
environment = "sim"
symbols = ["BTC/USD"]
streams = {streams}
[endpoints]
rest = "{rest}"
public = "{public}"
private = "{private}"
level3 = "{level3}"
[keys]
file = "keys.toml"
[strategy]
name = "probe:Probe"
[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "1"
max_daily_loss = "100000"
[loop]
mode = "wait"
[run]
dir = "."
[session]
request_expiry_ms = 5000
"""

PROBE = """
from core.model.commands import TimeInForce
from core.model.events import Side
from core.model.strategy import Quote, Strategy
from core.model.views import OrderState, Refusal, SessionState

FAR, LOTS = 5_000, 1_000_000


class Probe(Strategy):
    def __init__(self, parameters):
        super().__init__(parameters)
        self.at, self.order = 0, None

    def on_book(self, desk, book):
        if desk.session is not SessionState.TRADING:
            return
        order, bid = self.order, book.bid_ticks
        if self.at == 0:
            fok = desk.place(0, Side.BUY, bid, LOTS, tif=TimeInForce.FOK)
            desk.log(f"fok refused {isinstance(fok, Refusal)}")
            self.order, self.at = desk.place(0, Side.BUY, bid - FAR, 2 * LOTS), 1
        elif self.at == 1 and order.state is OrderState.LIVE:
            desk.replace(order, order.price_ticks, LOTS)
            self.at = 2
        elif self.at == 2 and order.size_lots == LOTS and not order.cancelling:
            moved = desk.replace(order, order.price_ticks - 1, LOTS)
            desk.log(f"made smaller, moved {moved is order}")
            desk.cancel(order)
            self.at = 3
        elif self.at == 3 and order.state is OrderState.CANCELED:
            desk.log("cancelled")
            limit = book.ask_ticks + 500
            self.order, self.at = desk.place(0, Side.BUY, limit, LOTS, tif=TimeInForce.IOC), 4
        elif self.at == 4 and order.state is OrderState.FILLED:
            desk.log(f"filled, holding {desk.position(0).lots}")
            self.price, self.at = bid - FAR, 5
        elif self.at in (5, 6):
            desk.quote(0, Quote(self.price, LOTS), None)
            live = [one for one in desk.open_orders(0) if one.state is OrderState.LIVE]
            if live and live[0].price_ticks == self.price:
                desk.log(f"quote {self.at} stands")
                self.price, self.at = self.price - 100, self.at + 1
"""

SEEN = (
    "fok refused True",
    "made smaller, moved True",
    "cancelled",
    "filled, holding 1000000",
    "quote 5 stands",
    "quote 6 stands",
)


BOOKS = {"public": '["top", "depth", "trades"]', "level3": '["orders"]'}
"""Where the market is told, and what of it there."""


def write(folder: Path, announced: dict[str, Any], market: str = "public") -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    config, keys = folder / "run.toml", folder / "keys.toml"
    text = CONFIG.format(streams=BOOKS[market], **announced)
    config.write_text(text, encoding="utf-8")
    (folder / "probe.py").write_text(PROBE, encoding="utf-8")
    keys.touch(mode=0o600)
    secrets = (f'{name} = "{announced[name]}"\n' for name in ("api_key", "api_secret"))
    keys.write_text("".join(secrets), encoding="utf-8")
    return config


@pytest.mark.parametrize("market", BOOKS)
async def test_orders_are_placed_made_smaller_moved_and_filled(tmp_path: Path, market: str) -> None:
    with exchange_process("--venue", "kraken", "--rate", "100") as (announced, _):
        config = write(tmp_path / "run", announced, market)
        log = config.parent / "run.log"
        async with running("run", config) as run:
            await until(lambda: log.exists() and SEEN[-1] in log.read_text())
            run.send_signal(signal.SIGINT)
        told = log.read_text()
        for what in SEEN:
            assert what in told
        assert "left: the venue lists none of our orders" in told
        assert "halt" not in told
        assert "lost" not in told
        replayed = await trio.run_process(tools("replay", config.parent), capture_stdout=True)
        assert b"identical" in replayed.stdout
