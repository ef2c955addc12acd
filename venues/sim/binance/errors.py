"""Refusals in the venue's own codes and words (errors.md, 2026-07-21).

One constructor per message the exchange can give, so that the words stand in one place.
"""

from typing import Any, Final

import msgspec

from venues.sim.refusals import Reason, Refused

SYMBOL_TEXT: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
CLIENT_ID_TEXT: Final = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
SYMBOL_LIST_TEXT: Final = r'^\[("[\w\-._&&[^a-z]]{1,50}"(,"[\w\-._&&[^a-z]]{1,50}"){0,}){0,1}\]$'
INTEGER_TEXT: Final = r"^[0-9]{1,20}$"


class ApiError(Exception):
    """A request was refused: HTTP-like status, the venue's code and message, optional data."""

    def __init__(
        self,
        code: int,
        msg: str,
        *,
        status: int = 400,
        data: dict[str, Any] | None = None,
        retry_at_ms: int | None = None,
    ) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.data = data
        self.retry_at_ms = retry_at_ms

    def body(self) -> dict[str, Any]:
        """Return the error object of a response, without its data."""
        return {"code": self.code, "msg": self.msg}


# -- limits ------------------------------------------------------------------------------------


def too_much_weight(limit: int, interval: str, retry_at_ms: int) -> ApiError:
    return ApiError(
        -1003,
        f"Too much request weight used; current limit is {limit} request weight per {interval}."
        " Please use WebSocket Streams for live updates to avoid polling the API.",
        status=429,
        retry_at_ms=retry_at_ms,
    )


def too_many_requests(limit: int, interval: str, retry_at_ms: int) -> ApiError:
    return ApiError(
        -1003,
        f"Too many requests; current limit is {limit} requests per {interval}.",
        status=429,
        retry_at_ms=retry_at_ms,
    )


def banned(until_ms: int, *, only_in_text: bool = False) -> ApiError:
    """A 418; ``only_in_text`` leaves the end out of header and data, which the venue may do."""
    return ApiError(
        -1003,
        f"Way too much request weight used; IP banned until {until_ms}."
        " Please use WebSocket Streams for live updates to avoid bans.",
        status=418,
        retry_at_ms=None if only_in_text else until_ms,
    )


def too_many_orders(limit: int, interval: str, retry_at_ms: int) -> ApiError:
    return ApiError(
        -1015,
        f"Too many new orders; current limit is {limit} orders per {interval}.",
        status=429,
        retry_at_ms=retry_at_ms,
    )


def told_to_wait(retry_at_ms: int | None) -> ApiError:
    """A 429 that says when to come back, or does not."""
    words = "Too many requests; please use WebSocket Streams for live updates."
    return ApiError(-1003, words, status=429, retry_at_ms=retry_at_ms)


# -- failures ----------------------------------------------------------------------------------


def internal() -> ApiError:
    """Nothing is said about whether the request was executed."""
    return ApiError(-1000, "An unknown error occurred while processing the request.", status=503)


def overloaded() -> ApiError:
    """The documents give -1008 no status; like any 5xx it proves nothing."""
    return ApiError(
        -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
        status=503,
    )


# The firewall in front of the venue answers with a page of HTML over REST.
FORBIDDEN_STATUS: Final = 403


def forbidden() -> ApiError:
    return ApiError(
        -1002, "You are not authorized to execute this request.", status=FORBIDDEN_STATUS
    )


def timed_out() -> ApiError:
    """The documents give -1007 no status; with this one the code alone tells what is proved."""
    return ApiError(
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status"
        " unknown.",
        status=408,
    )


def market_closed(method: str) -> ApiError:
    """Return the matching engine's refusal while a symbol does not trade."""
    code = {
        "order.cancel": -2011,
        "openOrders.cancelAll": -2011,
        "orderList.cancel": -2011,
        "order.amend.keepPriority": -2038,
    }
    return ApiError(code.get(method, -2010), "Market is closed.")


# The venue's front answers 404 with a page of HTML, not with a code.
NOT_FOUND_STATUS: Final = 404


def no_such_endpoint() -> ApiError:
    return ApiError(0, "", status=NOT_FOUND_STATUS)


# -- security ----------------------------------------------------------------------------------


def outside_recv_window() -> ApiError:
    return ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")


def ahead_of_server() -> ApiError:
    return ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")


def bad_signature() -> ApiError:
    return ApiError(-1022, "Signature for this request is not valid.")


def bad_key_format() -> ApiError:
    return ApiError(-2014, "API-key format invalid.", status=401)


def rejected_key() -> ApiError:
    return ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)


# -- parameters --------------------------------------------------------------------------------


def illegal_characters(name: str, pattern: str) -> ApiError:
    return ApiError(
        -1100,
        f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.",
    )


def duplicate_values() -> ApiError:
    return ApiError(-1101, "Duplicate values for a parameter detected.")


def missing(name: str) -> ApiError:
    return ApiError(
        -1102,
        f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
    )


def missing_both(first: str, second: str) -> ApiError:
    return ApiError(
        -1102,
        f"Param '{first}' or '{second}' must be sent, but both were empty/null!",
    )


