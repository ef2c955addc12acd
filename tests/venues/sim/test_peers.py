"""Public clients against the exchange, unmodified but for their URLs: its check from outside.

``make peers`` installs those of ``ALWAYS``; where they are absent these tests are skipped, but not
in CI.
"""

import json
import os
from pathlib import Path

import pytest
import trio

from tools import peer_clients
from tools.peer_clients import DRIVERS, Day, known
from venues.sim.server import ServerConfig, running_exchange

ALWAYS = ("ccxt", "python-binance")
DAYS = [("binance", "ccxt"), ("binance", "python-binance"), ("kraken", "ccxt")]
PATIENCE_SECONDS = peer_clients.DAY_SECONDS + 30


@pytest.mark.parametrize(("venue", "client"), DAYS)
async def test_a_public_client_trades(venue: str, client: str) -> None:
    if not peer_clients.installed(client):
        assert not os.environ.get("CI"), f"{client} is not installed: make peers"
        pytest.skip(f"{client} is not installed: make peers")
    with trio.fail_after(PATIENCE_SECONDS):
        async with running_exchange(ServerConfig(dialect=venue)) as exchange:
            where = exchange.announcement()
            day = await trio.to_thread.run_sync(peer_clients.run, client, where)
    assert day.wrong() == []


@pytest.mark.parametrize("client", ALWAYS)
def test_what_ci_installs_is_pinned_with_its_hashes(client: str) -> None:
    text = (DRIVERS / client / "requirements.txt").read_text(encoding="utf-8")
    requirements = text.replace("\\\n", "").splitlines()
    assert requirements
    assert all("==" in line and "--hash=sha256:" in line for line in requirements)


@pytest.mark.parametrize("client", known())
def test_every_client_is_pinned_and_names_no_registry(client: str) -> None:
    assert peer_clients.version(client)
    folder = DRIVERS / client
    if (folder / "package-lock.json").exists():
        lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
        packages = [package for path, package in lock["packages"].items() if path]
        assert all("integrity" in package for package in packages)
        assert not any("resolved" in package for package in packages)
    else:
        text = (folder / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", "")
        assert all("==" in line and "://" not in line for line in text.splitlines())


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A client that is no more than a driver; return where that is written."""
    monkeypatch.setattr(peer_clients, "DRIVERS", tmp_path / "peers")
    monkeypatch.setattr(peer_clients, "ENVIRONMENTS", tmp_path / "environments")
    binaries = tmp_path / "environments" / "stranger" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(os.path.realpath("/proc/self/exe"))
    (tmp_path / "peers" / "stranger").mkdir(parents=True)
    (tmp_path / "peers" / "steps.py").write_text((DRIVERS / "steps.py").read_text(encoding="utf-8"))
    return tmp_path / "peers" / "stranger" / "driver.py"


def day_of(stranger: Path, body: str) -> Day:
    lines = ["import steps, sys, time", "day = steps.Day()", *body.splitlines(), "day.end()"]
    stranger.write_text("\n".join(lines))
    return peer_clients.run("stranger", {"rest": "http://127.0.0.1:1"})


FOUR = """
for number in range(4):
    with day.step(f"step {number}") as seen:
        seen(number)
"""


def test_a_day_whose_steps_hold_succeeds(stranger: Path) -> None:
    day = day_of(stranger, FOUR)
    assert day.succeeded
    assert [step.seen for step in day.steps] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("with day.step('x') as seen: seen(1, True, False)", "1"),
        ("with day.step('x') as seen: raise ValueError('broken')", "ValueError: broken"),
        ("with day.step('x') as seen: pass", "said nothing"),
        ("with day.refusal('x', -2011): pass", "accepted"),
        ("with day.refusal('x', -2011): raise ValueError(-1013)", "ValueError: -1013"),
    ],
)
def test_a_step_that_does_not_hold_fails_its_day(stranger: Path, body: str, said: str) -> None:
    day = day_of(stranger, FOUR + body)
    assert not day.succeeded
    assert day.steps[-1].seen == said


def test_a_refusal_with_the_right_code_holds(stranger: Path) -> None:
    assert day_of(
        stranger, FOUR + "with day.refusal('x', -2011): raise ValueError(-2011)"
    ).succeeded


def test_a_client_that_breaks_off_fails_its_day(stranger: Path) -> None:
    day = day_of(stranger, FOUR + "raise SystemExit('no such module')")
    assert day.trouble == "ended with 1: no such module"
    assert not day.succeeded


def test_a_client_that_was_led_through_nothing_fails_its_day(stranger: Path) -> None:
    assert day_of(stranger, "").trouble == "took 0 steps only"


def test_a_client_that_hangs_is_ended(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_clients, "DAY_SECONDS", 1)
    day = day_of(stranger, FOUR + "time.sleep(60)")
    assert day.trouble == "was not through after 1 s"
    assert len(day.steps) == 4
