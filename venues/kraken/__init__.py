"""Kraken Spot: JSON market data over WebSocket v2, questions by REST.

``VENUE`` is all that the application needs to know of this package. Quirks and sources: NOTES.md.
"""

from core.model.venue import HTTPS, Credentials, Endpoint, Environment, Venue, Verified
from venues.kraken.adapter import LEVEL3, PRIVATE, PUBLIC, SpotAdapter
from venues.kraken.signer import KEY_FIELDS, KeySigner


def _logs_on(credentials: Credentials) -> bool:
    """Whatever the key: a connection is opened with a token, and its requests carry that alone."""
    return True


VENUE = Venue(
    name="kraken",
    endpoints=(
        Endpoint(
            name="rest",
            what="REST: instruments, the token, questions, cancels beside the connection",
            scheme=HTTPS,
            urls={Environment.LIVE: "https://api.kraken.com"},
        ),
        Endpoint(
            name=PUBLIC,
            what="market data",
            scheme="wss",
            urls={Environment.LIVE: "wss://ws.kraken.com/v2"},
        ),
        Endpoint(
            name=PRIVATE,
            what="orders, and what becomes of them",
            scheme="wss",
            urls={Environment.LIVE: "wss://ws-auth.kraken.com/v2"},
        ),
        Endpoint(
            name=LEVEL3,
            what='books told order by order: in the place of `public` for `streams = ["orders"]`',
            scheme="wss",
            urls={Environment.LIVE: "wss://ws-l3.kraken.com/v2"},
            optional=True,
        ),
    ),
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
