"""``hotloop sim``: its arguments, its one line, its end."""

import argparse
import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tools import sim
from tools.cli import main
from venues.sim.dialects import DIALECTS
from venues.sim.fixed import ONE
from venues.sim.server import DEFAULT_KEY

PROGRAM = (
    "import argparse, sys; from tools import sim; p = argparse.ArgumentParser();"
    "sim.add_arguments(p); sys.exit(sim.run(p.parse_args()))"
)
PATIENCE_SECONDS = 20


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command's body in a process of its own; never leave it behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_line_when_ready_and_exit_0_on_a_signal(number: signal.Signals) -> None:
    with command("--rate", "100", "--account", "k:s:USDT=1000,BTC=0.5") as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        names = ["venue", "rest", "stream", "ws_api", "api_key", "api_secret", "symbols"]
        assert list(line) == names
        assert line["api_key"] == DEFAULT_KEY
        assert line["ws_api"] == line["stream"] + "/ws-api/v3"
        assert httpx.get(f"{line['rest']}/api/v3/ping", timeout=PATIENCE_SECONDS).json() == {}
        os.kill(process.pid, number)
        rest, errors = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, rest, errors) == (0, "", "")


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with command("--port", str(port)) as process:
            _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in errors
    assert "Address already in use" in errors


def test_an_unwritable_ca_is_named() -> None:
    with command("--tls", "--ca-out", "/nowhere/ca.pem") as process:
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 2
    assert "cannot write /nowhere/ca.pem: No such file or directory" in errors


def test_a_ca_is_written_into_no_pipe_and_no_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe"):
        assert main(["sim", "--tls", "--ca-out", str(place)]) == 2


def test_accounts_are_read() -> None:
    config = sim.account("key:secret:USDT=1000.5,BTC=1")
    assert (config.api_key, config.secret) == ("key", "secret")
    assert config.balances == {"USDT": 100_050_000_000, "BTC": ONE}
    public = base64.b64encode(bytes(32)).decode()
    assert sim.account(f"key:ed25519/{public}:").secret == f"ed25519/{public}"


def test_symbols_and_fees_are_read() -> None:
    one = sim.symbol("ETHBTC:ETH:BTC:0.05:0.00001:0.001:0.0001")
    assert (one.name, one.base, one.quote, one.min_notional) == ("ETHBTC", "ETH", "BTC", 10_000)
    assert (one.tick_size, one.step_size, one.opening_price) == (1_000, 100_000, 5_000_000)
    assert sim.fees("0.0002:0.001") == (20_000, 100_000)
    with pytest.raises(argparse.ArgumentTypeError, match="TICK"):
        sim.symbol("ETHBTC:ETH:BTC:0.05:0.00001:0.0001")


def test_a_symbol_and_an_account_reach_the_exchange_in_another_dialect() -> None:
    public = base64.b64encode(bytes(32)).decode()
    arguments = ("--symbol", "ADA/EUR:ADA:EUR:0.5:0.0001:0.1", "--account", f"other:{public}:EUR=1")
    with command("--venue", "kraken", *arguments) as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["symbols"] == ["ADA/EUR"]
        url = f"{line['rest']}/0/public/AssetPairs"
        pairs = httpx.get(url, timeout=PATIENCE_SECONDS).json()["result"]
        assert [one["wsname"] for one in pairs.values()] == ["ADA/EUR"]


def test_settings_reach_the_exchange() -> None:
    arguments = ("--symbol", "ETHBTC:ETH:BTC:0.05:0.00001:0.001:0.0001", "--fees", "0.0002:0.0003")
    with command("--rate", "100", *arguments, "--depth", "20", "--volatility", "3") as process:
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        assert line["symbols"] == ["ETHBTC"]
        info = httpx.get(f"{line['rest']}/api/v3/exchangeInfo", timeout=PATIENCE_SECONDS).json()
        [one] = info["symbols"]
        assert one["filters"][0]["tickSize"] == "0.00001000"


@pytest.mark.parametrize(
    "text",
    ["key", "key:secret", ":secret:USDT=1", "key:secret:USDT", "key:secret:USDT=1e3", "k:s:=1"],
)
def test_malformed_accounts_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        sim.account(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--rate", "-1"],
        ["--rate", "nan"],
        ["--rate", "x"],
        ["--fees", "0.001"],
        ["--fees", "0.001:x"],
        ["--fees", "1:0"],
        ["--fees", "-0.1:0"],
        ["--symbol", "ETHBTC"],
        ["--symbol", "ETHBTC:ETH:BTC:0.05:0.00001"],
        ["--symbol", "ETHBTC:ETH:BTC:0.05:0:0.001"],
        ["--symbol", "ethbtc:ETH:BTC:0.05:0.00001:0.001"],
        ["--symbol", "A@B:ETH:BTC:0.05:0.00001:0.001"],
        ["--symbol", "ETHETH:ETH:ETH:0.05:0.00001:0.001"],
        ["--symbol", ":ETH:BTC:0.05:0.00001:0.001"],
        ["--volatility", "-1"],
        ["--volatility", "nan"],
        ["--depth", "0"],
        ["--depth", "1.5"],
        ["--cpu", "4096"],
        ["--cpu", "x"],
    ],
)
def test_malformed_options_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    sim.add_arguments(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(arguments)
    assert "expected" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--symbol", "AB:A:B:1:0.1:0.1", "--symbol", "AB:A:B:2:0.1:0.1"),
            "--symbol AB: is there already",
        ),
        (("--account", "k:s:", "--account", "k:other:"), "--account k: is there already"),
        (("--account", f"{DEFAULT_KEY}:s:"), f"--account {DEFAULT_KEY}: is there already"),
        (("--ca-out", "ca.pem"), "--ca-out ca.pem: without --tls there is no CA"),
        (("--account", "k:ed25519/AAAA:USDT=1"), "--account k: its SECRET has to be the 32 raw"),
        (("--account", "k:ed25519/*:USDT=1"), "--account k: its SECRET has to be the 32 raw"),
        (("--venue", "kraken", "--account", "k:a-b:"), "--account k: its SECRET has to be a secr"),
        (("--symbol", "A/B:A:B:1:0.1:0.1"), "--symbol A/B: binance names it by letters"),
        (
            ("--venue", "kraken", "--symbol", "AB:A:B:1:0.1:0.1"),
            "--symbol AB: kraken names it by BASE/QUOTE: A/B",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sim", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_venue_without_a_dialect_is_refused_with_those_that_have_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parser = argparse.ArgumentParser()
    sim.add_arguments(parser)
    assert parser.parse_args([]).venue == "binance"
    with pytest.raises(SystemExit):
        parser.parse_args(["--venue", "mtgox"])
    said = capsys.readouterr().err
    assert "mtgox" in said
    assert all(name in said for name in DIALECTS)
