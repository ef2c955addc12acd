"""The exchange stands alone, and below its edges it has no clock, no sockets and no tasks."""

import ast
from pathlib import Path

import pytest

import venues.sim

FOLDER = Path(venues.sim.__file__).parent
EDGES = {"http_server", "sockets", "server"}
OUTSIDE_WORLD = {"trio", "time", "socket", "ssl", "httpx", "anyio", "os"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize(
    "path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER))
)
def test_imports_stay_within_the_exchange(path: Path) -> None:
    names = imported(path)
    own = {
        name for name in names if name.split(".")[0] in {"core", "venues", "strategies", "tools"}
    }
    assert all(name.startswith("venues.sim") for name in own)
    if path.stem not in EDGES:
        assert not {name.split(".")[0] for name in names} & OUTSIDE_WORLD
        tree = ast.parse(path.read_text())
        assert not any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree))
