"""unicorn-binance-local-depth-cache: order books kept from snapshots and diffs, resynchronized.

It makes its stream manager itself; the manager's address is set before the first book is asked for.
"""

from __future__ import annotations

import time

import steps
from steps import STEP_SECONDS, SYMBOL
from unicorn_binance_local_depth_cache import BinanceLocalDepthCacheManager
from unicorn_binance_rest_api import BinanceRestApiManager

LOOKS = 20


def main() -> None:
    day = steps.Day()
    where = day.where
    BinanceRestApiManager.API_URL = f"{where['rest']}/api"
    rest = BinanceRestApiManager(tld="com", warn_on_update=False)
    caches = BinanceLocalDepthCacheManager(
        exchange="binance.com", ubra_manager=rest, warn_on_update=False
    )
    caches.get_ubwa_manager().websocket_base_uri = f"{where['stream']}/"

    with day.step("create_depth_cache") as seen:
        caches.create_depth_cache(markets=[SYMBOL, "ETHUSDT"])
        until = time.monotonic() + STEP_SECONDS
        while not all(caches.is_depth_cache_synchronized(m) for m in (SYMBOL, "ETHUSDT")):
            if time.monotonic() > until:
                raise TimeoutError("not synchronized")
            time.sleep(0.1)
        seen("two books synchronized")
    with day.step("is never crossed") as seen:
        tops = []
        for _ in range(LOOKS):
            bid = caches.get_bids(market=SYMBOL, limit_count=1)[0][0]
            ask = caches.get_asks(market=SYMBOL, limit_count=1)[0][0]
            tops.append((bid, ask))
            time.sleep(0.1)
        seen(f"{len(set(tops))} tops", all(bid < ask for bid, ask in tops), len(set(tops)) > 1)
    with day.step("is still synchronized") as seen:
        seen("both", all(caches.is_depth_cache_synchronized(m) for m in (SYMBOL, "ETHUSDT")))
    with day.step("equals the venue's book") as seen:
        # The book moves on between the two looks: most of it has to be the same.
        theirs = dict(rest.get_order_book(symbol=SYMBOL, limit=100)["bids"])
        ours = {price for price, _ in caches.get_bids(market=SYMBOL, limit_count=100)}
        same = len({float(price) for price in theirs} & ours)
        seen(f"{same} of {len(theirs)} prices", same > len(theirs) * 0.8)
    caches.stop_manager()
    day.end()


if __name__ == "__main__":
    main()
