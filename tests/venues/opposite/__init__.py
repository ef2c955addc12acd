"""A venue that exists nowhere, and answers the opposite of Binance to all that core asks.

What it answers is one field of ``Answers`` each, so that a test can turn each round by itself. It
has an adapter like any venue's, its tiny exchange beside it, and no bytes of anybody's protocol:
one JSON object a message. Prices and sizes are counts of ticks and lots on the wire as well.
"""
