"""The two commands of the README: an environment that is only half there is made again."""

from __future__ import annotations

import subprocess
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent / "Makefile"

PYTHON = """#!/bin/sh
echo "$0 $*" >> calls
if [ "$2" = venv ]; then
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python
fi
"""
"""Stands for the interpreter: notes its calls, and makes an environment with itself in it."""

BROKEN = "#!/bin/sh\nexit 1\n"
"""What a setup leaves that had no ensurepip: an interpreter without pip."""


def make(folder: Path) -> list[str]:
    """Make the environment; return what was called with which arguments."""
    (folder / "calls").write_text("")
    subprocess.run(
        ["make", "--silent", "--file", str(MAKEFILE), ".venv/run.stamp", "PYTHON=./python"],
        cwd=folder,
        check=True,
        timeout=60,
    )
    return (folder / "calls").read_text().splitlines()


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def a_checkout(folder: Path) -> Path:
    for name in ("requirements.lock", "pyproject.toml"):
        (folder / name).write_text("")
    executable(folder / "python", PYTHON)
    return folder


def test_an_environment_without_pip_is_made_again(tmp_path: Path) -> None:
    folder = a_checkout(tmp_path)
    executable(folder / ".venv" / "bin" / "python", BROKEN)
    calls = make(folder)
    assert "./python -m venv --clear .venv" in calls
    assert any(call.startswith(".venv/bin/python -m pip install") for call in calls)


def test_an_environment_that_works_is_kept(tmp_path: Path) -> None:
    folder = a_checkout(tmp_path)
    executable(folder / ".venv" / "bin" / "python", PYTHON)
    assert not any("venv --clear" in call for call in make(folder))
