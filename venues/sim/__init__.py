"""A real exchange in a process of its own: Binance Spot's protocols over loopback sockets.

Law of this package: it imports nothing from ``core``, so that hotloop's own adapter is checked
against an independent reading of the venue's documentation. Everything below the edges is
synchronous, takes the time as an argument and draws randomness only from generators passed in::

    matching    price-time priority of one symbol
    accounts    balances, keys, fees
    exchange    the venue's rules: request -> reply, and the events it caused
    traders     seeded background traders
    market_data book changes -> stream payloads

The edges are the only modules with clocks and sockets: ``rest``, ``streams``, ``ws_api`` and
``server``. Numbers inside are integers of 1e-8; outside they are the venue's own text.

Source of every rule: github.com/binance/binance-spot-api-docs at a5e0bc3 (2026-07-21).
"""
