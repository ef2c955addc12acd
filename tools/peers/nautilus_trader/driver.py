"""nautilus_trader: a live node with its Binance data client, keys given: LIVE mode loads the fees.

This release opens its user stream with a listenKey, which the venue has removed: its execution
client cannot connect, there as here, so that it does not trade in this day.
"""

from __future__ import annotations

import threading
from typing import Any

import steps
from nautilus_trader.adapters.binance import BINANCE
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig
from nautilus_trader.adapters.binance.factories import BinanceLiveDataClientFactory
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

INSTRUMENT = InstrumentId.from_str("BTCUSDT.BINANCE")
BARS = BarType.from_str("BTCUSDT.BINANCE-1-SECOND-LAST-EXTERNAL")
ALL = {"instrument", "quote ticks", "trade ticks", "order book", "bars"}
DAY_SECONDS = 60


class Listener(Strategy):
    """Subscribes to all there is, and is done when each kind was heard."""

    def __init__(self, day: steps.Day, done: Any) -> None:
        super().__init__(StrategyConfig())
        self._day = day
        self._done = done
        self._heard: set[str] = set()

    def _hear(self, name: str, value: object, *conditions: object) -> None:
        if name not in self._heard:
            self._heard.add(name)
            with self._day.step(name) as seen:
                seen(value, *conditions)
            if self._heard == ALL:
                self._done()

    def on_start(self) -> None:
        instrument = self.cache.instrument(INSTRUMENT)
        fee, precision = instrument.maker_fee, instrument.price_precision
        self._hear("instrument", f"{instrument.id}, maker fee {fee}, {precision} decimals", fee > 0)
        self.subscribe_quote_ticks(INSTRUMENT)
        self.subscribe_trade_ticks(INSTRUMENT)
        self.subscribe_order_book_deltas(INSTRUMENT)
        self.subscribe_bars(BARS)

    def on_quote_tick(self, tick: Any) -> None:
        self._hear("quote ticks", tick.bid_price, tick.bid_price < tick.ask_price)

    def on_trade_tick(self, tick: Any) -> None:
        self._hear("trade ticks", tick.price)

    def on_bar(self, bar: Any) -> None:
        self._hear("bars", bar.close)

    def on_order_book_deltas(self, _: Any) -> None:
        book = self.cache.order_book(INSTRUMENT)
        bid, ask = book.best_bid_price(), book.best_ask_price()
        if bid is not None and ask is not None:
            self._hear("order book", bid, bid < ask)


def main() -> None:
    day = steps.Day()
    where = day.where
    common = {
        "api_key": where["api_key"],
        "api_secret": where["api_secret"],
        "base_url_http": where["rest"],
        "base_url_ws": where["stream"],
        "instrument_provider": InstrumentProviderConfig(load_ids=frozenset({INSTRUMENT})),
    }
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("PEER-001"),
            logging=LoggingConfig(log_level="ERROR"),
            data_clients={BINANCE: BinanceDataClientConfig(**common)},
        )
    )
    finished = threading.Event()

    def done() -> None:
        finished.set()
        node.stop()

    node.trader.add_strategy(Listener(day, done))
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.build()
    end = threading.Timer(DAY_SECONDS, node.stop)
    end.start()
    node.run()
    end.cancel()
    with day.step("the whole day") as seen:
        seen("in time", finished.is_set())
    node.dispose()
    day.end()


if __name__ == "__main__":
    main()
