"""The laws of the house that an import linter cannot keep, read from the source itself.

Each law is a function from a module's syntax tree to its breaches; each is shown a breach first, so
that a law which sees nothing cannot pass for one that is kept.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Callable, Iterator

import pytest

import venues

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("core", "strategies", "tools", "venues")

OUTSIDE = ("core/io/", "tools/", "venues/sim/")
"""The only rooms with await, sockets, clocks and files (law 1)."""

EFFECTS = frozenset(
    {
        *("asyncio", "trio", "trio_websocket", "httpx", "hypercorn", "starlette"),
        *("socket", "ssl", "select", "selectors", "socketserver", "http", "urllib.request"),
        *("time", "signal", "threading", "multiprocessing", "concurrent", "subprocess"),
        *("os", "io", "pathlib", "tempfile", "mmap", "shutil", "fcntl", "logging"),
        *("secrets", "uuid"),
    }
)
"""Modules that read or change anything beyond their arguments, or are random without a seed."""

EFFECT_CALLS = frozenset({"open", "print", "input", "breakpoint", "exec", "eval"})
STRATEGY_CALL = "core/engine/callbacks.py:run"
"""A strategy may raise anything: whatever it is, the run is left and our orders are cancelled."""

CLOCK_READS = frozenset({"now", "utcnow", "today"})

Law = Callable[[str, ast.Module], Iterator[str]]


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and full name of all that a module imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module in PACKAGES or node.module.count(".") == 0:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def inside(path: str) -> bool:
    return not path.startswith(OUTSIDE)


def has_docstring(path: str, tree: ast.Module) -> Iterator[str]:
    """Every module opens with the law of its room."""
    if not ast.get_docstring(tree):
        yield f"{path}: no docstring"


def is_synchronous(path: str, tree: ast.Module) -> Iterator[str]:
    """Law 1: nothing waits outside io, tools and the sim."""
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    if inside(path):
        yield from (f"{path}:{n.lineno}: async" for n in ast.walk(tree) if isinstance(n, waits))


def is_pure(path: str, tree: ast.Module) -> Iterator[str]:
    """Law 1: no clock, file, socket, task or unseeded randomness outside io, tools and the sim."""
    if not inside(path):
        return
    for line, name in imports(tree):
        if name in EFFECTS or name.split(".")[0] in EFFECTS:
            yield f"{path}:{line}: imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) if name in EFFECT_CALLS:
                    yield f"{path}:{node.lineno}: calls {name}()"
                case ast.Attribute(attr=name, value=ast.Name(id="datetime" | "date")) if (
                    name in CLOCK_READS
                ):
                    yield f"{path}:{node.lineno}: reads a clock"


def knows_only_the_model(path: str, tree: ast.Module) -> Iterator[str]:
    """Law 2: strategies know core.model; venues know that and the protocols."""
    room, _, rest = path.partition("/")
    allowed: list[str]
    if room == "strategies":
        allowed = ["strategies", "core.model"]
    elif room == "venues" and "/" in rest and not rest.startswith("sim/"):
        allowed = [f"venues.{rest.partition('/')[0]}", "venues.kit", "core.model", "core.protocols"]
    else:
        return
    for line, name in imports(tree):
        if name.split(".")[0] in PACKAGES and not _stands_in(name, allowed):
            yield f"{path}:{line}: imports {name}"


def _stands_in(name: str, allowed: list[str]) -> bool:
    return any(name == each or name.startswith(each + ".") for each in allowed)


def catches_by_name(path: str, tree: ast.Module) -> Iterator[str]:
    """No handler swallows what it does not know; a strategy's errors are the one exception."""
    for scope in ast.walk(tree):
        if isinstance(scope, ast.FunctionDef) and f"{path}:{scope.name}" == STRATEGY_CALL:
            scope.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(
                kind is None
                or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))
                for kind in kinds
            )
            if broad and not any(isinstance(each, ast.Raise) for each in ast.walk(node)):
                yield f"{path}:{node.lineno}: swallows anything"


