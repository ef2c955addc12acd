"""What a run folder holds, and a person's word on it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.engine.checkpoint import Checkpoint, HaltNote, OrderNote, Restored
from core.io.journal_file import next_boot as next_boot_number
from core.io.journal_file import read
from core.io.last_boot import last_boot
from core.io.run_folder import RunFolder
from core.model.errors import BadConfig, BadParameter
from core.model.events import Side
from core.model.halts import HaltKind
from core.state.journal import Kind
from tests.core.io.test_last_boot import Boot
from tests.world.test_continuity import crashed, next_boot, trading
from tests.world.test_recovery import world
from tools.cli import main
from tools.position import set_note, told


def position(*words: str) -> int:
    return main(["position", *words])


CONFIG = """
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT", "ETHUSDT"]
streams = ["depth"]

[endpoints]
rest = "http://127.0.0.1:1"
stream = "ws://127.0.0.1:2"
ws_api = "ws://127.0.0.1:2"

[run]
dir = "."

[strategy]
name = "observer"
"""


def died(tmp_path: Path, *, sent: bytes = b"") -> None:
    """Leave the folder as a first boot does that dies."""
    next_boot_number(tmp_path)
    (tmp_path / "config.toml").write_text(CONFIG)
    boot = Boot(tmp_path, 1, segment_bytes=1 << 20).checkpoint()
    if sent:
        boot.write(Kind.SEND, sent)
    boot.die()


def test_a_folder_without_trades_holds_nothing(tmp_path: Path, capsys) -> None:
    next_boot_number(tmp_path)
    assert position(str(tmp_path)) == 0
    assert "nothing is held" in capsys.readouterr().out


def test_what_was_set_is_shown_and_journaled_with_its_reason(tmp_path: Path, capsys) -> None:
    died(tmp_path)
    assert position(str(tmp_path), "set", "BTCUSDT", "-0.117", "65000.5", "--why", "counted") == 0
    capsys.readouterr()
    assert position(str(tmp_path)) == 0
    assert "BTCUSDT  -0.117 at 65000.500" in capsys.readouterr().out
    notes = [record.payload for record in read(tmp_path) if record.kind == Kind.NOTE]
    assert any(b"BTCUSDT" in note and note.endswith(b": counted") for note in notes)


def test_the_boot_before_is_still_the_one_that_died(tmp_path: Path) -> None:
    died(tmp_path)
    position(str(tmp_path), "set", "BTCUSDT", "1", "65000")
    found = last_boot(tmp_path)
    assert found is not None
    assert (found.checkpoint.boot, found.clean, found.ended_ns) == (1, False, 1_002)


def test_it_is_refused_while_a_run_lives_in_the_folder(tmp_path: Path, capsys) -> None:
    next_boot_number(tmp_path)
    with RunFolder(tmp_path):
        assert position(str(tmp_path), "set", "BTCUSDT", "1", "65000") == 2
    assert "another process runs in it" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "price"), [("1e3", "1"), ("NaN", "1"), ("1", "-5"), ("", "1")])
def test_what_is_no_number_is_refused(size: str, price: str) -> None:
    with pytest.raises(BadParameter, match="BTCUSDT"):
        set_note(None, "BTCUSDT", size, price)


def test_what_was_set_is_what_the_next_boot_holds_and_older_trades_are_in_it() -> None:
    w = world()
    w.buy(6_501_000, 500)
    w.run(11)
    told = crashed(w)
    told.checkpoint.positions[0] = set_note(
        told.checkpoint.positions[0], "BTCUSDT", "0.007", "64000"
    )
    assert told.checkpoint.positions[0].settled is None
    again = trading(next_boot(w, told))
    again.run(1)
    assert again.engine.positions[0].lots == 700
    assert again.engine.positions[0].bought_value == 700 * 6_400_000
    again.other("BUY", "64000.00", "1")  # a change, for the snapshot to bridge
    again.run_until(lambda: again.engine.books[0].live)
    again.buy(6_501_000, 100)
    again.run(0.2)
    assert again.engine.positions[0].lots == 800


def test_no_folder_is_made_by_looking(tmp_path: Path) -> None:
    assert position(str(tmp_path / "nowhere")) == 2
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_of_files_that_are_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(BadConfig), RunFolder(tmp_path):
        pass


def test_orders_in_doubt_halts_and_damage_are_told_beside_what_is_held() -> None:
    order = OrderNote(
        symbol="BTCUSDT",
        tick="0.01",
        lot="0.00001",
        client_order_id="h-1-1",
        venue_order_id="7",
        side=Side.BUY,
        price_ticks=100,
        size_lots=1,
        placed_lots=1,
        filled_lots=0,
        traded_lots=0,
        trade_ids=[],
        sent_ns=1,
    )
    halts = [
        HaltNote(kind=HaltKind.LEDGER, symbol="", why="the ledgers differ"),
        HaltNote(kind=HaltKind.LEDGER, symbol="ETHUSDT", why="so do these"),
    ]
    held = Checkpoint(
        boot=1,
        time_ns=1,
        positions=[set_note(None, "BTCUSDT", "0.117", "65000")],
        orders=[order],
        halts=halts,
    )
    lines = list(told(Restored(checkpoint=held, ended_ns=1, clean=False, damage="a hole")))
    assert lines[0].startswith("BTCUSDT  0.117 at 65000")
    assert "orders of it may stand (h-1-1; and what the journal has lost)" in lines[4]
    assert lines[1:] == [
        "in doubt: order h-1-1 on BTCUSDT",
        "halted: the ledgers differ",
        "halted ETHUSDT: so do these",
        lines[4],
        "damaged: a hole; the figures above are those of the last checkpoint",
    ]


def test_no_position_is_set_while_orders_of_a_run_that_died_may_stand(tmp_path, capsys) -> None:
    died(tmp_path, sent=b"an order")
    setting = (str(tmp_path), "set", "BTCUSDT", "1", "65000")
    assert position(*setting) == 2
    told = capsys.readouterr().err
    assert "orders of it may stand (1 requests since the last checkpoint)" in told
    assert "--no-order-stands" in told
    found = last_boot(tmp_path)
    assert found is not None
    assert found.checkpoint.positions == [], "nothing was set"
    assert position(*setting, "--no-order-stands", "--why", "seen") == 0
    notes = [record.payload for record in read(tmp_path) if record.kind == Kind.NOTE]
    assert any(b": seen (said: no order" in note for note in notes)


def test_a_run_that_died_and_has_sent_nothing_leaves_no_order(tmp_path: Path, capsys) -> None:
    died(tmp_path)
    assert position(str(tmp_path), "set", "BTCUSDT", "1", "65000") == 0
    assert "may stand" not in capsys.readouterr().out


def test_what_a_run_may_have_left_without_a_word_of_it_is_in_doubt() -> None:
    held = Checkpoint(boot=1, time_ns=1, positions=[], orders=[])
    died = Restored(checkpoint=held, ended_ns=1, clean=False)
    assert not died.may_stand
    assert replace(died, ended_ns=0).may_stand, "of its end there is no record"
    assert replace(died, damage="a hole").may_stand
    assert not replace(died, damage="a hole", clean=True).may_stand


def test_a_symbol_that_is_mistyped_is_refused_and_the_right_one_named(tmp_path, capsys) -> None:
    died(tmp_path)
    assert position(str(tmp_path), "set", "BTCUSTD", "1", "65000") == 2
    told = capsys.readouterr().err
    assert "BTCUSTD was never traded in this run folder; did you mean BTCUSDT?" in told
    assert "Its symbols are BTCUSDT, ETHUSDT" in told


def test_a_folder_that_no_run_was_started_in_is_none_and_stays_as_it_is(tmp_path, capsys) -> None:
    assert position(str(tmp_path)) == 2
    assert "no run was ever started in it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_was_stated_too_fine_is_stated_again() -> None:
    with pytest.raises(BadParameter, match="too large"):
        set_note(None, "BTCUSDT", "0.123456789012345678901234567890", "1")
    fine = set_note(None, "BTCUSDT", "0.000000000000000001", "0.000000000000000001")
    mended = set_note(fine, "BTCUSDT", "123", "65000")
    assert (mended.lot, mended.bought_lots) == ("1", 123)
    assert (mended.tick, mended.bought_value) == ("1", 123 * 65_000)
