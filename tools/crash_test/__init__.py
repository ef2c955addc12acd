"""``python -m tools.crash_test``: strike a trading run again and again, and hold it to the ledger.

The built-in exchange runs in a process of its own and sees only its clients come and go, over a
relay that can be cut. Each round starts ``hotloop run`` on the same folder and strikes: run and
guardian are killed or stopped, alone and together, while they start, recover, trade or leave; the
run is starved, its output blocked, its disk filled; the exchange stops, refuses, or is set up anew.

Here are ``exchange`` and ``application`` (what is struck), ``strikes`` (how, and what has to follow
at once), ``checks`` (what has to be so after each strike) and ``rounds`` (their order, and the
end). What would be shown by nothing having happened is refused: a strike that needs a guardian has
to find one, and some strikes of every kind that trades have to meet open orders.
"""
