"""What bad input is answered with: tries each case, and writes docs/bad-input.md.

Run ``python -m tools.bad_input``. Every line of the page is what was really said; nothing is
connected to anything.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from core.model.errors import HotloopError, Malformed
from core.model.events import Event
from core.model.units import Grid
from core.protocols.websocket import ClientCodec
from tools.cli import ended
from tools.world.tank import Tank

GOOD = """\
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT"]
[endpoints]
rest = "http://127.0.0.1:1"
stream = "ws://127.0.0.1:2"
ws_api = "ws://127.0.0.1:2/ws-api/v3"
[keys]
file = "keys.toml"
[strategy]
name = "maker"
[strategy.parameters]
size = "0.01"
max_position = "0.05"
[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "0.2"
max_daily_loss = "100"
"""

KEYS = 'api_key = "fake-key"\napi_secret = "fake-secret"\n'

Case = tuple[str, Callable[[Path], str]]


def cases() -> Iterator[tuple[str, list[Case]]]:
    """Return the cases, by chapter."""
    yield (
        "Configuration",
        [
            ("no such file", lambda d: run(d / "none.toml")),
            ("not TOML", lambda d: configured(d, GOOD + "[[[")),
            ("a misspelt key", lambda d: configured(d, GOOD.replace("symbols", "symbol"))),
            ("an unknown venue", lambda d: configured(d, GOOD.replace('"binance"', '"binanse"'))),
            ("an unknown environment", lambda d: configured(d, GOOD.replace('"sim"', '"paper"'))),
            ("live without --live", lambda d: configured(d, live())),
            ("a symbol twice", lambda d: configured(d, GOOD.replace('"]', '", "BTCUSDT"]'))),
            ("no endpoints", lambda d: configured(d, GOOD.replace("rest =", "# rest ="))),
            ("an unlimited risk limit", lambda d: configured(d, GOOD.replace('"0.2"', '"0"'))),
            ("a negative size", lambda d: configured(d, GOOD.replace('"0.01"', '"-1"'))),
            ("a size as a number", lambda d: configured(d, GOOD.replace('"0.01"', "0.01"))),
            ("no such strategy", lambda d: configured(d, GOOD.replace('"maker"', '"makr"'))),
            ("no such class", lambda d: configured(d, GOOD.replace('"maker"', '"json:Nope"'))),
            ("a parameter too many", lambda d: configured(d, GOOD.replace("\nsize", "\nsise"))),
            ("a secret inside", lambda d: configured(d, GOOD + '\n[keys2]\napi_secret = "x"\n')),
        ],
    )
    yield (
        "Keys",
        [
            ("no key file", lambda d: configured(d, GOOD, keys=None)),
            ("readable by others", lambda d: configured(d, GOOD, mode=0o644)),
            ("no secret", lambda d: configured(d, GOOD, keys='api_key = "fake-key"\n')),
            ("two secrets", lambda d: configured(d, GOOD, keys=KEYS + 'private_key = "x.pem"\n')),
            ("an empty key", lambda d: configured(d, GOOD, keys=KEYS.replace("fake-key", ""))),
        ],
    )
    yield (
        "WebSocket frames",
        [
            ("a masked frame from the server", lambda _: framed(b"\x81\x80\0\0\0\0")),
            ("a reserved bit", lambda _: framed(b"\xc1\x00")),
            ("an unknown opcode", lambda _: framed(b"\x83\x00")),
            ("a fragmented ping", lambda _: framed(b"\x09\x00")),
            ("a ping of 126 bytes", lambda _: framed(b"\x89\x7e\x00\x7e")),
            ("text that is not UTF-8", lambda _: framed(b"\x81\x01\xff")),
            ("2 GB announced", lambda _: framed(b"\x81\x7f\0\0\0\0\x80\0\0\0")),
            ("close code 1005 on the wire", lambda _: framed(b"\x88\x02\x03\xed")),
            ("a continuation of nothing", lambda _: framed(b"\x80\x00")),
        ],
    )
    yield (
        "JSON",
        [
            ("torn", lambda _: decoded(b'{"stream":"btcusdt@bookTicker","data":{"u":1')),
            ("no JSON", lambda _: decoded(b"<html>blocked</html>")),
            ("nested 100,000 deep", lambda _: decoded(b"[" * 100_000)),
            ("a number of a million digits", lambda _: decoded(ticker(u="9" * 1_000_000))),
            ("a field missing", lambda _: decoded(ticker().replace(b'"b"', b'"x"'))),
            ("a field of another type", lambda _: decoded(ticker(b="[]"))),
            (
                "bytes that are no UTF-8",
                lambda _: decoded(ticker().replace(b"BTC", b"\xff\xff\xff")),
            ),
        ],
    )
    yield (
        "Prices",
        [
            (repr(text), partial(counted, text))
            for text in (
                "NaN",
                "Infinity",
                "-1.00",
                "1e3",
                "1_000",
                "",
                "+1",
                " 1",
                "1.",
                ".5",
                "0x10",
                "١",
                "65000.001",
                "9" * 30,
                "0." + "0" * 50,
            )
        ],
    )


def live() -> str:
    """Return a configuration that would trade real money."""
    lines = GOOD.replace('"sim"', '"live"').splitlines()
    start = lines.index("[endpoints]")
    return "\n".join(lines[:start] + lines[start + 4 :])


def run(path: Path) -> str:
    """Return what ``hotloop run`` says about a configuration."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        code = ended(["run", str(path), "--seconds", "1"])
    text = said.getvalue().replace(str(path.parent) + os.sep, "").strip()
    return f"exit {code}: {text}"


def configured(folder: Path, text: str, *, keys: str | None = KEYS, mode: int = 0o600) -> str:
    """Return what is said about this configuration with this key file beside it."""
    (folder / "hotloop.toml").write_text(text, encoding="utf-8")
    if keys is not None:
        (folder / "keys.toml").write_text(keys, encoding="utf-8")
        (folder / "keys.toml").chmod(mode)
    return run(folder / "hotloop.toml")


def framed(data: bytes) -> str:
    """Return what the codec says about bytes from a server."""
    codec = ClientCodec(mask_source=lambda: 0, max_message_bytes=1 << 20)
    codec.receive(data)
    fault = codec.fault
    return f"close {fault.close_code}: {fault}" if fault else "accepted"


def ticker(**changes: str) -> bytes:
    """Return a book ticker with some values replaced."""
    values = {"u": "1", "s": '"BTCUSDT"', "b": '"1.00"', "B": '"1"', "a": '"2.00"', "A": '"1"'}
    body = ",".join(f'"{name}":{value}' for name, value in (values | changes).items())
    return b'{"stream":"btcusdt@bookTicker","data":{%s}}' % body.encode()


def decoded(payload: bytes) -> str:
    """Return what the venue's decoder says about a message."""
    adapter = Tank(rate=0.0).run(1.0).application.adapter
    events: list[Event] = []
    try:
        adapter.decode(0, payload, events)
    except HotloopError as error:
        return f"{type(error).__name__}: {error}"[:200]
    return f"accepted as {events}"


def counted(text: str, _: Path) -> str:
    """Return what becomes of a price on a grid of 0.01."""
    try:
        return f"accepted as {Grid('0.01').count(text)} ticks"
    except Malformed as error:
        return f"{type(error).__name__}: {error}"


_NO_ANSWER = re.compile(r"\| (accepted.*|exit 0.*|exit \d+:)? \|$")


def taken(text: str) -> list[str]:
    """Return the rows of a page whose bad input was taken for good, or refused without a word."""
    return [line for line in text.splitlines() if _NO_ANSWER.search(line)]


def page() -> str:
    """Return the page."""
    lines = [
        "# Bad input",
        "",
        "What was tried, and what it was answered with. Written by `python -m tools.bad_input`.",
    ]
    with tempfile.TemporaryDirectory() as root:
        numbers = itertools.count()
        for chapter, some in cases():
            lines += ["", f"## {chapter}", "", "| tried | answered |", "|---|---|"]
            for what, attempt in some:
                folder = Path(root) / str(next(numbers))
                folder.mkdir()
                answer = attempt(folder).replace("\n", "<br>").replace("|", "\\|")
                lines.append(f"| {what} | {answer} |")
    return "\n".join(lines) + "\n"


def write(path: Path) -> int:
    """Write the page; return 1 where anything bad was taken."""
    text = page()
    path.write_text(text, encoding="utf-8")
    found = taken(text)
    print(*found, sep="\n", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(write(Path("docs/bad-input.md")))
