"""``python -m tools.compiled``: the hot modules as machine code, in a copy of this checkout.

mypyc turns the typed source of the modules below into extension modules beside it. The source is
the reference and is what runs everywhere else; the copy is for those who want its speed, and for
running all tests on both: ``cd .compiled && python -m pytest``. Wants a C compiler, and mypy from
the development requirements.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from core.errors import Misuse

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / ".compiled"
COPIED: Final = ("core", "venues", "strategies", "tools", "tests", "docs")
FILES: Final = ("pyproject.toml", "README.md")

MODULES: Final = (
    *("core/book.py", "core/desk.py", "core/doubts.py", "core/engine.py", "core/inflight.py"),
    *("core/orders.py", "core/outbound.py", "core/position.py", "core/proof.py"),
    *("core/recovery.py", "core/risk.py", "core/sequence.py", "core/session.py"),
    *("core/throttle.py", "core/timers.py", "core/units.py", "core/views.py"),
    *("core/wire/websocket.py", "core/io/journal_file.py", "core/io/loop.py"),
    *("venues/binance/decode.py", "venues/binance/encode.py", "venues/binance/facts.py"),
)
"""All that a tick passes on its way, but what others derive classes from: the hop stamps, the
venue's adapter, the transports."""


def build(folder: Path = FOLDER) -> None:
    """Make the copy anew. Raises ``Misuse`` where mypyc cannot compile it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    config = folder / "mypyc.ini"
    config.write_text("[mypy]\nignore_missing_imports = True\n", encoding="utf-8")
    mypyc = Path(sys.executable).with_name("mypyc")
    made = subprocess.run(
        [sys.executable, str(mypyc), "--config-file", str(config), *MODULES],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise Misuse(f"mypyc failed, and says: {(made.stdout + made.stderr)[-2000:]}")


def main() -> int:
    """Build, and say where."""
    description = (__doc__ or "").partition("\n")[0]
    argparse.ArgumentParser(description=description).parse_args()
    try:
        build()
    except Misuse as error:
        print(f"compiled: {error}", file=sys.stderr)
        return 2
    print(f"compiled {len(MODULES)} modules; run them from there: cd {FOLDER.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
