"""What Binance's answers prove: one verdict for every error code and status it documents.

A table and one rule for reading it. Whatever is not in the table is ``UNKNOWN``: the request may
have been accepted. Whether an order stands is never concluded from a message's wording, with two
exceptions that change the verdict, ``ALIVE`` and ``FORBIDDEN``; what to do about a refusal is
another question, and often only the wording answers it.

Source: errors.md and web-socket-api.md "Status codes", binance-spot-api-docs at a5e0bc3
(2026-07-21).
"""

from __future__ import annotations

from typing import Final

from core.model.events import Verdict
from core.model.venue import Remedy

DONE: Final = Verdict.DONE
REFUSED: Final = Verdict.REFUSED
ABSENT: Final = Verdict.ABSENT
UNKNOWN: Final = Verdict.UNKNOWN
OUT_OF_BUDGET: Final = Verdict.OUT_OF_BUDGET
THROTTLED: Final = Verdict.THROTTLED
BANNED: Final = Verdict.BANNED
LOGGED_OUT: Final = Verdict.LOGGED_OUT
FATAL: Final = Verdict.FATAL

OK: Final = 200
FORBIDDEN_STATUS: Final = 403
BANNED_STATUS: Final = 418
LIMITED_STATUS: Final = 429
SERVER_ERRORS: Final = 500

ORDERS_CODE: Final = "-1015"
CLOCK_CODE: Final = "-1021"
REPLACE_PARTLY_FAILED: Final = "-2021"
REPLACE_FAILED: Final = "-2022"

CODES: Final[dict[str, Verdict]] = {
    # 10xx: server and network
    "-1000": UNKNOWN,  # an unknown error occurred while processing
    "-1001": UNKNOWN,  # internal error, "please try again": says nothing of how far it came
    "-1002": LOGGED_OUT,  # not authorized to execute this request
    "-1003": THROTTLED,  # too many requests; with status 418 the status decides: banned
    "-1006": UNKNOWN,  # unexpected response: execution status unknown
    "-1007": UNKNOWN,  # timeout: execution status unknown
    "-1008": UNKNOWN,  # server busy: documented without saying that nothing was executed
    "-1010": REFUSED,  # an error of the matching engine; its messages are those of -2010
    "-1013": REFUSED,  # filter failure; never reached the matching engine
    "-1014": REFUSED,  # unsupported order combination
    "-1015": OUT_OF_BUDGET,  # too many unfilled orders; cancels cost none
    "-1016": UNKNOWN,  # service shutting down
    "-1020": FATAL,  # unsupported operation
    "-1021": REFUSED,  # timestamp outside of recvWindow: the clock has to be set
    "-1022": FATAL,  # signature not valid: the secret does not belong to the key
    # 11xx: the request itself; our programme or the interface is wrong, repeating cannot help
    "-1100": FATAL,
    "-1101": FATAL,
    "-1102": FATAL,
    "-1103": FATAL,
    "-1104": FATAL,
    "-1105": FATAL,
    "-1106": FATAL,
    "-1108": FATAL,
    "-1111": REFUSED,  # too much precision: the grid has changed under us
    "-1112": REFUSED,  # no orders on book for symbol
    "-1114": FATAL,
    "-1115": FATAL,
    "-1116": FATAL,
    "-1117": FATAL,
    "-1118": FATAL,
    "-1119": FATAL,
    "-1120": FATAL,
    "-1121": FATAL,  # invalid symbol
    "-1122": FATAL,
    "-1125": FATAL,  # listen key; spot has none any more
    "-1127": FATAL,
    "-1128": FATAL,
    "-1130": FATAL,
    "-1134": FATAL,
    "-1135": FATAL,
    "-1139": FATAL,
    "-1145": FATAL,
    "-1151": FATAL,
    "-1152": FATAL,  # SBE
    "-1153": FATAL,  # SBE
    "-1155": FATAL,  # SBE
    "-1158": REFUSED,  # order lists, to -1168
    "-1160": REFUSED,
    "-1161": FATAL,  # SBE
    "-1165": REFUSED,
    "-1166": REFUSED,
    "-1168": REFUSED,
    "-1194": FATAL,
    "-1196": REFUSED,  # order lists, to -1199
    "-1197": REFUSED,
    "-1198": REFUSED,
    "-1199": REFUSED,
    "-1210": FATAL,  # pegged orders
    "-1211": FATAL,
    "-1220": REFUSED,  # symbol has another status
    "-1221": FATAL,  # SBE
    "-1222": REFUSED,  # order lists, to -1225
    "-1223": REFUSED,
    "-1224": REFUSED,
    "-1225": REFUSED,
    # 20xx: orders and accounts
    "-2010": REFUSED,  # rejected by the matching engine
    "-2011": REFUSED,  # cancel rejected: the cancel was not accepted, and no more is proved
    "-2013": ABSENT,
    "-2014": FATAL,  # API key format
    "-2015": FATAL,  # API key, IP or permissions
    "-2016": REFUSED,
    "-2021": UNKNOWN,  # cancel-replace, one half failed: its data tells which, see decode.py
    "-2022": UNKNOWN,  # cancel-replace, both halves failed: likewise
    "-2026": ABSENT,  # order archived: over 90 days ago, nothing filled
    "-2035": DONE,  # user data stream subscription already active: what was requested is so
    "-2036": REFUSED,
    "-2038": REFUSED,  # amend rejected
    "-2039": REFUSED,  # client order id is not the one of this order id
    "-2042": LOGGED_OUT,  # no more subscriptions on this connection: another one is needed
    "-2043": REFUSED,
    # FIX only; listed so that the table is the whole of errors.md
    "-1033": FATAL,  # comp id in use
    "-1034": THROTTLED,  # too many connections
    "-1035": LOGGED_OUT,
    "-1169": FATAL,
    "-1170": FATAL,
    "-1171": FATAL,
    "-1172": FATAL,
    "-1173": FATAL,
    "-1174": FATAL,
    "-1175": FATAL,
    "-1176": FATAL,
    "-1177": FATAL,
    "-1178": FATAL,
    "-1179": FATAL,
    "-1180": LOGGED_OUT,
    "-1181": THROTTLED,  # too many messages
    "-1182": FATAL,
    "-1183": FATAL,
    "-1184": FATAL,
    "-1185": FATAL,
    "-1186": FATAL,
    "-1187": FATAL,
    "-1188": FATAL,
    "-1189": FATAL,
    "-1190": FATAL,
    "-1191": FATAL,
    # market streams: our control message was wrong
    "0": FATAL,
    "1": FATAL,
    "2": FATAL,
    "3": FATAL,
}

