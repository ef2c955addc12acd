"""``python -m tools.fuzz.guided TARGET``: the same readers, led by coverage (atheris, libFuzzer).

Runs in an environment of its own, because atheris is no part of the project; ``docs/fuzzing.md``
has the commands. What is found goes into ``--input`` of ``python -m tools.fuzz``, which judges
memory and time as well, and into ``tests/fuzz/found.txt``.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import atheris

with atheris.instrument_imports(include=["core", "venues", "tools.fuzz"]):
    from tools.fuzz.targets import TARGETS

FOLDER: Final = Path(".fuzz")
"""What libFuzzer keeps: a folder for each target, ignored by git."""


def main() -> None:
    """Fuzz until libFuzzer's own arguments say stop; it ends the process itself."""
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    target = next((target for target in TARGETS if target.name == name), None)
    if target is None:
        sys.exit(f"expected one of {', '.join(target.name for target in TARGETS)}")
    read, allowed = target.read, target.allowed
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.corpus()):
        (folder / f"legal-{number}").write_bytes(data)

    def once(data: bytes) -> None:
        with suppress(*allowed):
            read(data)

    found = f"-artifact_prefix={FOLDER / name}-"
    atheris.Setup([sys.argv[0], str(folder), found, "-max_len=4096", *sys.argv[1:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
