"""``hotloop replay``: identical, or the first difference in context; what cannot be replayed."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from core.io.clock import EngineClock
from core.io.hlog import HlogFile
from core.io.journal_file import JournalFile
from core.io.run_log import RunLog
from core.io.runtime import Plan, Runtime
from core.model import config
from core.model.venue import KeyKind
from core.state.journal import ALIGNMENT, Header, Kind, Record
from tools import app, cli
from tools.recording import Recording
from tools.sources import source_digest
from tools.world.tank import KEYS as DEFAULT_KEYS
from tools.world.tank import MAKER, Tank
from venues.sim.server import running_exchange

ROOT = Path(__file__).parents[2]
END = b"left: test"
KEYS = {"identical", "inputs", "outputs", "events", "seconds", "first_difference"} | {
    "strategy_changed_since"
}


def header_of(tank: Tank) -> Header:
    application = tank.application_again()
    return Header(
        run_id=application.setup.scope,
        boot=application.setup.boot,
        config_digest=config.digest(application.config),
        seeds={"run": application.setup.seed},
        venue="binance",
        strategy=application.config.strategy.name,
        start_ns=tank.journal.records[0].time_ns,
        key=KeyKind.SIGNS,
    )


def save(
    folder: Path,
    tank: Tank,
    *,
    records: Sequence[Record] | None = None,
    header: Header | None = None,
    end: bool = True,
    segment_bytes: int = 1 << 20,
) -> Path:
    """Leave a tank's run in a folder, as a real one is left."""
    (folder / "config.toml").write_text(tank.config_text)
    journal = JournalFile(folder, header or header_of(tank), segment_bytes=segment_bytes)
    for record in tank.journal.records if records is None else records:
        journal.append(record.kind, record.connection, record.time_ns, record.payload)
        while journal.prepare():
            pass
    if end:
        journal.append(Kind.END, 0, tank.now_ns, END)
        journal.close()
    else:
        journal.flush()  # a process that dies cuts nothing off
    return folder


@pytest.fixture(scope="module")
def tank() -> Tank:
    return Tank(seed=5).run(4).leave()


@pytest.fixture(scope="module")
def recorded(tank: Tank, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("run"), tank)


def run(*arguments: object) -> int:
    return cli.main(["replay", *map(str, arguments)])


def as_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code = run(*arguments, "--json")
    found = json.loads(capsys.readouterr().out)
    assert set(found) == KEYS
    assert code == (0 if found["identical"] else 1)
    return found


# -- identical -------------------------------------------------------------------------------


def test_identical_is_said_with_what_was_compared(
    recorded: Path, tank: Tank, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recorded) == 0
    out = capsys.readouterr().out
    assert out.startswith("boot 1: identical: ")
    assert f"{tank.engine.counts.messages:,} events" in out
    assert "times faster" in out


def test_json_has_exactly_the_promised_keys(
    recorded: Path, tank: Tank, capsys: pytest.CaptureFixture[str]
) -> None:
    found = as_json(capsys, recorded)
    assert found["identical"] is True
    assert found["first_difference"] is None
    records = tank.journal.records
    assert found["inputs"] == sum(16 <= r.kind < 32 for r in records)
    assert found["outputs"] == sum(r.kind >= 32 for r in records)
    assert found["events"] == tank.engine.counts.messages
    assert found["seconds"] > 0


def test_a_strategy_whose_source_has_changed_since_is_named_whatever_else_is_found(
    tmp_path: Path, tank: Tank, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = type(tank.application.strategy)
    for digest, changed in ((source_digest(kind), []), ("0" * 64, [1])):
        folder = tmp_path / digest[:4]
        folder.mkdir()
        save(folder, tank, header=replace(header_of(tank), strategy_digest=digest))
        assert run(folder) == 0
        said = "the source of maker has changed since it was recorded"
        assert (said in capsys.readouterr().out) is bool(changed)
        assert as_json(capsys, folder)["strategy_changed_since"] == changed


@pytest.mark.parametrize("place", ["", "journal", "journal/000001.journal"])
def test_a_run_is_named_by_its_folder_its_journal_or_a_segment(recorded: Path, place: str) -> None:
    assert run(recorded / place) == 0


def test_another_process_with_other_hashes_replays_the_same(recorded: Path) -> None:
    for seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "tools", "replay", str(recorded), "--json"],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["identical"]


LIVE = """
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
[keys]
file = "keys.toml"
[strategy]
name = "maker"
[strategy.parameters]
{maker}
[risk]
max_order_size = "1"
max_order_notional = "100000"
max_position = "2"
max_daily_loss = "100000"
"""