OF_NO_NEW_ORDER: Final = frozenset(
    {"-2011", "-2013", "-2016", "-2026", "-2035", "-2036", "-2038", "-2039", "-2042", "-2043"}
)
"""What answers a question, a cancel, an amend or a subscription alone: in answer to a new order it
is somebody else's answer, and proves nothing of this one."""

ALIVE: Final = "duplicate order sent"
"""An order with this client order id is open at the venue: whose, only a query can tell."""

FORBIDDEN: Final = frozenset(
    {
        "this action is disabled on this account",
        "this action disabled is on this account",  # so it was seen, too
        "this account may not place or cancel orders",
        "rest api trading is not enabled",
        "websocket api trading is not enabled",
        "fix api trading is not enabled",
    }
)
"""Refusals by the account's or the server's settings: no repetition will help."""

FORBIDDEN_SYMBOL: Final = frozenset(
    {
        "this symbol is not permitted for this account",
        "this symbol is restricted for this account",
    }
)
"""Refusals of one symbol alone."""

WEATHER: Final = frozenset(
    {
        "order would immediately match and take",
        "account has insufficient balance for requested action",
        "unknown order sent",
        "market is closed",
        "order book liquidity is less than lot_size filter minimum quantity",
        "order book liquidity is less than market_lot_size filter minimum quantity",
        "order book liquidity is less than symbol minimum quantity",
    }
)
"""What the venue says to who does nothing wrong: the market, a fill or a transfer was faster."""

_ENGINE_CODES: Final = frozenset({"-1010", "-1013", "-2010", "-2011", "-2038"})
"""Codes whose messages say what they mean."""

_SYMBOL_CODES: Final = frozenset({"-1121", "-1122"})

_WAITING_CODES: Final = frozenset(
    {"-1000", "-1001", "-1006", "-1007", "-1008", "-1016", "-1021", "-1112", "-2013", "-2026"}
)
"""The venue's own trouble, a clock that is being set, and races."""


def _plain(text: str) -> str:
    """Return a message as the tables spell it: in small letters, without its stop and quotes."""
    return text.strip().rstrip(".").replace("`", "").lower()


def of_code(code: str, text: str) -> Verdict:
    """Return what an error code proves; ``text`` matters for the matching engine's codes only."""
    if code in _ENGINE_CODES:
        words = _plain(text)
        if words == ALIVE:
            return UNKNOWN
        if words in FORBIDDEN or words in FORBIDDEN_SYMBOL:
            return FATAL
    return CODES.get(code, UNKNOWN)


def of_new_order(verdict: Verdict, code: str) -> Verdict:
    """Return what is proved of a new order by an answer of this verdict and code to it."""
    return UNKNOWN if code in OF_NO_NEW_ORDER else verdict


def remedy(code: str, text: str) -> Remedy:
    """Return what a refusal of an order, or of a change of one, asks of us."""
    words = _plain(text)
    if code in _SYMBOL_CODES or words in FORBIDDEN_SYMBOL:
        return Remedy.HALT_INSTRUMENT
    if words in FORBIDDEN or CODES.get(code) in (FATAL, LOGGED_OUT):
        return Remedy.HALT
    if words in WEATHER or code in _WAITING_CODES:
        return Remedy.PAUSE
    return Remedy.COUNT


def of_status(status: int) -> Verdict:
    """Return what a status without an error code proves.

    403 comes from the firewall in front of the venue: the request did not reach it, and more of
    them would prolong the block. Any 5xx leaves open what was executed.
    """
    if status == OK:
        return DONE
    if status == BANNED_STATUS:
        return BANNED
    if status in (LIMITED_STATUS, FORBIDDEN_STATUS):
        return THROTTLED
    return UNKNOWN


def of_error(status: int, code: str | None, text: str) -> Verdict:
    """Return what a failure proves: the status where it says more than the code, else the code.

    Too many orders come with the status of too many requests, and are another limit.
    """
    if code == ORDERS_CODE and status == LIMITED_STATUS:
        return OUT_OF_BUDGET
    if status >= SERVER_ERRORS or status in (BANNED_STATUS, LIMITED_STATUS, FORBIDDEN_STATUS):
        return of_status(status)
    if code is None:
        return UNKNOWN
    return of_code(code, text)
