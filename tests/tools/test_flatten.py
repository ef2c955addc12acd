"""hotloop flatten: what it refuses before anything is sent; what it does is in tests/yard."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.io.run_folder import RunFolder
from core.io.scope_lock import ScopeLock
from tools import app, cli
from tools.files import read_config
from tools.world.tank import configuration


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose strategy does not even exist: none is needed."""
    path = tmp_path / "run.toml"
    text = configuration(strategy="gone:Gone", parameters="", symbols=("BTCUSDT",))
    path.write_text(text.replace("[run]", '[run]\ndir = "run"'), encoding="utf-8")
    keys = tmp_path / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text('api_key = "visibly-fake"\napi_secret = "as-fake"\n', encoding="utf-8")
    return path


def said(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert cli.main(["flatten", *map(str, arguments)]) == cli.Exit.MISUSE
    return capfd.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_patience_that_is_none_is_refused(
    config: Path, seconds: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "--patience" in said(capfd, config, f"--patience={seconds}")


def test_real_money_wants_its_flag(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = config.read_text(encoding="utf-8").replace('"sim"', '"live"')
    begin, end = text.index("[endpoints]"), text.index("[keys]")
    config.write_text(text[:begin] + text[end:], encoding="utf-8")
    assert "add --live" in said(capfd, config)


def test_without_keys_nothing_can_be_traded(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = config.read_text(encoding="utf-8")
    begin, end = text.index("[risk]"), text.index("[run]")
    text = (text[:begin] + text[end:]).replace('[keys]\nfile = "keys.toml"\n', "")
    config.write_text(text, encoding="utf-8")
    assert "no [keys]" in said(capfd, config)


def test_a_run_in_the_folder_is_pointed_to(config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = config.parent / "run"
    with RunFolder(folder):
        text = said(capfd, config)
    assert f"pid {os.getpid()}" in text
    assert f"hotloop ctl {folder} flatten" in text


def test_a_run_of_the_same_scope_in_another_folder_is_pointed_to(
    config: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loaded = read_config(config)
    with ScopeLock(app.lock_of(loaded, app.scope_of(loaded, "visibly-fake"))):
        text = said(capfd, config)
    assert f"pid {os.getpid()}" in text
    assert "another run folder" in text
