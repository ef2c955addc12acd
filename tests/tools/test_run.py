"""What ``hotloop run`` is made of, and how a start ends that does not become a run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trio

from venues.sim.ledger import DEFAULT_KEY, DEFAULT_SECRET
from venues.sim.server import ServerConfig, running_exchange

ROOT = Path(__file__).parents[2]

EXCHANGE_ONLY = ("hypercorn", "starlette", "trustme", "trio_websocket", "h2", "venues.sim")

CONFIG = """
venue = "binance"
environment = "sim"
symbols = ["{symbol}"]
[endpoints]
rest = "{rest}"
stream = "{stream}"
ws_api = "{ws_api}"
[keys]
file = "keys.toml"
[strategy]
name = "observer"
[run]
dir = "run"
start_timeout_s = 5
"""

NOBODY = "127.0.0.1:9"
"""The discard port, on which nothing listens."""


def test_the_trading_process_loads_nothing_that_only_the_exchange_needs() -> None:
    script = (
        "import sys, tools.cli, tools.run\n"
        f"print(sorted(set({EXCHANGE_ONLY!r}) & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def write(
    folder: Path,
    *,
    rest: str,
    stream: str,
    symbol: str = "BTCUSDT",
    key: str = DEFAULT_KEY,
    secret: str,
) -> Path:
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(f'api_key = "{key}"\napi_secret = "{secret}"\n')
    path = folder / "run.toml"
    ws_api = f"{stream}/ws-api/v3"
    path.write_text(CONFIG.format(rest=rest, stream=stream, ws_api=ws_api, symbol=symbol))
    return path


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "tools", "run", str(path)]


def test_a_start_that_does_not_reach_the_venue_says_why_at_once_and_is_given_up(
    tmp_path: Path,
) -> None:
    # A key of its own: at one address a run of the same key would be refused.
    key = f"fake-{os.getpid()}"
    path = write(tmp_path, rest=f"http://{NOBODY}", stream=f"ws://{NOBODY}", key=key, secret="fake")
    done = subprocess.run(
        command(path), capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 3, done.stderr
    said = done.stderr.splitlines()
    assert any(f"REST is not reached: all attempts to connect to {NOBODY}" in s for s in said), said
    assert said[-1].startswith("hotloop: not started within 5 s: REST is not reached: ")
    assert "REST is not reached: " in (tmp_path / "run" / "run.log").read_text()


@pytest.mark.parametrize(
    ("limit", "says"),
    [("-f 1000", "no room for"), ("-n 8", "Too many open"), ("-n 30", "ulimit -n")],
)
def test_a_start_that_the_system_has_no_room_for_is_one_line_and_sends_nothing(
    tmp_path: Path, limit: str, says: str
) -> None:
    key = f"fake{os.getpid()}"
    path = write(tmp_path, rest=f"http://{NOBODY}", stream=f"ws://{NOBODY}", key=key, secret="fake")
    done = subprocess.run(
        ["bash", "-c", f'ulimit {limit}; exec "$@"', "bash", *command(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Answer every request with this status and a page of HTML."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>not the venue</html>")

        def log_message(self, *_: object) -> None:
            """Nobody is to read it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [503, 200, 404])
def test_a_page_of_html_is_no_start_and_is_given_up_with_what_came(
    tmp_path: Path, status: int
) -> None:
    says = f"REST is not reached: a web page comes in the venue's place (HTTP {status})"
    key = f"fake-{os.getpid()}-{status}"
    with answering(status) as place:
        path = write(tmp_path, rest=f"http://{place}", stream=f"ws://{place}", key=key, secret="x")
        done = subprocess.run(
            command(path), capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
        )
    assert done.returncode == 3, done.stderr
    said = done.stderr.splitlines()
    assert any(line.startswith(f"hotloop: {says}") for line in said[:-1]), said
    assert said[-1].startswith(f"hotloop: not started within 5 s: {says}")
    assert "Traceback" not in done.stderr
    assert "Malformed" not in done.stderr
    log = (path.parent / "run" / "run.log").read_text(encoding="utf-8")
    assert "answer to" not in log, "an answer that is none is not read"


@pytest.mark.parametrize(
    ("symbol", "secret", "says"),
    [
        ("BTCUSDX", "hotloop-sim-secret-this-is-not-a-secret", "-1121 Invalid symbol."),
        ("BTCUSDT", "fake", "-1022 Signature for this request is not valid."),
    ],
)
async def test_a_start_that_the_venue_refuses_for_good_ends_at_once_with_its_words(
    tmp_path: Path, symbol: str, secret: str, says: str
) -> None:
    async with running_exchange(ServerConfig(rate=50)) as exchange:
        path = write(
            tmp_path, rest=exchange.rest, stream=exchange.stream, symbol=symbol, secret=secret
        )
        with trio.fail_after(60):
            done = await trio.run_process(command(path), capture_stderr=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert f"the venue refuses the start: {'' if secret == 'fake' else 'FetchInstruments'}" in (
        done.stderr.decode()
    )
    assert says in done.stderr.decode()
    assert "not reached" not in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


async def test_a_mistyped_key_binds_no_folder_to_an_account(tmp_path: Path) -> None:
    async with running_exchange(ServerConfig(rate=50)) as exchange:
        where = {"rest": exchange.rest, "stream": exchange.stream, "secret": DEFAULT_SECRET}
        with trio.fail_after(90):
            typo = command(write(tmp_path, key=f"{DEFAULT_KEY}-typo", **where))
            done = await trio.run_process(typo, capture_stderr=True, check=False, cwd=ROOT)
            assert done.returncode == 3, done.stderr
            right = [*command(write(tmp_path, **where)), "--seconds", "3"]
            done = await trio.run_process(right, capture_stderr=True, check=False, cwd=ROOT)
            assert done.returncode == 0, done.stderr
            other = command(write(tmp_path, key=f"{DEFAULT_KEY}-typo", **where))
            done = await trio.run_process(other, capture_stderr=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert b"it belongs to the account" in done.stderr
