"""``python -m tools.compiled``: the hot modules as machine code, from the same source.

mypyc turns the typed source of the modules below into extension modules. The source is the
reference and is what runs everywhere else; ``docs/compiled.md`` says what this buys and where its
limits are. The copy in ``.compiled`` is for racing and testing, the wheel in ``dist`` for
installing. Wants a C compiler, and mypy from the development requirements.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from core.model.errors import HotloopError, Misuse

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / ".compiled"
WHEELS: Final = ROOT / "dist"
SOURCES: Final = ("core", "venues", "strategies", "tools")
COPIED: Final = (*SOURCES, "tests", "docs")
FILES: Final = ("pyproject.toml", "README.md", "LICENSE")

MODULES: Final = (
    "core/engine/callbacks.py",
    "core/engine/desk.py",
    "core/engine/engine.py",
    "core/engine/executions.py",
    "core/engine/gate.py",
    "core/engine/connections.py",
    "core/engine/market_data.py",
    "core/engine/outbound.py",
    "core/engine/resolution.py",
    "core/engine/recovery.py",
    "core/engine/replies.py",
    "core/io/journal_file.py",
    "core/io/loop.py",
    "core/model/units.py",
    "core/model/views.py",
    "core/protocols/websocket.py",
    "core/state/book.py",
    "core/state/counts.py",
    "core/state/retries.py",
    "core/state/inflight.py",
    "core/state/orders.py",
    "core/state/position.py",
    "core/state/risk.py",
    "core/state/sequence.py",
    "core/state/session.py",
    "core/state/throttle.py",
    "core/state/timers.py",
    "venues/binance/decode.py",
    "venues/binance/encode.py",
    "venues/binance/translate.py",
    "venues/kit/numbers.py",
)
"""All that a tick passes on its way, but what others derive classes from: the hop stamps, the
venue's adapter, the transports."""

SETUP: Final = """\
from mypyc.build import mypycify
from setuptools import setup

setup(ext_modules=mypycify(["--config-file", "mypyc.ini", *{modules}]))
"""

WHEEL: Final = "from setuptools import build_meta; print(build_meta.build_wheel({folder!r}))"

INSTALL: Final = "make .venv/dev.stamp installs it, and a C compiler is needed beside it"

DEMO_S: Final = 5
"""Length of the runs that are recorded by one build and replayed by the other."""


def build(folder: Path = FOLDER) -> None:
    """Make the copy anew. Raises ``Misuse`` where mypyc cannot compile it; then there is none."""
    if find_spec("mypyc") is None:
        raise Misuse(f"it cannot be compiled: mypyc is missing; {INSTALL}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    (folder / "mypyc.ini").write_text("[mypy]\nignore_missing_imports = True\n", encoding="utf-8")
    (folder / "setup.py").write_text(SETUP.format(modules=list(MODULES)), encoding="utf-8")
    try:
        _make([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], folder)
    except Misuse:
        shutil.rmtree(folder)  # a copy that is not compiled would be raced as one that is
        raise


def differs(folder: Path = FOLDER) -> str:
    """Return a source file that is not in the copy as it is here; "" where all are."""
    for name in SOURCES:
        for path in sorted((ROOT / name).rglob("*.py")):
            place = path.relative_to(ROOT)
            copied = folder / place
            if not copied.exists() or copied.read_bytes() != path.read_bytes():
                return str(place)
    return ""


def is_current(folder: Path = FOLDER) -> bool:
    """Whether there is a copy, compiled and of this very source."""
    return folder.exists() and not pure(folder) and not differs(folder)


def wheel(folder: Path = FOLDER) -> Path:
    """Build the wheel of a copy, and return its path. Raises ``Misuse``.

    Its version has ``+compiled`` at the end, so that it is never taken for the pure one.
    """
    project = folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("version = "))
    if "+compiled" not in line:
        project.write_text(text.replace(line, line[:-1] + '+compiled"'), encoding="utf-8")
    WHEELS.mkdir(exist_ok=True)
    said = _make([sys.executable, "-c", WHEEL.format(folder=str(WHEELS))], folder)
    return WHEELS / said.split()[-1]


def _make(command: Sequence[str], folder: Path) -> str:
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Misuse(f"it cannot be compiled: {(made.stdout + made.stderr)[-2000:]}")
    return made.stdout


# -- tests -----------------------------------------------------------------------------------


class BuildsDiffer(HotloopError):
    """A compiled hotloop does something else than its source."""


def pure(folder: Path = FOLDER) -> list[str]:
    """Return the modules that Python would load from their source in a copy; none is to be."""
    return [
        module
        for module in MODULES
        if not any((folder / module).with_suffix(suffix).exists() for suffix in EXTENSION_SUFFIXES)
    ]


def check(folder: Path = FOLDER) -> str:
    """Run all tests in the copy, and replay with each build what the other has recorded.

    Returns the tests' closing line. Raises ``BuildsDiffer``.
    """
    if uncompiled := pure(folder):
        raise BuildsDiffer(f"these are not compiled, so nothing would be shown: {uncompiled}")
    closing = _run([sys.executable, "-m", "pytest"], folder)
    with tempfile.TemporaryDirectory(prefix="hotloop-compiled-") as runs:
        for recorder, replayer in ((ROOT, folder), (folder, ROOT)):
            run = str(Path(runs) / ("source" if recorder is ROOT else "compiled"))
            _run(_tool("demo", "--seconds", str(DEMO_S), "--dir", run), recorder)
            _run(_tool("replay", run), replayer)
    return closing


def _tool(*words: str) -> list[str]:
    return [sys.executable, "-m", "tools", *words]


def _run(command: Sequence[str], folder: Path) -> str:
    """Run a command, show what it says, and return its last line."""
    last = ""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line.strip()
    if process.returncode:
        where = "the compiled copy" if folder != ROOT else "the source"
        raise BuildsDiffer(f"{' '.join(command[1:])} failed in {where}; its words are above")
    return last


def main() -> int:
    """Build, and say where."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--wheel", action="store_true", help="build a wheel as well, into dist")
    parser.add_argument(
        "--test",
        action="store_true",
        help="run all tests in the copy, and replay each build's run with the other",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="with --test: write there what it came to"
    )
    args = parser.parse_args()
    try:
        build()
        print(f"compiled {len(MODULES)} modules; run them from there: cd {FOLDER.name}")
        if args.wheel:
            print(f"built {wheel().relative_to(ROOT)}")
        if args.test:
            closing = check()
            if args.json:
                found = {"modules": len(MODULES), "tests": closing}
                args.json.write_text(json.dumps({"compiled": found}) + "\n", encoding="utf-8")
    except Misuse as error:
        print(f"compiled: {error}", file=sys.stderr)
        return 2
    except BuildsDiffer as error:
        print(f"compiled: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
