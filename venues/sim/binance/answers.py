"""What the switchboard's faults say in this venue's codes and words (errors.md)."""

from typing import ClassVar, Final

from venues.sim.binance import errors
from venues.sim.binance.errors import ApiError
from venues.sim.binance.exchange import Reply
from venues.sim.durations import MILLISECOND_NS
from venues.sim.faults import Answers, Fault, Kind

PLACING: Final = ("order.place", "order.cancelReplace", "order.amend", "orderList.place")
CANCELS: Final = ("order.cancel", "openOrders.cancelAll", "orderList.cancel")
# What the venue answers from memory or its database (rest-api.md, Data Sources).
QUERIES: Final = (
    "account.status",
    "allOrders",
    "myAllocations",
    "myTrades",
    "openOrders.status",
    "order.amendments",
    "order.status",
)


class BinanceAnswers(Answers):
    """The venue's part in faults."""

    usual: ClassVar = {
        Kind.MAINTENANCE: PLACING,
        Kind.REFUSE_CANCEL: CANCELS,
        Kind.LATE: PLACING,
        Kind.LAG: QUERIES,
    }

    def refusal(self, fault: Fault, name: str, now_ns: int) -> Reply:
        return Reply(error=_error(fault, name, now_ns))


def _error(fault: Fault, name: str, now_ns: int) -> ApiError:
    retry_at_ms = None if fault.retry_ms is None else now_ns // MILLISECOND_NS + fault.retry_ms
    match fault.fault:
        case Kind.SERVER_ERROR:
            return errors.internal()
        case Kind.TIMEOUT:
            return errors.timed_out()
        case Kind.THROTTLED:
            return errors.told_to_wait(retry_at_ms)
        case Kind.BANNED:
            return errors.banned(retry_at_ms or 0, only_in_text=fault.in_text)
        case Kind.OVERLOADED:
            return errors.overloaded()
        case Kind.FORBIDDEN:
            return errors.forbidden()
        case Kind.CLOCK:
            return errors.outside_recv_window()
        case Kind.REFUSE_CANCEL:
            return errors.cancel_rejected()
        case _:
            return errors.market_closed(name)
