"""``hotloop new-venue``: the folders of a venue that is not there yet, each place to fill named.

Here a layout is written from the texts beside this file. It stands on its own at once: it passes
the structural part of the suite that every venue passes, answers nothing, and connects nowhere.
What a venue is asked is in ``docs/venues.md``.
"""

from __future__ import annotations

import argparse
import keyword
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import venues
from core.model.errors import Misuse
from tools.cli import Exit

HERE: Final = Path(__file__).parent
ROOT: Final = Path(__file__).parents[2]

LAYOUT: Final = {
    "package.txt": "venues/{name}/__init__.py",
    "adapter.txt": "venues/{name}/adapter.py",
    "signer.txt": "venues/{name}/signer.py",
    "notes.txt": "venues/{name}/NOTES.md",
    "tests.txt": "tests/venues/{name}/__init__.py",
    "samples.txt": "tests/venues/{name}/samples.py",
}
"""Which text becomes which file."""

NAME: Final = re.compile(r"[a-z][a-z0-9_]{1,30}", re.ASCII)

FILL: Final = "FILL: "
"""What begins the name of a place to fill."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", metavar="NAME", help="small letters, digits and underscores")


def run(args: argparse.Namespace) -> int:
    """Write the folders, and show what is to be filled, in the order of work."""
    written = lay_out(args.name, ROOT)
    print(f"{args.name}: laid out; it passes the suite's structural part already:")
    print(f"  .venv/bin/python -m pytest tests/venues/conformance -k {args.name}")
    print("To fill, from the venue's documentation (docs/venues.md says what each answer means):")
    for path in written:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            if FILL in line:
                what = line.partition(FILL)[2]
                print(f"  {path.relative_to(ROOT)}:{number}: {what}")
    print('Then: venue = "' + args.name + '" in a configuration, and hotloop check.')
    return Exit.OK


def lay_out(name: str, root: Path) -> list[Path]:
    """Write a venue's files under ``root``, and return them.

    Raises ``Misuse`` for a name that is none or is taken, and then writes nothing.
    """
    if not NAME.fullmatch(name) or keyword.iskeyword(name) or name in venues.NO_VENUES:
        raise Misuse(
            f"{name!r} cannot be a venue's name: two to 31 small letters, digits and underscores, "
            "beginning with a letter"
        )
    paths = {text: root / place.format(name=name) for text, place in LAYOUT.items()}
    for path in paths.values():
        if path.exists():
            raise Misuse(f"{path.relative_to(root)} is there already: nothing was written")
    words = {
        "{{name}}": name,
        "{{Name}}": name.capitalize(),
        "{{day}}": f"{datetime.now(UTC).date()}",
    }
    for text, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        source = (HERE / text).read_text(encoding="utf-8")
        for word, stands_for in words.items():
            source = source.replace(word, stands_for)
        path.write_text(source, encoding="utf-8")
    return list(paths.values())
