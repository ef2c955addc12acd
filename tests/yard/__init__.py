"""The yard: real processes, real sockets and files, and what an operating system does to them.

``hotloop run`` trades against ``hotloop sim`` over the loopback, and is stopped, starved, killed
and lied to. Time is real here, so nothing asserts how long anything took: what is asserted is the
exchange's ledger and the run's journal. ``-m "not yard"`` leaves these tests out.
"""
