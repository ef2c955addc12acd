"""``hotloop check`` against the built-in exchange: what is ok, and what each fault says.

The command runs in a thread of its own, with its own trio, as it would in a process of its own.
"""

from __future__ import annotations

import pathlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import trio
from msgspec.structs import replace

from core.io.run_folder import Owner, RunFolder
from core.model.commands import TestPlace
from core.model.events import AccountReport, Verdict
from core.model.instrument import Trading
from core.model.units import NS_PER_S
from core.model.venue import DeadMan, DeadManKind, Scope
from tests.core.io.test_run_folder import noted
from tests.core.model.test_config import SECRET
from tests.strategies.desk import instrument
from tools import check as command
from tools import cli
from venues.binance import rules
from venues.binance.adapter import SpotAdapter
from venues.sim.server import DEFAULT_ACCOUNT, RunningExchange, ServerConfig, running_exchange

QUIET = ServerConfig(rate=50)
"""A market with a book, and not much more."""

CONFIG = """
venue = "binance"
environment = "sim"
symbols = ["{symbol}"]
{top}

[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
{ca}
[keys]
file = "keys.toml"

[strategy]
name = "{strategy}"

[strategy.parameters]
{parameters}
{risk}

[loop]
{loop}

[run]
dir = "{dir}"
"""

RISK = """
[risk]
max_order_size = "{size}"
max_order_notional = "{notional}"
max_position = "{position}"
max_daily_loss = "1000"
"""


@pytest.fixture(autouse=True)
def unsettled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keep the tests' own process as it is; return what ``settle`` is to say is missing."""
    missing: list[str] = []
    monkeypatch.setattr(command, "configure", lambda _cpu: list(missing))
    return missing


def write(
    folder: pathlib.Path,
    exchange: RunningExchange,
    *,
    secret: str = DEFAULT_ACCOUNT.secret,
    mode: int = 0o600,
    ca: str = "",
    **changes: str,
) -> pathlib.Path:
    """Write a configuration and its key file."""
    keys = folder / "keys.toml"
    keys.write_text(f'api_key = "{exchange.api_key}"\napi_secret = "{secret}"\n')
    keys.chmod(mode)
    values = {
        "rest": exchange.rest,
        "stream": exchange.stream,
        "ws_api": exchange.ws_api,
        "ca": f'ca_file = "{ca}"' if ca else "",
        "symbol": "BTCUSDT",
        "strategy": "maker",
        "loop": "",
        "top": "",
        "dir": "run",
        "parameters": 'size = "0.01"\nmax_position = "0.05"',
    }
    limits = {"size": "0.05", "notional": "10000", "position": "0.2"}
    risk = RISK.format(**{key: changes.pop(key, value) for key, value in limits.items()})
    path = folder / "hotloop.toml"
    path.write_text(CONFIG.format(**{"risk": risk, **values, **changes}))
    return path


async def check(path: pathlib.Path) -> int:
    with trio.fail_after(10):
        return await trio.to_thread.run_sync(cli.main, ["check", str(path)])


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, str], list[str]]:
    """Return the ok lines by what they are about, and the others."""
    lines = capsys.readouterr().out.splitlines()
    good: dict[str, str] = {}
    for line in lines:
        if line.startswith("ok    "):
            what, text = line[6:19].rstrip(), line[20:]
            good[what] = f"{good[what]}\n{text}" if what in good else text
    return good, [line for line in lines if not line.startswith("ok    ")]


