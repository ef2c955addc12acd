"""``hotloop run`` in a folder: its processes, what it says, and what its journal holds.

The run trades ``loud``, the maker that prints as much as it is told to: only who writes a lot
notices that nobody reads.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from core.io.journal_file import Reader, read_from, segments
from core.model.errors import HotloopError
from core.state.journal import Header, Kind, Record, unpack
from tools import ctl
from tools.crash_test.exchange import endpoints
from tools.crash_test.patience import Wrong
from tools.demo import MARKETS

CONFIG: Final = """\
venue = "{venue}"
environment = "sim"
symbols = ["{symbol}"]
[endpoints]
{endpoints}
[keys]
file = "keys.toml"
[strategy]
name = "maker"
[strategy.parameters]
size = "0.01"
max_position = "0.5"
half_spread_bps = "0.1"
skew_bps = "0.1"
requote_bps = "0.05"
[risk]
max_order_size = "0.05"
max_order_notional = "10000"
max_position = "1"
max_daily_loss = "100000"
[loop]
mode = "wait"
[run]
dir = "."
[session]
request_expiry_ms = 500
[journal]
segment_mb = 4
"""

LEAVE_S: Final = 16
"""How long a run of ours tries to prove that nothing is left: after a boot that died it has to wait
for its window, the venue's own timeout and the skew, 12.5 s in all."""

LOUD: Final = '''\
"""The maker, printing as much as it is told to with every look at a book."""

from typing import Annotated

from msgspec import Meta

from strategies.maker import Maker, MakerParameters


class LoudParameters(MakerParameters, frozen=True, forbid_unknown_fields=True):
    prints: Annotated[int, Meta(ge=0, le=4_000)] = 0


class Loud(Maker):
    Parameters = LoudParameters

    def on_book(self, desk, book):
        super().on_book(desk, book)
        if self.parameters.prints:
            print("x" * self.parameters.prints)
'''

SMALL_PIPE: Final = 4_096
"""Bytes of the smallest pipe there is."""


def write_folder(folder: Path, announcement: dict[str, Any]) -> None:
    """Write what a run of the maker on this exchange needs."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = folder / "keys.toml"
    keys.touch(mode=0o600)
    keys.write_text(
        f'api_key = "{announcement["api_key"]}"\napi_secret = "{announcement["api_secret"]}"\n',
        encoding="utf-8",
    )
    places = (f'{name} = "{announcement[name]}"' for name in endpoints(announcement))
    venue = announcement["venue"]
    config = CONFIG.format(venue=venue, symbol=MARKETS[venue].symbol, endpoints="\n".join(places))
    (folder / "run.toml").write_text(config, encoding="utf-8")


def write_loud_folder(folder: Path, announcement: dict[str, Any]) -> None:
    """Write what a run needs that is to be struck."""
    write_folder(folder, announcement)
    (folder / "loud.py").write_text(LOUD, encoding="utf-8")
    config = folder / "run.toml"
    text = config.read_text(encoding="utf-8")
    text = text.replace('name = "maker"', 'name = "loud:Loud"')
    text = text.replace('dir = "."', f'dir = "."\nleave_timeout_s = {LEAVE_S}')
    config.write_text(text.replace("segment_mb = 4", "segment_mb = 1"), encoding="utf-8")


class Run:
    """``hotloop run`` in a folder, and what its control socket says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.folder / "stderr").open("ab") as errors:
            return self._start(subprocess.DEVNULL, errors.fileno())

    def _start(self, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tools", "run", str(self.folder / "run.toml")],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=os.environ | {"XDG_STATE_HOME": str(self.folder / "state")},
            start_new_session=True,
        )

    def status(self) -> dict[str, Any]:
        """Return what it says of itself, nothing while it does not."""
        if self.process.poll() is not None:
            end = (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")[-500:]
            raise Wrong(f"the run ended by itself with {self.process.returncode}: {end}")
        try:
            status: dict[str, Any] = json.loads(ctl.ask(self.folder, "status"))
        except HotloopError:
            return {}
        return status if status.get("pid") == self.process.pid else {}

    def tell(self, verb: str, *arguments: str) -> None:
        """Say a word over the control socket. Raises ``Wrong`` where it is not taken."""
        reply = json.loads(ctl.ask(self.folder, verb, arguments))
        if not reply["ok"]:
            raise Wrong(f"{verb} {' '.join(arguments)}: {reply['error']}")

    def trading(self) -> bool:
        return self.status().get("state") == "trading"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def guardians(self) -> list[int]:
        """Return the processes that guard it: one, or none yet. Whichever thread has made them."""
        found = []
        for thread in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(word) for word in thread.read_text(encoding="ascii").split()]
        return [pid for pid in found if is_guardian(pid)]

    def guardian(self) -> int:
        """Return the process that guards it. Raises ``Wrong`` where there is none."""
        found = self.guardians()
        if not found:
            raise Wrong("it trades, and nobody guards it")
        return found[0]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