async def test_a_run_over_real_sockets_replays_identically(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with trio.fail_after(30):
        async with running_exchange() as exchange:
            text = LIVE.format(
                rest=exchange.rest, stream=exchange.stream, ws_api=exchange.ws_api, maker=MAKER
            )
            (tmp_path / "config.toml").write_text(text)
            loaded = config.load(text, "live")
            key = app.venue_of(loaded, "live").key_kind(DEFAULT_KEYS)
            application = app.wire(loaded, "live", scope="hlive-", boot=1, seed=9, key=key)
            clock = EngineClock()
            header = Header(
                run_id="hlive-",
                boot=1,
                config_digest=config.digest(loaded),
                seeds={"run": 9},
                venue="binance",
                strategy="maker",
                start_ns=clock.now_ns(),
                key=key,
            )
            runtime = Runtime(
                Plan(
                    connections=application.adapter.connections,
                    rest_url=exchange.rest,
                    ca_file=None,
                    spin=False,
                    kernel_stamps=True,
                    seed=9,
                    leave_timeout_s=5,
                    hang_timeout_s=2,
                    start_timeout_s=60,
                ),
                application.engine,
                clock=clock,
                signer=application.venue.signer(DEFAULT_KEYS),
                restored=None,
                journal=JournalFile(tmp_path, header, segment_bytes=1 << 22),
                hop_log=HlogFile(tmp_path / "hops.hlog", clock.now_ns()),
                log=RunLog(tmp_path / "run.log"),
            )
            ending = await runtime.run(1.5, signals=False)
    assert ending.left
    found = as_json(capsys, tmp_path)
    assert found["identical"]
    assert found["events"] == runtime.engine.counts.messages > 100
    assert runtime.engine.orders.used > 0


# -- different -------------------------------------------------------------------------------


@pytest.fixture
def changed(tank: Tank, tmp_path: Path) -> tuple[Path, Record]:
    records = list(tank.journal.records)
    place = next(i for i, r in enumerate(records) if b"order.place" in r.payload)
    payload = records[place].payload.replace(b'"quantity":"0.0', b'"quantity":"0.9')
    assert payload != records[place].payload
    records[place] = replace(records[place], payload=payload)
    return save(tmp_path, tank, records=records), records[place]


def test_a_changed_byte_is_shown_in_its_context(
    changed: tuple[Path, Record], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, record = changed
    assert run(folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("boot 1: DIFFERENT after ")
    text = "\n".join(lines)
    assert f"({record.time_ns})" in text
    assert "  input     ANSWER line 0: " in text, "the account, which opened the gate"
    assert "segment 000001, offset " in text
    assert sum(" ms -> BYTES line 0: " in line for line in lines) >= 5, "inputs that led to it"
    shown = next(i for i, line in enumerate(lines) if "they part at character" in line)
    recorded_part, replayed_part, mark = lines[shown + 1 : shown + 4]
    assert '"quantity":"0.9' in recorded_part
    assert '"quantity":"0.0' in replayed_part
    at = mark.index("^")
    assert (recorded_part[at], replayed_part[at]) == ("9", "0")


def test_a_changed_byte_is_told_to_programs(
    changed: tuple[Path, Record], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, record = changed
    found = as_json(capsys, folder)
    assert found["identical"] is False
    first = found["first_difference"]
    assert set(first) == {"boot", "time_ns", "input", "expected", "actual", "before"}
    assert first["boot"] == 1
    assert first["time_ns"] == first["input"]["time_ns"] == record.time_ns
    assert first["expected"]["kind"] == first["actual"]["kind"] == "SEND"
    assert first["expected"]["payload"] != first["actual"]["payload"]
    assert first["before"]


def test_requests_and_answers_are_shown_as_text(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = list(tank.journal.records)
    ask = next(i for i, r in enumerate(records) if r.kind == Kind.ASK and b"depth" in r.payload)
    payload = records[ask].payload.replace(b"limit=1000", b"limit=5000")
    records[ask] = replace(records[ask], payload=payload)
    assert run(save(tmp_path, tank, records=records)) == 1
    out = capsys.readouterr().out
    assert "GET /api/v3/depth?symbol=BTCUSDT&limit=1000" in out


def test_where_one_side_has_ended_that_is_said(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tank.journal.records
    last = next(r for r in reversed(records) if r.kind == Kind.SEND)
    assert run(save(tmp_path, tank, records=[*records, last])) == 1
    assert "  replayed  nothing" in capsys.readouterr().out


# -- several boots, and cut off ones ---------------------------------------------------------


@pytest.fixture
def two_boots(tmp_path: Path) -> Path:
    first = Tank(seed=6).run(2)
    save(tmp_path, first, end=False)
    second = Tank(seed=6, boot=2, venue=first.venue, now_ns=first.now_ns).run(2).leave()
    return save(tmp_path, second)


def test_each_boot_is_replayed_in_its_own_application(
    two_boots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(two_boots) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one.startswith("boot 1: identical")
    assert two.startswith("boot 2: identical")


def test_what_was_compared_is_the_sum_of_all_boots(
    two_boots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = as_json(capsys, two_boots)
    parts = [as_json(capsys, two_boots, "--boot", boot) for boot in (1, 2)]
    for what in ("inputs", "outputs", "events"):
        assert whole[what] == sum(part[what] for part in parts) > parts[0][what]


def test_nothing_is_compared_after_the_first_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Tank(seed=6).run(2)
    records = [r for r in first.journal.records if b"order.place" not in r.payload]
    save(tmp_path, first, records=records, end=False)
    second = Tank(seed=6, boot=2, venue=first.venue, now_ns=first.now_ns).run(2).leave()
    save(tmp_path, second)
    assert run(tmp_path) == 1
    out = capsys.readouterr().out
    assert "boot 1: DIFFERENT" in out
    assert "boot 2" not in out


def test_one_boot_alone_can_be_asked_for(
    two_boots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(two_boots, "--boot", 2) == 0
    assert capsys.readouterr().out.startswith("boot 2: identical")


def test_a_boot_that_is_not_there_is_refused(
    two_boots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(two_boots, "--boot", 3) == 2
    assert "holds 1, 2" in capsys.readouterr().err


def test_a_torn_tail_is_left_out_and_reported(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = next(i for i, r in enumerate(tank.journal.records) if b"order.place" in r.payload)
    save(tmp_path, tank, records=tank.journal.records[:place], end=False)
    path = tmp_path / "journal" / "000001.journal"
    used = -len(path.read_bytes().rstrip(b"\0")) // ALIGNMENT * -ALIGNMENT
    with path.open("r+b") as file:
        file.seek(used)
        file.write(b"\x40\0\0\0half a record")
    assert run(tmp_path) == 0
    said = capsys.readouterr()
    assert "identical" in said.out
    assert "cut off within its last turn" in said.out
    assert "17 bytes were torn" in said.err


# -- what cannot be replayed -----------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_another_configuration_is_refused(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, tank)
    text = tank.config_text.replace('half_spread_bps = "0.2"', 'half_spread_bps = "0.3"')
    assert text != tank.config_text
    (tmp_path / "config.toml").write_text(text)
    assert "boot 1 did not run with this" in refused(capsys, tmp_path)


def test_a_missing_configuration_is_refused(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (save(tmp_path, tank) / "config.toml").unlink()
    assert "config.toml" in refused(capsys, tmp_path)


def test_a_boot_without_its_beginning_is_refused_and_a_later_one_offered(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, tank, segment_bytes=1 << 16)
    (tmp_path / "journal" / "000001.journal").unlink()
    said = refused(capsys, tmp_path)
    assert "the beginning of boot 1 is gone" in said
    assert "--boot N" in said
    assert "keep_segments" in said
    save(tmp_path, Tank(seed=5, boot=2).run(1).leave())
    assert run(tmp_path, "--boot", 2) == 0


def test_a_journal_of_an_older_format_is_refused(
    tank: Tank, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path, tank, header=replace(header_of(tank), format_version=2))
    assert run(tmp_path) == cli.Exit.FAILED
    assert "has format 2, and this hotloop reads 6 alone" in capsys.readouterr().err


def test_a_path_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "does not exist" in refused(capsys, tmp_path / "nowhere")
    assert "holds no journal" in refused(capsys, tmp_path)


# -- on a terminal ---------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recorded) == 0
    assert capsys.readouterr().err == ""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(recorded) == 0
    assert "replaying" in terminal.getvalue()
    assert "identical" not in terminal.getvalue()
    assert capsys.readouterr().out.startswith("boot 1: identical")


def test_progress_is_counted_in_bytes_of_the_journal(tank: Tank, tmp_path: Path) -> None:
    save(tmp_path, tank, segment_bytes=1 << 16)
    recording = Recording(tmp_path, None)
    positions = [recording.position(r) for _, records in recording.boots() for r in records]
    assert positions[0] == 0
    assert positions == sorted(positions)
    assert recording.size - 200 < positions[-1] < recording.size


def test_a_journal_without_a_run_is_no_successful_replay(tmp_path: Path, tank: Tank) -> None:
    """A word of the operator between two runs is a boot of its own, and nothing to replay."""
    folder = save(tmp_path, tank, records=[], header=replace(header_of(tank), seeds={}))
    assert cli.main(["replay", str(folder)]) == 2
