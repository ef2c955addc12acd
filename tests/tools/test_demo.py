"""Two demos never share a folder, and no exchange outlives its demo."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.model.errors import BadConfig
from tools import demo


def test_two_demos_of_the_same_second_have_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = {demo._folder(None) for _ in range(5)}
    assert len(folders) == 5
    assert all((folder / demo.KEYS).stat().st_mode & 0o777 == 0o600 for folder in folders)


def test_a_folder_of_ones_own_is_taken_by_the_first(tmp_path: Path) -> None:
    wanted = tmp_path / "mine"
    wanted.mkdir()
    assert demo._folder(wanted) == wanted
    with pytest.raises(BadConfig, match="is not empty"):
        demo._folder(wanted)


def test_a_race_for_one_empty_folder_has_one_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen it empty: the key file tells whose it is."""
    monkeypatch.setattr(demo, "any", lambda _: False, raising=False)
    assert demo._claim(tmp_path)
    assert not demo._claim(tmp_path)


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_a_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadConfig, match="--dir"):
        demo._folder(tmp_path / name)


def test_the_exchange_of_a_demo_that_is_killed_ends_with_it(tmp_path: Path) -> None:
    dies = (
        "import os, signal\n"
        "from tools import demo\n"
        "with demo._exchange('binance', None) as told:\n"
        "    print(told['rest'], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    # The exchange has our pipe as its stderr: it is at its end once nobody lives who has it.
    killed = subprocess.run(
        [sys.executable, "-c", dies], cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    port = int(killed.stdout.decode().rpartition(":")[2])
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
