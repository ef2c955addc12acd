"""What a run folder holds, and a person's word on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.checkpoint import Checkpoint, HaltNote, OrderNote, Restored
from core.io.journal_file import next_boot as next_boot_number
from core.io.journal_file import read
from core.io.last_boot import last_boot
from core.io.run_folder import RunFolder
from core.model.commands import NEWEST_TRADE
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


def died(tmp_path: Path) -> None:
    """Leave the folder as a first boot does that dies."""
    next_boot_number(tmp_path)
    Boot(tmp_path, 1, segment_bytes=1 << 20).checkpoint().die()


def test_a_folder_without_trades_holds_nothing(tmp_path: Path, capsys) -> None:
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
    assert told.checkpoint.positions[0].last_trade_id == NEWEST_TRADE
    again = trading(next_boot(w, told))
    again.run(1)
    assert again.engine.positions[0].lots == 700
    assert again.engine.positions[0].bought_quote_units == 700 * 6_400_000
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
        client_order_id="h-1-1",
        venue_order_id=7,
        side=Side.BUY,
        price_ticks=100,
        size_lots=1,
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
    assert lines[1:] == [
        "in doubt: order h-1-1 on BTCUSDT",
        "halted: the ledgers differ",
        "halted ETHUSDT: so do these",
        lines[4],  # that orders may stand which trade before the next start
        "damaged: a hole; the figures above are those of the last checkpoint",
    ]


def test_orders_that_may_stand_are_told_to_who_sets_a_position(tmp_path: Path, capsys) -> None:
    died(tmp_path)
    position(str(tmp_path), "set", "BTCUSDT", "1", "65000")
    assert "did not leave in order" in capsys.readouterr().out
