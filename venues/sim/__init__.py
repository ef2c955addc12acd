"""A real exchange in a process of its own: a venue's protocols over loopback sockets.

Law of this package: it imports nothing from ``core``, so that hotloop's own adapters are checked
against an independent reading of each venue's documentation. Everything below the edges is
synchronous, takes the time as an argument and draws randomness only from generators passed in::

    matching    price-time priority of one symbol
    accounts    balances, keys
    records     what each account owns and has placed, and what it is told
    floor       accepted orders: they work, wait for a price or for one another, trade, end
    engine      requests of accounts, and the background's
    faults      what goes wrong on the way of a message
    actions     what others do to the exchange while it runs
    traders     seeded background traders

What one venue says in its own way is a dialect, in a folder of its own (``binance``). The edges
are the only modules with clocks and sockets: ``http_server``, ``sockets`` and ``server``. Numbers
inside are integers of 1e-8; outside they are the venue's own text.
"""
