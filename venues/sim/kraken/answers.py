"""What the switchboard's faults say in this venue's words.

Over REST what the front of the venue would answer is a page of HTML with a status; over WebSockets
there are only error texts.
"""

from typing import ClassVar, Final

from venues.sim.faults import Answers, Fault, Kind
from venues.sim.kraken import words
from venues.sim.kraken.exchange import Reply
from venues.sim.kraken.rest import PRIVATE

PLACING: Final = ("add_order", "amend_order", "edit_order", "batch_add")
CANCELS: Final = ("cancel_order", "cancel_all", "batch_cancel")
QUERIES: Final = tuple(name for name, one in PRIVATE.items() if one.name == name)


class KrakenAnswers(Answers):
    """The venue's part in faults."""

    usual: ClassVar = {
        Kind.MAINTENANCE: PLACING,
        Kind.REFUSE_CANCEL: CANCELS,
        Kind.LATE: PLACING,
        Kind.LAG: QUERIES,
    }

    def refusal(self, fault: Fault, name: str, now_ns: int) -> Reply:
        match fault.fault:
            case Kind.SERVER_ERROR:
                return Reply(error=words.INTERNAL)
            case Kind.TIMEOUT:
                return Reply(error=words.INTERNAL, status=504)
            case Kind.THROTTLED:
                trades = name in PLACING + CANCELS
                return Reply(error=words.ORDER_RATE if trades else words.API_RATE)
            case Kind.BANNED:
                return Reply(error=words.LOCKOUT)
            case Kind.OVERLOADED:
                return Reply(error=words.BUSY)
            case Kind.FORBIDDEN:
                return Reply(error=words.PERMISSION, status=403)
            case Kind.CLOCK:
                return Reply(error=words.INVALID_NONCE)
            case Kind.REFUSE_CANCEL:
                return Reply(error=words.UNKNOWN_ORDER)
            case _:
                return Reply(error=words.CANCEL_ONLY)
