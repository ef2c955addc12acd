"""Venues: one package each, a set of answers called ``VENUE``; ``sim`` is an exchange itself.

``kit`` is what they share.

A venue knows the words of core and its wire codecs, never another venue, a machine or the engine.
"""
