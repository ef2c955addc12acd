"""What the venue answers when it refuses (guide Spot Error Messages, May 2026)."""

from typing import Any, Final

from venues.sim.refusals import Reason, Refused

ARGUMENTS: Final = "EGeneral:Invalid arguments"
PERMISSION: Final = "EGeneral:Permission denied"
INTERNAL: Final = "EGeneral:Internal error"
LOCKOUT: Final = "EGeneral:Temporary lockout"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
UNAVAILABLE: Final = "EService:Unavailable"
BUSY: Final = "EService:Busy"
CANCEL_ONLY: Final = "EService:Market in cancel_only mode"
POST_ONLY: Final = "EService:Market in post_only mode"
DEADLINE: Final = "EService:Deadline elapsed"
INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_SIGNATURE: Final = "EAPI:Invalid signature"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
API_RATE: Final = "EAPI:Rate limit exceeded"
INVALID_SESSION: Final = "ESession:Invalid session"
UNKNOWN_PAIR: Final = "EQuery:Unknown asset pair"
INSUFFICIENT_FUNDS: Final = "EOrder:Insufficient funds"
ORDER_MINIMUM: Final = "EOrder:Order minimum not met"
COST_MINIMUM: Final = "EOrder:Cost minimum not met"
TICK_SIZE: Final = "EOrder:Tick size check failed"
INVALID_PRICE: Final = "EOrder:Invalid price"
ORDERS_LIMIT: Final = "EOrder:Orders limit exceeded"
ORDER_RATE: Final = "EOrder:Rate limit exceeded"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"
WOULD_TAKE: Final = "EOrder:Post only order"

_REFUSED: Final = {
    Reason.INSUFFICIENT_FUNDS: INSUFFICIENT_FUNDS,
    Reason.WOULD_TAKE: WOULD_TAKE,
    Reason.WOULD_TRIGGER: INVALID_PRICE,
    Reason.DUPLICATE_ID: f"{ARGUMENTS}:cl_ord_id",
}


class ApiError(Exception):
    """A request is refused. ``status`` other than 200 is the front's own, with a page of HTML."""

    def __init__(self, text: str, *, status: int = 200) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


def arguments(name: str) -> ApiError:
    """Return the refusal of one parameter."""
    return ApiError(f"{ARGUMENTS}:{name}")


def of(refused: Refused) -> ApiError:
    """Return the engine's refusal in the venue's words."""
    return ApiError(_REFUSED.get(refused.reason, INTERNAL))


def rest_body(error: str | None, result: Any) -> dict[str, Any]:
    """Return the object that every reply of REST is."""
    return {"error": [], "result": result} if error is None else {"error": [error]}