async def test_all_is_well_with_the_built_in_exchange(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    good, bad = findings(capsys)
    assert (code, bad) == (0, [])
    assert {"configuration", "keys", "strategy", "process", "certificate", "clock"} <= good.keys()
    assert good["keys"].endswith("keys.toml: api_key, api_secret; private to its owner")
    assert good["REST"].startswith("answers within")
    assert good["line market"].endswith("the session opens")
    assert good["line trade"].endswith("the session opens")
    rules, bid, ask = good["BTCUSDT"].splitlines()
    assert rules == "open; tick 0.01 USDT, lot 0.00001 BTC"
    assert re.fullmatch(r"the venue would take buy 0\.01000 BTC at [0-9.]+ USDT", bid)
    assert re.fullmatch(r"the venue would take sell 0\.01000 BTC at [0-9.]+ USDT", ask)
    assert good["account"].startswith("may trade; balances: ")
    assert good["on_start"] == "returns"
    assert good["run folder"].endswith("run")
    assert not (tmp_path / "run").exists()


async def test_a_certificate_is_verified_and_its_end_shown(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(ServerConfig(rate=50, tls=True)) as exchange:
        assert exchange.ca is not None
        code = await check(write(tmp_path, exchange, ca=exchange.ca))
    good, bad = findings(capsys)
    assert (code, bad) == (0, [])
    assert re.search(r"127\.0\.0\.1: valid until \d{4}-\d\d-\d\d \(\d+ days\)", good["certificate"])


async def test_a_certificate_of_nobody_we_trust_fails_everything_at_that_place(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(ServerConfig(rate=0, tls=True)) as exchange:
        code = await check(write(tmp_path, exchange))
    good, bad = findings(capsys)
    assert code == 1
    assert "certificate" not in good
    assert sum("does not prove who answers" in line for line in bad) >= 3
    assert any(line.startswith("FAIL  REST") for line in bad)


async def test_a_wrong_secret_is_found_out_and_not_shown(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange, secret=SECRET))
    _, bad = findings(capsys)
    assert code == 3
    assert len(bad) == 1
    assert bad[0].startswith("FAIL  account")
    assert "-1022" in bad[0]
    assert SECRET not in bad[0]


async def test_a_key_file_that_others_can_read_is_not_used(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange, mode=0o644))
    good, bad = findings(capsys)
    assert code == 2
    fault, *wanted = bad
    assert fault.startswith("FAIL  keys")
    assert "chmod 600" in fault
    assert [connection[:44] for connection in wanted] == [
        "note  key file      binance wants api_key: t",
        "note  key file      binance wants api_secret",
    ]
    assert ", or private_key: the PEM file" in wanted[1]
    assert "account" not in good
    assert "clock" in good


async def test_a_symbol_that_the_venue_does_not_know_is_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange, symbol="NOSUCH"))
    _, bad = findings(capsys)
    assert code == 3
    assert bad[0].startswith("FAIL  symbols")
    assert "-1121" in bad[0]


async def test_filters_that_nobody_knows_here_are_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "LEFT_TO_THE_VENUE", rules.LEFT_TO_THE_VENUE - {"ICEBERG_PARTS"})
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    _, rest = findings(capsys)
    assert code == 0
    assert any("filters that are not known here: ICEBERG_PARTS" in line for line in rest)


async def test_limits_below_the_smallest_order_are_named(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange, size="0.000001"))
    _, bad = findings(capsys)
    assert code == 1
    assert bad[0] == (
        "FAIL  BTCUSDT       risk.max_order_size is below the smallest order of 0.00001 BTC"
    )


async def test_a_clock_that_nobody_sets_is_pointed_out(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = ServerConfig(rate=50, clock=lambda: time.time_ns() + 5_000_000_000)
    async with running_exchange(ahead) as exchange:
        code = await check(write(tmp_path, exchange))
    good, bad = findings(capsys)
    assert code == 1
    assert len(bad) == 1
    offset = re.search(r"is \+(\d+)\.\d ms from ours", bad[0])
    assert offset
    assert 4_500 < int(offset[1]) < 5_500
    assert "NTP" in bad[0]
    assert "account" in good  # signed with the venue's time, as a run signs


async def test_nobody_at_the_address_is_said_once_for_each_place(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with running_exchange(QUIET) as exchange:
        path = write(tmp_path, exchange)
    code = await check(path)
    _, bad = findings(capsys)
    assert code == 3
    assert [connection[6:20].strip() for connection in bad] == ["line market", "line trade", "REST"]


async def test_a_privilege_that_a_run_goes_on_without_is_noted(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], unsettled: list[str]
) -> None:
    unsettled.append("memory not locked: grant it")
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    _, others = findings(capsys)
    assert (code, others) == (0, ["note  process       memory not locked: grant it"])


async def test_a_cpu_that_cannot_be_had_fails(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], unsettled: list[str]
) -> None:
    unsettled.append("not pinned to CPU 4095: name another")
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange, loop="cpu = 4095"))
    good, others = findings(capsys)
    assert (code, others) == (1, ["FAIL  process       not pinned to CPU 4095: name another"])
    assert "process" not in good


