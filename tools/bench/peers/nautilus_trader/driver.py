"""nautilus_trader: its live node, its Binance adapter, and a strategy in Python.

Its adapter sends orders by REST, through a limiter of its own that would stop it after a minute's
worth: the limiter is opened here, as the race's venue has no limits.
"""

from __future__ import annotations

import plain
from nautilus_trader.adapters.binance import BINANCE, factories
from nautilus_trader.adapters.binance.config import (
    BinanceDataClientConfig,
    BinanceExecClientConfig,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LiveRiskEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.core.nautilus_pyo3 import Quota
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import OrderBookDeltas, QuoteTick
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

INSTRUMENT = InstrumentId.from_str("BTCUSDT.BINANCE")


class OpenQuota:
    """Takes the place of its quotas."""

    @staticmethod
    def rate_per_minute(_: int) -> Quota:
        return Quota.rate_per_second(1_000_000)


class EveryTick(Strategy):
    """Answers each tick with one order."""

    def __init__(self, least: float, *, depth: bool) -> None:
        super().__init__(StrategyConfig())
        self._least = least
        self._depth = depth

    def on_start(self) -> None:
        self._instrument = self.cache.instrument(INSTRUMENT)
        if self._depth:
            self.subscribe_order_book_deltas(INSTRUMENT, book_type=BookType.L2_MBP)
        else:
            self.subscribe_quote_ticks(INSTRUMENT)

    def on_quote_tick(self, tick: QuoteTick) -> None:
        self._answer(tick.bid_price, tick.bid_size)

    def on_order_book_deltas(self, deltas: OrderBookDeltas) -> None:
        book = self.cache.order_book(INSTRUMENT)
        price, size = book.best_bid_price(), book.best_bid_size()
        if price is not None:
            self._answer(price, size)

    def _answer(self, price: object, size: object) -> None:
        if float(size) >= self._least:
            self.submit_order(
                self.order_factory.limit(
                    INSTRUMENT, OrderSide.BUY, size, price, time_in_force=TimeInForce.IOC
                )
            )


def main() -> None:
    asked = plain.settings()
    factories.Quota = OpenQuota
    common = {
        "api_key": asked["api_key"],
        "api_secret": asked["secret"],
        "base_url_http": asked["rest"],
        "base_url_ws": asked["stream_url"],
        "instrument_provider": InstrumentProviderConfig(load_ids=frozenset({INSTRUMENT})),
    }
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("BENCH-001"),
            logging=LoggingConfig(log_level="ERROR"),
            exec_engine=LiveExecEngineConfig(reconciliation=False),
            risk_engine=LiveRiskEngineConfig(
                max_order_submit_rate="1000000/00:00:01", max_order_modify_rate="1000000/00:00:01"
            ),
            data_clients={BINANCE: BinanceDataClientConfig(**common)},
            exec_clients={BINANCE: BinanceExecClientConfig(**common)},
        )
    )
    node.trader.add_strategy(
        EveryTick(float(asked["least_size"]), depth=asked["stream"] == "depth")
    )
    node.add_data_client_factory(BINANCE, factories.BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, factories.BinanceLiveExecClientFactory)
    node.build()
    node.run()


if __name__ == "__main__":
    main()