def too_large(name: str, limit: int) -> ApiError:
    return ApiError(-1102, f"'{name}' contains unexpected value. Cannot be greater than {limit}.")


def unread(read: int, sent: int) -> ApiError:
    return ApiError(
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.",
    )


def empty(name: str) -> ApiError:
    return ApiError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def overflowed(name: str) -> ApiError:
    return ApiError(-1108, f"Parameter '{name}' overflowed.")


def too_precise(name: str) -> ApiError:
    return ApiError(-1111, f"Parameter '{name}' has too much precision.")


def bad_time_in_force() -> ApiError:
    return ApiError(-1115, "Invalid timeInForce.")


def bad_order_type() -> ApiError:
    return ApiError(-1116, "Invalid orderType.")


def bad_side() -> ApiError:
    return ApiError(-1117, "Invalid side.")


def bad_interval() -> ApiError:
    return ApiError(-1120, "Invalid interval.")


def bad_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def bad_symbol_status() -> ApiError:
    return ApiError(-1122, "Invalid symbolStatus.")


def bad_combination() -> ApiError:
    return ApiError(-1128, "Combination of optional parameters invalid.")


def interval_too_long(hours: int) -> ApiError:
    return ApiError(-1127, f"More than {hours} hours between startTime and endTime.")


def invalid_data(name: str) -> ApiError:
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


def bad_strategy_type() -> ApiError:
    return ApiError(-1134, "`strategyType` was less than 1000000.")


def bad_json() -> ApiError:
    return ApiError(-1135, "Invalid JSON Request")


def bad_cancel_restrictions() -> ApiError:
    return ApiError(-1145, "Invalid cancelRestrictions")


def duplicate_symbols() -> ApiError:
    return ApiError(-1151, "Symbol is present multiple times in the list.")


def symbol_status_differs() -> ApiError:
    return ApiError(-1220, "The symbol's status does not match the requested symbolStatus.")


def unsupported_operation() -> ApiError:
    return ApiError(-1020, "This operation is not supported.")


# -- orders ------------------------------------------------------------------------------------


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def order_type_not_supported(label: str) -> ApiError:
    return ApiError(-1013, f"{label} orders are not supported for this symbol.")


def rejected(msg: str) -> ApiError:
    return ApiError(-2010, msg)


# What the engine refuses, in this venue's codes and words.
_REFUSED: Final = {
    Reason.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Reason.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    Reason.WOULD_TRIGGER: (-2010, "Order would trigger immediately."),
    Reason.PAIR_MISPLACED: (
        -2010,
        "The relationship of the prices for the orders is not correct.",
    ),
    Reason.DUPLICATE_ID: (-2010, "Duplicate order sent."),
    Reason.DUPLICATE_NEW_ID: (-2038, "Duplicate order sent."),
    Reason.IDS_DIFFER: (-2039, "Client order ID is not correct for this order ID."),
}


def of(refused: Refused) -> ApiError:
    """Return the engine's refusal in this venue's words."""
    return ApiError(*_REFUSED[refused.reason])


def unsupported_combination() -> ApiError:
    return ApiError(-1014, "Unsupported order combination.")


def no_contingent_order() -> ApiError:
    return ApiError(-1168, "At least one OCO order must be contingent.")


# Code and words for an order of a pair on the wrong side of the price, by whether it buys.
_MISPLACED: Final = {
    ("LIMIT", True): (-1165, "A limit order in a buy OCO must be below."),
    ("LIMIT", False): (-1166, "A limit order in a sell OCO must be above."),
    ("STOP", True): (-1196, "A stop loss order in a buy OCO must be above."),
    ("STOP", False): (-1197, "A stop loss order in a sell OCO must be below."),
    ("TAKE", True): (-1198, "A take profit order in a buy OCO must be below."),
    ("TAKE", False): (-1199, "A take profit order in a sell OCO must be above."),
}


def misplaced_in_oco(kind: str, *, is_buy: bool) -> ApiError:
    code, words = _MISPLACED[kind.partition("_")[0], is_buy]
    return ApiError(code, words)


def not_in_lists() -> ApiError:
    return ApiError(-1158, "Order type not supported in OCO.")


def iceberg_exceeds() -> ApiError:
    return ApiError(-1013, "IcebergQty exceeds QTY.")


def cancel_rejected(msg: str = "Unknown order sent.") -> ApiError:
    return ApiError(-2011, msg)


def no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def amend_rejected(msg: str) -> ApiError:
    return ApiError(-2038, msg)


def subscription_active() -> ApiError:
    return ApiError(-2035, "User Data Stream subscription already active.")


def subscription_inactive() -> ApiError:
    return ApiError(-2036, "User Data Stream subscription not active.")


def too_many_subscriptions() -> ApiError:
    return ApiError(-2042, "Maximum subscription ID reached for this connection.")


def encoded(error: ApiError) -> bytes:
    """Return the JSON body of a REST error."""
    body = error.body()
    if error.data is not None:
        body["data"] = error.data
    return msgspec.json.encode(body)
