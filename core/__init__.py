"""The core of hotloop: one strategy, one venue, one pinned loop from socket to socket.

The way of the data::

    socket -> read -> frames -> decode -> book -> strategy -> risk -> orders -> encode -> send
    core/io  |--------------- plain calls, no await: core, venues, strategies ---------| core/io

The floors; imports point down only::

    app        wires the house; the one module that names venues and strategies
    io/        await, trio, sockets, TLS, httpx, clocks and files: nowhere else
    engine     engine: the turns, and who takes which fact; around it its rooms: lines, overlap,
               market_data, callbacks, desk, outbound, replies, proof, remedies, executions,
               account, reference_data, profits, prices, gate, operator, recovery, continuity,
               flatten, ledger: one question each
    machines   book, sequence, orders, position, risk, daily_loss, throttle, session, inflight,
               doubts, reconcile, timers, venue_clock, journal, checkpoint, counts, chatter, hops,
               wire/: one noun each, synchronous, time is an argument, none imports another
    words      units, instrument, events, commands, errors, views, strategy, venue, config:
               values and what may be said

The hops, in the order a tick passes them: kernel, read, decode, book, strategy, risk, encode,
send; their sums tick_to_trade and wire_to_wire; beside them order_ack, cancel_ack, feed_age,
loop_lag, timer_lag, gc. ``core.hops`` says what each is.
"""
