"""basana: its event dispatcher with bars, trades, books and own orders, and its spot account."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import basana
import steps
from basana.core.enums import OrderOperation
from basana.external.binance import exchange
from steps import SIZE, STEP_SECONDS

PAIR = basana.Pair("BTC", "USDT")


async def main() -> None:
    day = steps.Day()
    where = day.where
    dispatcher = basana.realtime_dispatcher()
    venue = exchange.Exchange(
        dispatcher,
        where["api_key"],
        where["api_secret"],
        config_overrides={
            "api": {
                "http": {"base_url": where["rest"]},
                "ws_stream": {"base_url": where["stream"]},
                "ws_api": {"base_url": where["ws_api"].removesuffix("/ws-api/v3")},
            }
        },
    )
    account = venue.spot_account
    events: dict[str, asyncio.Queue[Any]] = {
        name: asyncio.Queue() for name in ("trade", "book", "diff", "user", "order")
    }

    def into(name: str) -> Any:
        async def put(event: Any) -> None:
            events[name].put_nowait(event)

        return put

    async def event(name: str) -> Any:
        return await asyncio.wait_for(events[name].get(), STEP_SECONDS)

    venue.subscribe_to_trade_events(PAIR, into("trade"))
    venue.subscribe_to_order_book_events(PAIR, into("book"))
    venue.subscribe_to_order_book_diff_events(PAIR, into("diff"))
    account.subscribe_to_user_data_events(into("user"))
    account.subscribe_to_order_events(into("order"))
    running = asyncio.create_task(dispatcher.run())

    with day.step("get_pair_info") as seen:
        seen(await venue.get_pair_info(PAIR))
    with day.step("get_bid_ask") as seen:
        bid, ask = await venue.get_bid_ask(PAIR)
        seen(bid, bid < ask)
    with day.step("trade events") as seen:
        seen((await event("trade")).trade.price)
    with day.step("order book events") as seen:
        seen((await event("book")).order_book.bids[0])
    with day.step("order book diff events") as seen:
        seen((await event("diff")).order_book_diff.final_update_id)
    price, size = Decimal(steps.below(bid)), Decimal(SIZE)
    with day.step("create_limit_order") as seen:
        order = await account.create_limit_order(OrderOperation.BUY, PAIR, size, price)
        seen(order.id, order.is_open)
    with day.step("order event NEW") as seen:
        update = (await event("order")).order_update
        seen(update.status, update.id == order.id)
    with day.step("get_order_info") as seen:
        info = await account.get_order_info(PAIR, order_id=order.id)
        seen(info.limit_price, info.is_open, info.limit_price == price)
    with day.step("get_open_orders") as seen:
        opened = await account.get_open_orders(PAIR)
        seen(len(opened), [other.id for other in opened] == [order.id])
    with day.step("cancel_order") as seen:
        canceled = await account.cancel_order(PAIR, order_id=order.id)
        seen(canceled.id, not canceled.is_open)
    with day.step("create_market_order") as seen:
        bought = await account.create_market_order(OrderOperation.BUY, PAIR, amount=size)
        seen(bought.amount_filled, bought.amount_filled == size)
    with day.step("create_stop_limit_order") as seen:
        stop = await account.create_stop_limit_order(OrderOperation.SELL, PAIR, size, price, price)
        seen((await account.cancel_order(PAIR, order_id=stop.id)).id)
    with day.step("create_oco_order") as seen:
        pair = await account.create_oco_order(
            OrderOperation.SELL,
            PAIR,
            size,
            Decimal(steps.above(bid)),
            price,
            stop_limit_price=price,
        )
        info = await account.get_oco_order_info(order_list_id=pair.order_list_id)
        seen(pair.order_list_id, info.is_open)
    with day.step("cancel_oco_order") as seen:
        ended = await account.cancel_oco_order(PAIR, order_list_id=pair.order_list_id)
        seen(ended.order_list_id, not ended.is_open)
    with day.step("get_balances") as seen:
        seen((await account.get_balances())["BTC"].total)
    with day.step("user data events") as seen:
        seen(type(await event("user")).__name__)
    with day.refusal("filter violation", "PRICE_FILTER"):
        await account.create_limit_order(OrderOperation.BUY, PAIR, size, Decimal("0.001"))
    with day.refusal("unknown order", "Unknown order"):
        await account.cancel_order(PAIR, order_id="987654")
    with day.refusal("unknown symbol", "Invalid symbol"):
        await venue.get_bid_ask(basana.Pair("NO", "PE"))
    running.cancel()
    day.end()


if __name__ == "__main__":
    asyncio.run(main())
