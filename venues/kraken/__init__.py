"""Kraken Spot: JSON market data over WebSocket v2, questions by REST.

``VENUE`` is all that the application needs to know of this package. Quirks and sources: NOTES.md.
"""

from core.model.venue import Credentials, Endpoints, Environment, Venue, Verified
from venues.kraken.adapter import MARKET_LINE, ORDERS_URL, TRADE_LINE, SpotAdapter
from venues.kraken.signer import KEY_FIELDS, KeySigner


def _logs_on(credentials: Credentials) -> bool:
    """Whatever the key: a connection is opened with a token, and its requests carry that alone."""
    return True


VENUE = Venue(
    name="kraken",
    endpoints={
        Environment.LIVE: Endpoints(
            rest="https://api.kraken.com",
            lines={
                MARKET_LINE: "wss://ws.kraken.com/v2",
                TRADE_LINE: "wss://ws-auth.kraken.com/v2",
                ORDERS_URL: "wss://ws-l3.kraken.com/v2",
            },
        ),
    },
    adapter=SpotAdapter,
    key_fields=KEY_FIELDS,
    signer=KeySigner,
    logs_on=_logs_on,
    verified=(
        Verified("messages, limits, error texts", "docs.kraken.com, pages of 2026-05-27"),
        Verified("signatures", "the vector of the documentation"),
        Verified(
            "checksums of books",
            "the documentation's example, and books of version 1 recorded at the venue, 2021-04",
        ),
    ),
)

__all__ = ["VENUE"]
