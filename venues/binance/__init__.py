"""Binance Spot: JSON market streams, orders and the private stream over the WebSocket API.

``VENUE`` is all that the house needs to know of this package. Quirks and sources: NOTES.md.
"""

from core.model.venue import HTTPS, Endpoint, Environment, Venue, Verified
from venues.binance.adapter import STREAM, WS_API, SpotAdapter
from venues.binance.signer import KEY_FIELDS, KeySigner, logs_on

VENUE = Venue(
    name="binance",
    endpoints=(
        Endpoint(
            name="rest",
            what="REST: instruments, snapshots, questions, cancels beside the connection",
            scheme=HTTPS,
            urls={
                Environment.LIVE: "https://api.binance.com",
                Environment.TESTNET: "https://testnet.binance.vision",
            },
        ),
        Endpoint(
            name=STREAM,
            what="market data",
            scheme="wss",
            urls={
                Environment.LIVE: "wss://stream.binance.com:9443",
                Environment.TESTNET: "wss://stream.testnet.binance.vision",
            },
        ),
        Endpoint(
            name=WS_API,
            what="orders, and what becomes of them",
            scheme="wss",
            urls={
                Environment.LIVE: "wss://ws-api.binance.com:443/ws-api/v3",
                Environment.TESTNET: "wss://ws-api.testnet.binance.vision/ws-api/v3",
            },
        ),
    ),
    adapter=SpotAdapter,
    key_fields=KEY_FIELDS,
    signer=KeySigner,
    logs_on=logs_on,
    verified=(
        Verified(
            "messages, limits, error codes", "the venue's documentation, a5e0bc3 (2026-07-21)"
        ),
        Verified("signatures", "the vectors of the documentation, HMAC and Ed25519"),
        Verified("books and best prices", "frames recorded at the venue, 2021-10 and 2024-08"),
        Verified(
            "orders and account",
            "the built-in exchange, which public clients use unchanged (docs/peers.md)",
        ),
    ),
)

__all__ = ["VENUE"]
