"""The peers' environments: one for each, from its pinned requirements.

They lie under ``.peers``, which is never committed; removing that folder removes them all. A peer
never shares an environment with hotloop or with another peer.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from core.model.errors import BadParameter
from tools.bench import variants


def run(names: Sequence[str]) -> int:
    """Make or renew environments; return 1 if one of them could not be made."""
    known = variants.known_peers()
    failed = []
    for name in names:
        if name not in known:
            raise BadParameter(f"--install-peers {name}: there are {', '.join(known)}")
        print(f"installing {name}", file=sys.stderr)
        if not _install(name):
            failed.append(name)
    if failed:
        print(f"not installed: {', '.join(failed)}; pip's words are above", file=sys.stderr)
    return 1 if failed else 0


def _install(name: str) -> bool:
    folder = variants.ENVIRONMENTS / name
    python = variants.python_of(name)
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    requirements = variants.PEERS / name / "requirements.txt"
    command = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(requirements)]
    return subprocess.run(command, check=False).returncode == 0
