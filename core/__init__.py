"""The core of hotloop: one strategy, one venue, one pinned loop from socket to socket.

The way of the data::

    socket -> read -> frames -> decode -> book -> strategy -> risk -> orders -> encode -> send
    core/io  |--------------- plain calls, no await: core, venues, strategies ---------| core/io

The layers are the folders; imports point down only::

    io/          await, trio, sockets, TLS, httpx, clocks and files: nowhere else
    engine/      engine: the turns, and who takes which event; around it its components, one
                 question each (docs/carrying-on.md lists them)
    state/       one noun each, synchronous, time is an argument, none imports another: book,
                 orders, position, risk, throttle, session, timers, journal, hops and others
    protocols/   bytes <-> messages: WebSocket
    model/       values and what may be said: units, instrument, events, commands, errors, views,
                 strategy, venue, config

Above core ``tools.app`` wires a run; it is the one module that names venues and strategies.

The hops, in the order a tick passes them: kernel, read, decode, book, strategy, risk, encode,
send; their sums tick_to_trade and wire_to_wire; beside them tick_gap, order_ack, cancel_ack,
feed_age, loop_lag, timer_lag, gc, rehearsal, rehearsal_met. ``core.state.hops`` says what each is.
"""
