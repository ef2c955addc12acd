"""Simulated worlds: the whole engine against the whole exchange, on virtual time.

Here lives what stands in for the outside (time, network, disk) and nothing of the application
itself: engine, adapter and exchange are the real ones, and do not know.

To add a **fault**: a function that strikes once, in the module of its theme (``message_faults``,
``order_faults``, ``exchange_faults`` for both rings, ``faults`` for the tank alone,
``process_faults`` for the world ring alone), or in a new module that ``everywhere.SHARED`` lists.
It gets the world, returns what passes instead and how the promised reaction is recognised, and has
a line in its module's ``FAULTS`` and a place in its row of ``docs/faults.md``. Each fault draws
from a generator of its own, so that a new one leaves the others as they were. A fault that struck
often and was never answered is a violation of its own (I23).

To add an **invariant**: a ``Watch`` in ``tools.world.audit``, in the module of its question or in a
new one that ``auditor.WATCHES`` lists. It overrides what it has to hear, keeps books of its own,
and says ``self.note("I27", "what, by how much")``. It may hold the engine against these books; it
never takes from the engine, or from its log, what is true.

To add a **canary**: functions that break a rule, in the module of its theme in
``tools.world.canaries``, an entry in its ``CANARIES`` and a row in ``docs/faults.md``. Worlds have
to catch it from whatever seed one begins: where only few do, something has to happen more often.
"""
