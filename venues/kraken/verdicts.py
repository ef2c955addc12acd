"""What Kraken's errors prove: one verdict and one remedy for every text it documents.

A table and one rule for reading it. Whatever is not in the table is ``UNKNOWN``: the request may
have been accepted. An error is a text, ``E<category>:<what>``, at times with a detail after another
colon or in brackets: then the longest entry that it begins with counts.

Sources: S1 docs.kraken.com "Spot Error Messages" (page of 2026-05-27); S2 docs.kraken.com "Error
messages" of the newer reference (index of 2026-06); S3 "Spot WebSockets Introduction" (2026-05-27);
S4 WebSocket v1 reference, "Private errors"; S5 support.kraken.com "API error messages". C: seen by
several clients of the venue, documented nowhere that was found.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from core.model.events import Verdict
from core.model.venue import Remedy

DONE: Final = Verdict.DONE
REFUSED: Final = Verdict.REFUSED
UNKNOWN: Final = Verdict.UNKNOWN
OUT_OF_BUDGET: Final = Verdict.OUT_OF_BUDGET
THROTTLED: Final = Verdict.THROTTLED
BANNED: Final = Verdict.BANNED
LOGGED_OUT: Final = Verdict.LOGGED_OUT
FATAL: Final = Verdict.FATAL

PAUSE: Final = Remedy.PAUSE
COUNT: Final = Remedy.COUNT
HALT_INSTRUMENT: Final = Remedy.HALT_INSTRUMENT
HALT: Final = Remedy.HALT


class Meaning(NamedTuple):
    """What an error proves, what it asks of us, and where it is documented."""

    verdict: Verdict
    remedy: Remedy
    source: str


ERRORS: Final[dict[str, Meaning]] = {
    # the key, the signature, the session
    "EAPI:Invalid key": Meaning(FATAL, HALT, "S1"),
    "EAPI:Invalid signature": Meaning(FATAL, HALT, "S1"),
    # The next request has a higher one; where another process uses the key, it goes on.
    "EAPI:Invalid nonce": Meaning(REFUSED, COUNT, "S1"),
    "EAPI:Rate limit exceeded": Meaning(THROTTLED, PAUSE, "S2"),
    "EAPI:Feature disabled": Meaning(FATAL, HALT, "S5"),
    # Another connection requests a token of its own.
    "ESession:Invalid session": Meaning(LOGGED_OUT, PAUSE, "S4"),
    "EAccount:Invalid permissions": Meaning(FATAL, HALT, "S1"),
    "EAuth:Account temporary disabled": Meaning(FATAL, HALT, "S1"),
    "EAuth:Account unconfirmed": Meaning(FATAL, HALT, "S1"),
    "EAuth:Rate limit exceeded": Meaning(THROTTLED, PAUSE, "S1"),
    "EAuth:Too many requests": Meaning(THROTTLED, PAUSE, "S1"),
    "EGeneral:Permission denied": Meaning(FATAL, HALT, "S1"),
    # Some 15 minutes; "do not retry": asking on makes it longer.
    "EGeneral:Temporary lockout": Meaning(BANNED, PAUSE, "S1"),
    # the request itself
    "EGeneral:Invalid arguments": Meaning(FATAL, HALT, "S1"),
    # A field of the order, on this pair.
    "EGeneral:Invalid arguments:price": Meaning(REFUSED, COUNT, "C"),
    "EGeneral:Invalid arguments:volume": Meaning(REFUSED, COUNT, "C"),
    "EGeneral:Invalid arguments:Index unavailable": Meaning(REFUSED, COUNT, "S1"),
    "EGeneral:Unknown method": Meaning(FATAL, HALT, "S5"),
    # It says nothing of how far the request came.
    "EGeneral:Internal error": Meaning(UNKNOWN, PAUSE, "S1"),
    "ETrade:Invalid request": Meaning(FATAL, HALT, "S1"),
    "EQuery:Unknown asset": Meaning(FATAL, HALT, "S2"),
    "EQuery:Unknown asset pair": Meaning(FATAL, HALT_INSTRUMENT, "S2"),
    "Currency pair not supported": Meaning(FATAL, HALT_INSTRUMENT, "S3"),
    # the service
    # "The matching engine or API is offline": which of them, and since when, it does not say.
    "EService:Unavailable": Meaning(UNKNOWN, PAUSE, "S1"),
    "EService:Busy": Meaning(UNKNOWN, PAUSE, "S5"),
    "EService:Throttled": Meaning(THROTTLED, PAUSE, "S5"),
    "EService:Market in cancel_only mode": Meaning(REFUSED, PAUSE, "S1"),
    "EService:Market in post_only mode": Meaning(REFUSED, PAUSE, "S1"),
    "EService:Market in limit_only mode": Meaning(REFUSED, PAUSE, "S4"),
    # "Timed out": the engine matches nothing after it, but that it refused is not said.
    "EService:Deadline elapsed": Meaning(UNKNOWN, PAUSE, "S1"),
    # orders
    "EOrder:Insufficient funds": Meaning(REFUSED, PAUSE, "S1"),
    "EOrder:Order minimum not met": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Cost minimum not met": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Tick size check failed": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Invalid price": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Rate limit exceeded": Meaning(OUT_OF_BUDGET, PAUSE, "S1"),
    "EOrder:Domain rate limit exceeded": Meaning(OUT_OF_BUDGET, PAUSE, "S1"),
    "EOrder:Orders limit exceeded": Meaning(REFUSED, PAUSE, "S1"),
    "EOrder:Scheduled orders limit exceeded": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Positions limit exceeded": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Unknown position": Meaning(REFUSED, COUNT, "S1"),
    # A cancel or amend that came too late is one; it does not say what became of the order.
    "EOrder:Unknown order": Meaning(REFUSED, PAUSE, "C"),
    # The same, of an id that the venue has no order of.
    "EOrder:Invalid order": Meaning(REFUSED, PAUSE, "C"),
    "EOrder:Post only order": Meaning(REFUSED, PAUSE, "C"),
    "EOrder:Cannot open position": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Cannot open opposing position": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Margin allowance exceeded": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Margin level too low": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Margin position size exceeded": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Insufficient margin": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Reduce only:Non-PC": Meaning(REFUSED, COUNT, "S1"),
    "EOrder:Reduce only:No position exists": Meaning(REFUSED, COUNT, "S1"),
    # "Order will match as much as possible and cancel back the rest with this error."
    "EOrder:Reduce only:Position is closed": Meaning(UNKNOWN, COUNT, "S1"),
    "EBM:limit exceeded:CAL": Meaning(REFUSED, COUNT, "S1"),
    # withdrawals: never requested here, listed so that the table is the whole of the pages
    "EFunding:Max fee exceeded": Meaning(FATAL, HALT, "S1"),
    "EFunding:No funding method": Meaning(FATAL, HALT, "S2"),
    "EFunding:Too many addresses": Meaning(FATAL, HALT, "S2"),
}

_ANYTHING: Final = Meaning(UNKNOWN, COUNT, "")
_DETAIL: Final = (":", " ")
"""What begins a detail behind an error's own words."""

