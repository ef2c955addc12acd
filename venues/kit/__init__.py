"""What adapters share: the parts of a venue's answers that are no venue's own.

Here live signatures, forms and queries, headers, numbers and the one boundary of decoding: pure
functions and small classes that a venue puts together. What never does: a venue's names, codes or
limits, and anything with I/O. It knows ``core.model`` and ``core.protocols`` alone, and no venue.
"""
