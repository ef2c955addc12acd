"""What has traded, put together over any time."""

from hypothesis import given
from hypothesis import strategies as st

from venues.sim.durations import MINUTE_NS, SECOND_NS
from venues.sim.tape import Tape, Trade

STEPS = st.lists(
    st.tuples(
        st.integers(0, 200), st.integers(1, 9), st.integers(1, 9), st.booleans(),
        st.lists(st.integers(0, 900), max_size=2),
    ),
    max_size=30,
)  # fmt: skip


@given(STEPS)
def test_a_candle_since_any_time_is_that_of_the_trades_since_its_next_minute(
    steps: list[tuple[int, int, int, bool, list[int]]],
) -> None:
    tape, now_ns, trades = Tape(), 1_767_225_600 * SECOND_NS, list[Trade]()
    for wait, price, quantity, is_sell, asked in steps:
        now_ns += wait * SECOND_NS
        quote = price * quantity
        trades.append(Trade(len(trades), price, quantity, quote, now_ns, 1, 2, is_sell))
        tape.add(trades[-1])
        for back in asked:
            since_ns = now_ns - back * SECOND_NS
            found = tape.since(since_ns)
            wanted = [t for t in trades if t.time_ns // MINUTE_NS * MINUTE_NS >= since_ns]
            if found is None:
                assert not wanted
                continue
            assert (found.first_id, found.last_id) == (wanted[0].trade_id, wanted[-1].trade_id)
            assert (found.open, found.close) == (wanted[0].price, wanted[-1].price)
            assert found.high == max(one.price for one in wanted)
            assert found.low == min(one.price for one in wanted)
            assert found.quote == sum(one.quote for one in wanted)
            assert found.volume == sum(one.quantity for one in wanted)
            assert found.count == len(wanted)
            assert found.open_ns == wanted[0].time_ns // MINUTE_NS * MINUTE_NS