def leads_back_only(path: str, tree: ast.Module) -> Iterator[str]:
    """What an order replaces is given with its birth, so that no order can lead to itself.

    The garbage collector does not know of orders (``core.model.frozen.Untracked``).
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and not _is_none(node.value):
            for target in node.targets:
                for each in ast.walk(target):
                    if isinstance(each, ast.Attribute) and each.attr == "replaces":
                        yield f"{path}:{node.lineno}: lets an order lead to any other"


def names_no_venue(path: str, tree: ast.Module) -> Iterator[str]:
    """Core works with any venue: no word in it, of code or of comment, is the name of one."""
    if path.startswith("core/"):
        text = (ROOT / path).read_text(encoding="utf-8") + ast.unparse(tree)
        found = [name for name in venues.names() if name in text.lower()]
        yield from (f"{path}: names {name}" for name in found)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


LOOK_ON = ("core/engine/replay.py", "core/engine/status.py", "core/engine/understudy.py")
"""No components of the engine: they hold a whole one."""

PORTS = {
    "stamp": "the clock of the hops, whose times lead to words alone",
    "log": "lines for people",
    "stop": "the way to have the run left: ``Port.stop``",
    "feed_of placed symbol_of remedy": "answers of the venue: ``Adapter``",
    "limits_of parameters_with": "answers of the configuration",
    "callback": "one of the strategy's, called from ``core.engine.callbacks`` alone",
    "approve": "one of the ways that risk has to approve an order",
}
"""What a component of the engine may be handed to call. None of it leads back into the engine."""


def leaves_consequences(path: str, tree: ast.Module) -> Iterator[str]:
    """No component of the engine is handed a way to its neighbours, or to those above it.

    What follows for them is returned, or left in the turn. What sorts by a key leads nowhere.
    """
    if not path.startswith("core/engine/") or path in LOOK_ON:
        return
    ports = {name for names in PORTS for name in names.split()}
    keys = {id(k.value) for k in ast.walk(tree) if isinstance(k, ast.keyword) and k.arg == "key"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda) and id(node) not in keys:
            yield f"{path}:{node.lineno}: lambda"
        elif isinstance(node, ast.FunctionDef):
            inner = (each for each in ast.walk(node) if each is not node)
            for each in inner:
                if isinstance(each, ast.FunctionDef):
                    yield f"{path}:{each.lineno}: {each.name} closes over {node.name}"
            for argument in (*node.args.args, *node.args.kwonlyargs):
                kind = ast.unparse(argument.annotation) if argument.annotation else ""
                if "Callable" in kind and argument.arg not in ports:
                    yield f"{path}:{argument.lineno}: {argument.arg} is a way to somewhere"


LAWS: list[tuple[Law, str, str]] = [
    (has_docstring, "core/state/book.py", "x = 1"),
    (is_synchronous, "core/state/book.py", "async def f(): pass"),
    (is_synchronous, "core/model/venue.py", "async def f():\n    await g()"),
    (is_synchronous, "venues/binance/decode.py", "async def f():\n    async with g: pass"),
    (is_pure, "core/engine/engine.py", "import time"),
    (is_pure, "core/engine/engine.py", "def f():\n    from os import path"),
    (is_pure, "core/engine/engine.py", "import urllib.request"),
    (is_pure, "venues/binance/signer.py", "from socket import socket"),
    (is_pure, "strategies/maker.py", "open('x')"),
    (is_pure, "strategies/maker.py", "datetime.now()"),
    (knows_only_the_model, "strategies/maker.py", "from core.state.orders import OrderTable"),
    (knows_only_the_model, "strategies/maker.py", "from core.state import book"),
    (knows_only_the_model, "strategies/maker.py", "import core.io.loop"),
    (knows_only_the_model, "strategies/maker.py", "from venues import binance"),
    (knows_only_the_model, "venues/binance/decode.py", "from core.engine.engine import Engine"),
    (knows_only_the_model, "venues/binance/decode.py", "from venues.sim import errors"),
    (knows_only_the_model, "venues/kit/numbers.py", "from venues.binance import schema"),
    (knows_only_the_model, "venues/kit/signing.py", "from core.state.journal import Ask"),
    (names_no_venue, "core/model/venue.py", "url = 'wss://stream.binance.com'"),
    (names_no_venue, "core/engine/engine.py", "def is_kraken(): ..."),
    (catches_by_name, "tools/check.py", "try: f()\nexcept: pass"),
    (leads_back_only, "core/state/orders.py", "older.replaces = newer"),
    (leads_back_only, "core/engine/desk.py", "older.replaces, size = newer, 1"),
    (catches_by_name, "tools/check.py", "try: f()\nexcept (KeyError, Exception): pass"),
    (leaves_consequences, "core/engine/engine.py", "Resolution(apply=lambda one: f(one))"),
    (leaves_consequences, "core/engine/resolution.py", "def f(apply: Callable[[int], None]): pass"),
    (
        leaves_consequences,
        "core/engine/resolution.py",
        "def f(*, on: Callable[[], int] | None): pass",
    ),
    (leaves_consequences, "core/engine/gate.py", "def f():\n    def g(): pass"),
]

ALLOWED: list[tuple[Law, str, str]] = [
    (is_synchronous, "core/io/loop.py", "async def f(): pass"),
    (is_synchronous, "venues/sim/server.py", "async def f(): pass"),
    (is_pure, "tools/check.py", "import time"),
    (is_pure, "venues/kit/forms.py", "from urllib.parse import quote"),
    (knows_only_the_model, "venues/binance/decode.py", "from venues.kit.messages import refuse"),
    (knows_only_the_model, "strategies/maker.py", "from core.model.views import BookView"),
    (knows_only_the_model, "strategies/maker.py", "from strategies.sizes import Size"),
    (
        knows_only_the_model,
        "venues/binance/decode.py",
        "from core.protocols.websocket import Frame",
    ),
    (knows_only_the_model, "venues/binance/decode.py", "from venues.binance import rules"),
    (catches_by_name, "tools/check.py", "try: f()\nexcept BaseException:\n    g()\n    raise"),
    (leads_back_only, "core/state/orders.py", "older.replaces = None"),
    (leaves_consequences, "core/engine/gate.py", "max(told, key=lambda one: one.rank)"),
    (leaves_consequences, "core/engine/gate.py", "def f(log: Callable[[str], None]): pass"),
    (leaves_consequences, "core/io/loop.py", "f(lambda: g())"),
]


def breaches(law: Law, path: str, source: str) -> list[str]:
    return list(law(path, ast.parse(source)))


def sources() -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    )


@pytest.mark.parametrize(("law", "path", "source"), LAWS)
def test_a_law_sees_its_breach(law: Law, path: str, source: str) -> None:
    assert breaches(law, path, source)


@pytest.mark.parametrize(("law", "path", "source"), ALLOWED)
def test_a_law_lets_pass_what_is_allowed(law: Law, path: str, source: str) -> None:
    assert not breaches(law, path, source)


@pytest.mark.parametrize(
    "law",
    [
        has_docstring,
        is_synchronous,
        is_pure,
        knows_only_the_model,
        catches_by_name,
        leads_back_only,
        names_no_venue,
        leaves_consequences,
    ],
)
def test_the_law_is_kept(law: Law) -> None:
    found = [
        breach
        for path in sources()
        for breach in breaches(law, path, (ROOT / path).read_text(encoding="utf-8"))
    ]
    assert not found


def test_every_room_is_looked_at() -> None:
    looked_at = sources()
    assert {path.split("/")[0] for path in looked_at} == set(PACKAGES)
    assert "core/model/units.py" in looked_at
