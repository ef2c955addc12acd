"""What people read of orders: symbol, side, size and price, in the words of who trades.

Here values become text for logs, for ``status`` and for the last line of a run. Ticks, lots, quote
units, indexes and names of our own classes never leave through here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from core.model.events import Side
from core.model.instrument import Instrument
from core.model.units import NS_PER_S
from core.model.views import OrderView

MOST_NAMED = 10
"""Orders named in one line; a count stands for the rest."""


def side_text(side: Side) -> str:
    return "buy" if side > 0 else "sell"


def order_text(row: Instrument, order: OrderView) -> str:
    """Return one of our orders as a person names it, with the id to find it by at the venue."""
    at = f"at {row.price_text(order.price_ticks)}" if order.price_ticks else "at market"
    filled = f", {row.lot.text(order.filled_lots)} filled" if order.filled_lots else ""
    return (
        f"{row.symbol} {side_text(order.side)} {row.size_text(order.size_lots)} {at}"
        f" ({order.state}{filled}, id {order.client_order_id})"
    )


def count_text(count: int, noun: str) -> str:
    """Return "1 order" or "2 orders"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def seconds_text(ns: int) -> str:
    """Return a length of time for people: "1.5 s"."""
    return f"{ns / NS_PER_S:.3g} s"


def date_text(ns: int) -> str:
    """Return a time since the epoch for people, to the second: "2026-03-27 08:00:00 UTC"."""
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def plain(text: str) -> str:
    """Return a text of anybody's as one line that no terminal obeys and every file takes.

    A line's end becomes a space; what else cannot be printed (escape sequences, halves of a
    character that never was one) is shown as Python writes it.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else _as_written(letter)
        for letter in text.replace("\n", " ")
    )


def plain_lines(text: str) -> str:
    """Return a text of anybody's as lines that no terminal obeys."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _as_written(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def listed(texts: list[str]) -> str:
    """Join what may be many: the first ones, and how many more there are."""
    shown = "; ".join(texts[:MOST_NAMED])
    more = len(texts) - MOST_NAMED
    return f"{shown}; and {more} more" if more > 0 else shown


MOST_OF_A_PAGE: Final = 4_096
"""Bytes of a page in which its title is looked for; it stands near the top."""

MAX_TITLE: Final = 80
"""Characters of a title that are shown."""

_TITLE: Final = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


def web_page(status: int, body: bytes) -> str:
    """Say that a web page came in the venue's place, "" where a body is none.

    No venue's answer begins with ``<``: that is somebody else's, for people to read.
    """
    start = body[:MOST_OF_A_PAGE].lstrip()
    if not start.startswith(b"<"):
        return ""
    found = _TITLE.search(start.decode("utf-8", "replace"))
    title = plain(" ".join(found[1].split())[:MAX_TITLE]) if found else ""
    named = f' "{title}"' if title else ""
    return (
        f"a web page{named} comes in the venue's place (HTTP {status}): a proxy or firewall in "
        "between, or the venue is in maintenance"
    )
