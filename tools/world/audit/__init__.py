"""What the auditor watches, a module for each question: ``tools.world.auditor`` makes them all.

Each has a ``Watch``: it hears what the exchange does, what crosses the wire and what passes
between strategy and desk, keeps books of its own, and notes what must not be. None of them asks the
code under test for what is true; at rest they hold it against what they know.
"""