class Watched(Run):
    """A run at a terminal, what it says there and in its log, and how its terminal is stopped."""

    def __init__(self, folder: Path) -> None:
        self._said_before = _size(folder / "stderr")
        self._logged_before = _size(folder / "run.log")
        super().__init__(folder)

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._ours, theirs = pty.openpty()
        try:
            process = self._start(theirs, theirs)
        finally:
            os.close(theirs)
        self._closed = Event()
        Thread(target=self._copy, daemon=True).start()
        return process

    def _copy(self) -> None:
        """Read the terminal as a person does, until all who write to it are gone."""
        with (self.folder / "stderr").open("ab", buffering=0) as copy:
            while True:
                try:
                    data = os.read(self._ours, 65_536)
                except OSError as error:
                    if error.errno != errno.EIO:
                        raise
                    break
                copy.write(data)
        os.close(self._ours)
        self._closed.set()

    def block_output(self) -> None:
        """Ctrl-S: whoever writes to the terminal waits."""
        os.write(self._ours, b"\x13")

    def unblock_output(self) -> None:
        """Ctrl-Q."""
        with suppress(OSError):
            os.write(self._ours, b"\x11")

    def kill(self) -> None:
        super().kill()
        self.unblock_output()
        self._closed.wait(2.0)

    def said(self) -> str:
        """Return what this run has said on its terminal so far."""
        if self.process.poll() is not None:
            self._closed.wait(2.0)  # the last words are on their way
        return _since(self.folder / "stderr", self._said_before)

    def logged(self) -> str:
        """Return what this run, and its guardian for it, has written into its log."""
        return _since(self.folder / "run.log", self._logged_before)


class Unread(Watched):
    """A run that writes into a pipe that nobody reads."""

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._reading, writing = os.pipe()
        try:
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALL_PIPE)
            return self._start(writing, writing)
        finally:
            os.close(writing)

    def block_output(self) -> None:
        """Nobody has ever read it."""

    def kill(self) -> None:
        Run.kill(self)
        with suppress(OSError):
            os.close(self._reading)

    def said(self) -> str:
        """Nobody knows what it said there."""
        return ""


def is_guardian(pid: int) -> bool:
    """Whether a process is a guardian, and lives."""
    with suppress(OSError):
        return b"tools.guardian" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _since(file: Path, offset: int) -> str:
    if not file.exists():
        return ""
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read().decode(errors="replace")


# -- its journal -----------------------------------------------------------------------------

_NEW_ORDER: Final = re.compile(
    rb'"?newClientOrderId"?[:=]"?([^"&]+)'  # Binance; a cancel names its order otherwise
    rb'|"order_qty":[0-9.]+(?:,"limit_price":[0-9.]+)?,"cl_ord_id":"([^"]+)'  # Kraken
)


class Journaled:
    """What the journal of a folder holds, read on as boots are added to it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next_segment = 1
        self.names: set[str] = set()
        """Client ids of all orders that were journaled before they were sent."""
        self.boots: list[int] = []
        """Boots that the journal has, and that nobody has asked for before."""

    def read_on(self) -> None:
        """Read what was added since; ask when nobody writes."""
        if segments(self._folder)[-1:] < [self._next_segment]:
            return
        for record in Reader(read_from(self._folder, self._next_segment)):
            self._take(record)
        self._next_segment = segments(self._folder)[-1] + 1

    def _take(self, record: Record) -> None:
        if record.kind == Kind.HEADER:
            boot = unpack(record.payload, Header).boot
            if boot not in self.boots:
                self.boots.append(boot)
        elif record.kind in (Kind.SEND, Kind.ASK):
            found = _NEW_ORDER.findall(record.payload)
            self.names.update((binance or kraken).decode() for binance, kraken in found)

    def new_boots(self) -> list[int]:
        """Return the boots that were not returned before."""
        found, self.boots = self.boots, []
        return found
