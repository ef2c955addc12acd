"""From one boot to the next: what is cancelled, asked again and named anew."""

from __future__ import annotations

from typing import Any, Final

from msgspec import structs

import core.engine.recovery
from core.engine.checkpoint import Restored
from core.engine.continuity import Continuity
from core.engine.recovery import Recovery
from core.model.commands import FetchOpenOrders
from core.model.events import FillReport
from core.model.views import OrderState
from core.state.reconcile import Watermark
from tools.world.canaries.canary import Canary, Change
from venues.kit.names import Fixed, Prefixed


def _leave_the_live(self: Any, now_ns: int) -> None:
    live = [order for order in self._orders.open() if order.state is OrderState.LIVE]
    for order in live:
        if not order.cancelling:
            self._desk.send_cancel(order)
    self.left = not live


_begin: Final = Recovery.begin


def _ask_for_all(self: Any, now_ns: int) -> None:
    for index in self._marks:
        self._marks[index] = Watermark()
    _begin(self, now_ns)


def _book_what_is_found(self: Any, report: FillReport) -> None:
    """Take each trade that an answer tells for a new one."""
    order = self._orders.by_venue_id(report.instrument, report.venue_order_id)
    if order is not None and report.instrument not in self._baselines:
        told = report.fill
        fill = structs.replace(told, trade_id=f"{told.trade_id} again", rank=told.rank + 10**9)
        _on_fill_report(self, structs.replace(report, fill=fill))


_on_fill_report: Final = Recovery.on_fill_report


_prefixed: Final = Prefixed.__init__


def _one_boot(self: Any, scope: str, boot: int, seed: int = 0) -> None:
    _prefixed(self, scope, 1, 0)


def _no_seed(self: Any, scope: str, boot: int, seed: int = 0) -> None:
    _prefixed(self, scope, boot, 0)


_fixed: Final = Fixed.__init__


def _one_boot_of_fixed(self: Any, layout: Any, scope: str, boot: int, seed: int) -> None:
    _fixed(self, layout, scope, 1, 0)


def _no_seed_in_fixed(self: Any, layout: Any, scope: str, boot: int, seed: int) -> None:
    _fixed(self, layout, scope, boot, 0)


def _list_the_configured(self: Any, now_ns: int) -> None:
    for order in self._orders.open():
        if not order.cancelling:
            self._desk.send_cancel(order)
    if len(self._table) and not len(self._orders) and not self.left:
        self._dirty = False
        self._pass.start(now_ns)
        rows = [row.index for row in self._table if not row.carried]
        self._request_all([FetchOpenOrders(index) for index in rows], now_ns)


def _nobody(self: Any, symbols: Any) -> tuple[str, ...]:
    return ()


def _nothing(self: Any, *_: Any) -> None: ...


def _proved_alone(self: Any, now_ns: int) -> None:
    self.write(now_ns)


CANARIES: Final[dict[str, Canary]] = {
    "leave_only_the_live": Canary(
        "on exit only what we believe live is cancelled",
        (Change(Recovery, "_leave_step", _leave_the_live),),
    ),
    "fill_booked_on_reconnect": Canary(
        "after a reconnect all trades are asked for, and booked again",
        (
            Change(Recovery, "begin", _ask_for_all),
            Change(Recovery, "on_fill_report", _book_what_is_found),
        ),
    ),
    "one_list_is_proof": Canary(
        "one empty list of open orders proves that none is left",
        (Change(core.engine.recovery, "CLEAN_LISTS", 1),),
    ),
    "only_the_configured_listed": Canary(
        "what is not in the configuration is not asked about when leaving",
        (Change(Recovery, "_leave_step", _list_the_configured),),
    ),
    "left_out_is_forgotten": Canary(
        "what an earlier boot left on a symbol that is left out is nobody's",
        (Change(Restored, "carried", _nobody),),
    ),
    "position_forgotten": Canary(
        "a boot begins flat, whatever the one before has held",
        (Change(Continuity, "_restore_position", _nothing),),
    ),
    "said_in_vain": Canary(
        "what the operator says to a boot that has proved nothing ends with it",
        (Change(Continuity, "said", _proved_alone),),
    ),
    "ids_of_one_folder": Canary(
        "client order ids do not tell one run folder from the next",
        (
            Change(Prefixed, "__init__", _no_seed),
            Change(Fixed, "__init__", _no_seed_in_fixed),
        ),
    ),
    "id_reused": Canary(
        "client order ids do not tell one boot from the next",
        (
            Change(Prefixed, "__init__", _one_boot),
            Change(Fixed, "__init__", _one_boot_of_fixed),
        ),
    ),
}