@pytest.mark.parametrize(
    ("changes", "needle"),
    [({"strategy": "makr"}, "did you mean maker?"), ({"size": "1e3"}, "risk.max_order_size")],
)
async def test_a_configuration_that_cannot_be_used_ends_the_check(
    changes: dict[str, Any],
    needle: str,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running_exchange(QUIET) as exchange:
        path = write(tmp_path, exchange, **changes)
    code = await check(path)
    _, bad = findings(capsys)
    assert code == 2
    assert len(bad) == 1
    assert bad[0].startswith("FAIL  configuration")
    assert needle in bad[0]


async def test_a_run_folder_of_somebody_else_is_refused_as_a_run_refuses_it(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = Owner(
        venue="binance", environment="live", account="another", strategy="maker", scope="hx-"
    )
    with RunFolder(tmp_path / "run") as folder:
        folder.bind(others, None)
        noted(folder.path)
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    _, bad = findings(capsys)
    assert code == 2
    assert any("belongs to the environment live" in line for line in bad), bad


# -- what cannot trade -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says", "code"),
    [
        ({"size": "0.005"}, "FAIL  BTCUSDT       an order of the strategy is refused: ", 1),
        ({"notional": "1"}, "below the smallest order of 5 USDT", 1),
        ({"position": "0.000001"}, "risk.max_position is below the smallest order", 1),
        ({"parameters": 'size = "0.00002"\nmax_position = "1"'}, "is refused: ", 1),
        ({"parameters": 'size = "0.000012"\nmax_position = "1"'}, "FAIL  on_start", 1),
        ({"risk": ""}, "FAIL  risk          no amounts are stated for BTCUSDT", 1),
        ({"top": 'streams = ["trades"]'}, "FAIL  streams       no book without top or depth", 1),
        ({"dir": "hotloop.toml"}, "FAIL  run folder", 2),
        ({"dir": "/proc/nothing/here"}, "FAIL  run folder", 2),
    ],
)
async def test_what_cannot_trade_is_found_and_gives_the_code_of_a_run(
    changes: dict[str, Any],
    says: str,
    code: int,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with running_exchange(QUIET) as exchange:
        found = await check(write(tmp_path, exchange, **changes))
    _, bad = findings(capsys)
    assert any(says in line for line in bad), bad
    assert found == code


OWN = """
from core.model.strategy import Strategy

class Breaks(Strategy):
    def on_start(self, desk):
        self.{callback}(desk)

    def broken(self, desk):
        raise ValueError("broken")

    def fine(self, desk):
        pass

    def on_session(self, desk, session):
        desk.place(0, 1, 1, 1)
"""


AT_BOOK = """def on_book(self, desk, book):
        self.broken(desk)"""


async def test_a_strategy_that_raises_in_on_start_is_shown_with_its_place(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "breaking.py").write_text(OWN.replace("{callback}", "broken"))
    async with running_exchange(QUIET) as exchange:
        path = write(tmp_path, exchange, strategy="breaking:Breaks", parameters="")
        code = await check(path)
    _, bad = findings(capsys)
    assert code == 1
    assert bad[0].startswith("FAIL  on_start      strategy raised ValueError: broken in on_start")
    assert any('breaking.py", line 9, in broken' in line for line in bad)


async def test_a_strategy_that_raises_when_it_sees_the_market_fails(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = OWN.replace("{callback}", "fine").replace("def on_session(self, desk, session):", AT_BOOK)
    (tmp_path / "breaking_late.py").write_text(own)
    async with running_exchange(QUIET) as exchange:
        code = await check(
            write(tmp_path, exchange, strategy="breaking_late:Breaks", parameters="")
        )
    _, bad = findings(capsys)
    assert code == 1
    assert any(line.startswith("FAIL  strategy") and "broken in on_book" in line for line in bad)


# -- what was trusted before real money, each held by its own fault ---------------------------


async def test_an_account_that_may_not_trade_fails(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = command.Questions.ask

    async def forbidden(self: Any, asked: Any, kind: Any, offset_ns: int = 0) -> Any:
        event = await ask(self, asked, kind, offset_ns)
        if kind is AccountReport:
            return msgspec.structs.replace(event, can_trade=False)
        return event

    monkeypatch.setattr(command.Questions, "ask", forbidden)
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    good, bad = findings(capsys)
    assert code == 1
    assert bad == ["FAIL  account       may not trade -> give the key the permission to trade"]
    assert "account" not in good


@pytest.mark.parametrize(("days", "code"), [(command.SOON_DAYS - 1, 1), (command.SOON_DAYS + 1, 0)])
async def test_a_certificate_that_ends_soon_fails(
    days: int,
    code: int,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)

    async def certificate_end(*_: Any) -> datetime:
        return ends

    monkeypatch.setattr(command, "_certificate_end", certificate_end)
    async with running_exchange(ServerConfig(rate=50, tls=True)) as exchange:
        assert exchange.ca is not None
        found = await check(write(tmp_path, exchange, ca=exchange.ca))
    _, bad = findings(capsys)
    assert found == code
    assert any("renewed before it ends" in line for line in bad) == bool(code)


@pytest.mark.parametrize(("ahead_s", "code"), [(0.5, 0), (1.5, 1), (-1.5, 1)])
async def test_the_clock_may_be_a_second_off_and_no_more(
    ahead_s: float, code: int, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shifted = ServerConfig(rate=50, clock=lambda: time.time_ns() + int(ahead_s * 1e9))
    async with running_exchange(shifted) as exchange:
        found = await check(write(tmp_path, exchange))
    _, bad = findings(capsys)
    assert found == code, bad
    assert any(line.startswith("FAIL  clock") for line in bad) == bool(code)


async def test_an_order_that_the_venue_would_refuse_fails_with_its_words(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = command.Questions._reply

    async def refusing(self: Any, asked: Any, offset_ns: int) -> Any:
        told, status = await reply(self, asked, offset_ns)
        if isinstance(asked, TestPlace):
            told = msgspec.structs.replace(told, verdict=Verdict.REFUSED, code="-1013", text="odd")
        return told, status

    monkeypatch.setattr(command.Questions, "_reply", refusing)
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    _, bad = findings(capsys)
    assert code == 3
    assert len(bad) == 2
    assert all("the venue refuses " in line and "-1013 odd" in line for line in bad)


@pytest.mark.parametrize("trading", [Trading.CANCEL_ONLY, Trading.HALTED])
def test_a_symbol_that_does_not_trade_is_trouble_and_says_what_to_do(trading: Trading) -> None:
    subject: Any = None  # what is said of it needs no configuration
    said = command._trouble(instrument(trading=trading), subject)
    assert said == f"trading is {trading}: wait, or take it out of symbols"


async def test_where_the_venue_judges_no_order_our_own_limits_do(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SpotAdapter.capabilities.fget  # type: ignore[attr-defined] # a property's own function
    monkeypatch.setattr(
        SpotAdapter, "capabilities", property(lambda self: replace(real(self), test_place=False))
    )
    async with running_exchange(QUIET) as exchange:
        code = await check(write(tmp_path, exchange))
    good, others = findings(capsys)
    assert code == 0
    assert "would take" not in good["BTCUSDT"]
    assert len(others) == 2
    assert all(line.endswith("the venue judges no order unplaced") for line in others)


def _of(**changes: Any) -> DeadMan:
    fields: dict[str, Any] = {"kind": DeadManKind.TIMER, "window_ns": 60 * NS_PER_S}
    return DeadMan(**(fields | changes))


@pytest.mark.parametrize(
    ("switch", "shared", "said"),
    [
        (
            _of(),
            False,
            "ok    dead-man      the venue cancels every order of the account 60 s after",
        ),
        (_of(), True, "note  dead-man      not set, as the account is shared"),
        (_of(scope=Scope.CONNECTION), True, "the venue cancels our orders 60 s after"),
        (DeadMan(), False, ""),
    ],
)
def test_it_says_whether_the_venue_will_take_out_what_nobody_is_left_to(
    switch: DeadMan, shared: bool, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command._say_dead_man(command.Findings(), switch, shared)
    told = capsys.readouterr().out
    assert said in told
    assert bool(told) is bool(said)