CALLS_ERROR: Final = "EAPI:Rate limit exceeded"

UNNAMED: Final = "success: false"
"""The code of a refusal that names no error."""

OK: Final = 200
FORBIDDEN_STATUS: Final = 403
LIMITED_STATUS: Final = 429


def meaning(error: str) -> Meaning:
    """Return the entry of an error: its own, or the longest that it begins with."""
    found = ERRORS.get(error)
    if found is not None:
        return found
    begins = [text for text in ERRORS if error.startswith(text) and error[len(text)] in _DETAIL]
    return ERRORS[max(begins, key=len)] if begins else _ANYTHING


def of_error(error: str) -> Verdict:
    """Return what an error proves about the request that it answers."""
    return meaning(error).verdict


def of_question(error: str) -> Verdict:
    """Return what an error proves that answers a question by REST.

    Those have a counter of their own, which neither orders nor cancels cost ("Spot REST Rate
    Limits"): where it is full, they alone have to wait.
    """
    return OUT_OF_BUDGET if error.startswith(CALLS_ERROR) else of_error(error)


def remedy(error: str) -> Remedy:
    """Return what a refusal of an order, or of a change of one, asks of us."""
    return meaning(error).remedy


def of_status(status: int) -> Verdict:
    """Return what an HTTP status without an error of the venue's proves.

    Every answer of the venue itself has 200 (S2); 403 and 429 come from what stands in front of it,
    so that the request did not reach it. Any other leaves open what was done.
    """
    if status == OK:
        return DONE
    return THROTTLED if status in (FORBIDDEN_STATUS, LIMITED_STATUS) else UNKNOWN
