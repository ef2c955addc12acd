"""Between strategy and venue: what an order asks for, and what the strategy is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import structs

from core.engine.account import Account
from core.engine.callbacks import Callbacks
from core.engine.desk import TradingDesk
from core.engine.operator import Operator
from core.model.commands import OrderKind, Place, PlaceMany, Replace, TimeInForce
from core.model.events import AccountReport
from tools.world.canaries.canary import Canary, Change
from venues.binance.encode import Encoder as BinanceEncoder
from venues.kraken.encode import Encoder as KrakenEncoder


def _altered(alter: Callable[[Place], Place]) -> tuple[Change, ...]:
    """Return what has every order leave otherwise than it was approved, at whichever venue."""

    def altering(owner: Any) -> Change:
        encode = owner.encode

        def altered(self: Any, command: Any, *rest: Any) -> Any:
            if type(command) is Place:
                command = alter(command)
            elif type(command) is Replace:
                command = structs.replace(command, new=alter(command.new))
            elif type(command) is PlaceMany:
                places = tuple(alter(place) for place in command.places)
                command = structs.replace(command, places=places)
            return encode(self, command, *rest)

        return Change(owner, "encode", altered)

    return altering(BinanceEncoder), altering(KrakenEncoder)


OFF_TICKS: Final = 3


def _off(place: Place) -> Place:
    ticks = place.price_ticks
    return structs.replace(place, price_ticks=ticks + OFF_TICKS) if ticks else place


def _good_till_cancelled(place: Place) -> Place:
    return structs.replace(place, tif=TimeInForce.GTC)


def _taking(place: Place) -> Place:
    limit = place.kind is OrderKind.POST_ONLY
    return structs.replace(place, kind=OrderKind.LIMIT) if limit else place


_run: Final = Callbacks.run


def _told(name: str, times: int) -> Change:
    """Return what has one callback called so many times each."""

    def call(self: Callbacks, began_ns: int, callback: Callable[..., None], arguments: Any) -> int:
        for _ in range(times if callback.__name__ == name else 1):
            began_ns = _run(self, began_ns, callback, arguments)
        return began_ns

    return Change(Callbacks, "run", call)


def _nothing_free(self: Any, asset: str) -> int:
    return 0


_whole: Final = Account._take_whole


def _the_answer_counts(self: Account, report: AccountReport) -> None:
    self._told_ns.clear()
    _whole(self, report)


def _set_nothing(self: Operator, text: str) -> str:
    return f"set: {text}"


CANARIES: Final[dict[str, Canary]] = {
    "price_off": Canary("an order leaves three ticks above what was approved", _altered(_off)),
    "tif_forgotten": Canary("IOC and FOK leave as GTC", _altered(_good_till_cancelled)),
    "post_only_takes": Canary("post-only leaves as a limit order", _altered(_taking)),
    "fill_untold": Canary("the strategy never hears of a fill", (_told("on_fill", 0),)),
    "fill_told_twice": Canary("each fill is told twice", (_told("on_fill", 2),)),
    "order_untold": Canary("the strategy never hears of its orders", (_told("on_order", 0),)),
    "session_untold": Canary("the strategy never hears of a halt", (_told("on_session", 0),)),
    "stop_untold": Canary("the strategy is not told that it is over", (_told("on_stop", 0),)),
    "set_is_lost": Canary(
        "what the operator sets is told as set, and is not",
        (Change(Operator, "_set", _set_nothing),),
    ),
    "answer_over_news": Canary(
        "a late answer about the account takes back what was told since",
        (Change(Account, "_take_whole", _the_answer_counts),),
    ),
    "balances_zero": Canary(
        "the strategy sees no balance", (Change(TradingDesk, "balance_atoms", _nothing_free),)
    ),
}
