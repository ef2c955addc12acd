"""The Kraken Spot dialect: REST under /0, WebSocket v2, its error texts, signing and counters.

    pairs        what the venue calls assets and pairs, over REST and over WebSockets
    numbers      how it writes numbers, times and ids
    exchange     accounts, keys, tokens, the trading engine's state, timers
    trading      placing, amending and cancelling: what REST and WebSockets share
    rest         endpoints
    session      one WebSocket
    market_data  book changes -> messages with checksums
    reports      what happens to an account -> executions and balances
    venue        all of it without a wire

Source of every rule: docs.kraken.com as it was in May 2026 (guides spot-ratelimits, spot-errors,
spot-ws-intro, spot-ws-book-v2, spot-ws-l3-v2; the pages of websocket-v2 and rest-api). Nothing here
was read from hotloop's own adapter. What the pages leave open is in NOTES.md.
"""
