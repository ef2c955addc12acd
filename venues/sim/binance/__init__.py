"""The Binance Spot dialect: its paths, JSON, error codes, streams, signing and rate limits.

    exchange    the venue's rules: request -> reply, and the events it caused
    methods     what may be asked, what it weighs, who answers
    rest        endpoints and headers
    ws_api      one connection of the WebSocket API
    streams     one connection of the market streams
    market_data book changes -> stream payloads
    venue       all of it without a wire

Source of every rule: github.com/binance/binance-spot-api-docs at a5e0bc3 (2026-07-21).
"""
