"""The run folder: everything one run leaves behind, whose it is, and the lock that keeps it one's.

Here lives what a folder is called by and who may be in it. What is in the files is known where
they are written: ``journal/`` and ``boot`` in ``journal_file``, ``hops.hlog`` in ``hlog``,
``run.log`` in ``run_log``. ``config.toml`` is the configuration of the last boot, and
``config-N.toml`` that of boot N, each as it was when the boot started. ``owner.json`` says what
the folder is bound to, and which folder it is: what is held on one account means nothing on
another, and what is held once is not held in a copy, too.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec
from msgspec import Struct

from core.io.disk import DISK
from core.io.hang import STACKS
from core.io.last_boot import last_boot
from core.io.run_log import KEPT, older
from core.model.errors import BadConfig, JournalCorrupt
from core.state.journal import Header

LOG: Final = "run.log"

FILES: Final = (
    "lock",
    "boot",
    "boot.new",
    "config.toml",
    LOG,
    *(older(Path(LOG), number).name for number in range(1, KEPT + 1)),
    "hops.hlog",
    "hops.1.hlog",
    "guardian.log",
    STACKS,
    "owner.json",
    "owner.new",
)
"""What is opened by name: a folder there is an error, and a pipe would stop us until it is read."""

ACCOUNT_DIGITS: Final = 12
"""Hexadecimal digits of the digest that tells one key from another."""


class Owner(Struct, frozen=True, kw_only=True):
    """Whose a run folder is."""

    venue: str
    environment: str
    account: str
    """A digest of what the keys say of it, "none" without keys. Two keys of one account are two
    accounts here: nothing tells without asking the venue."""
    strategy: str
    scope: str
    """What every client order id of this account and strategy begins with."""


class _Bound(Owner, frozen=True, kw_only=True):
    """The same, and which folder that is: a copy of it is another one."""

    path: str = ""
    """Where it was last used, "" where an older hotloop has not noted it."""
    inode: int = 0
    """Its number on its disk: it stays as it is where a folder is renamed. The disk's own number is
    not kept, as it may be another one after each boot of the machine."""


def is_run_folder(path: Path) -> bool:
    """Whether a run was ever started in a folder; looking leaves nothing there."""
    return any((path / name).exists() for name in ("boot", "journal", "owner.json"))


def account_of(account: str | None) -> str:
    """Return what tells a ``Venue.account`` in ``Owner``: nothing leads back to the keys."""
    if account is None:
        return "none"
    return hashlib.sha256(f"account:{account}".encode()).hexdigest()[:ACCOUNT_DIGITS]


class RunFolder:
    """A folder that this process alone runs in, from ``__enter__`` to ``__exit__``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hop_log = path / "hops.hlog"
        self.log = path / LOG
        self.config = path / "config.toml"
        self.stacks = path / STACKS
        self._owner = path / "owner.json"
        self._lock = -1

    def __enter__(self) -> Self:
        """Make the folder if need be, look what is in it, and take its lock.

        Raises ``BadConfig``.
        """
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise BadConfig(f"run folder {self.path} is no folder; choose another [run] dir")
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._look()
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise BadConfig(f"run folder {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise BadConfig(
                f"run folder {self.path}: another process runs in it; stop that one first, "
                "or choose another [run] dir"
            ) from None
        self._lock = lock
        return self

    def forked(self) -> None:
        """Let go of the lock in a child of the process: it must not hold it longer than we do."""
        os.close(self._lock)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)

    def _look(self) -> None:
        """Refuse what is no ordinary file where we write or read one."""
        journal = self.path / "journal"
        if os.path.lexists(journal) and not journal.is_dir():
            raise BadConfig(f"{journal} is no folder; move it away, or choose another [run] dir")
        control = self.path / "control.sock"
        if os.path.lexists(control) and not control.is_socket():
            raise BadConfig(
                f"{control} is no socket, and a run makes one there; move it away, or choose "
                "another [run] dir"
            )
        found = [self.path / name for name in FILES]
        for path in (*found, *self.path.glob("config-*.toml"), *journal.glob("*.journal")):
            if os.path.lexists(path) and not path.is_file():  # nor a link that leads nowhere
                raise BadConfig(
                    f"{path} is no ordinary file, and has to be one; move it away, or choose "
                    "another [run] dir"
                )

    # -- whose it is ---------------------------------------------------------------------------

    def bind(self, owner: Owner, last: Header | None) -> None:
        """Bind the folder to whoever is its first; raise ``BadConfig`` for everybody else."""
        self.belongs(owner, last)
        self._write(owner)

    def belongs(self, owner: Owner, last: Header | None) -> bool:
        """Return whether the folder is bound already, and that to this owner.

        One in which nothing could ever be placed is bound to whoever comes next.

        ``last`` is the header of the last journal in it: a folder of an older hotloop says no more.
        Raises ``BadConfig`` where it is somebody else's, and where it is a copy.
        """
        bound = self._bound()
        if bound is not None:
            if not self._is_of(bound, owner) and self._is_untouched():
                return False
            self._compare(bound, owner)
            self._check_place(bound)
        elif last is not None and last.run_id not in ("", owner.scope):
            raise BadConfig(
                f"run folder {self.path}: it belongs to another venue, environment, account or "
                f"strategy ({last.venue}, {last.strategy}); {_CHOOSE}"
            )
        return bound is not None

    def moved(self) -> str:
        """Take this folder for the one that it was copied from; return where that was.

        Raises ``BadConfig`` where that is still there, or nothing was copied.
        """
        bound = self._bound()
        if bound is None or not bound.path or bound.path == str(self.path.resolve()):
            raise BadConfig(f"run folder {self.path}: it is no copy, and nothing has to be said")
        if self._is_there(bound):
            raise BadConfig(
                f"run folder {self.path}: {bound.path} is still there, and could trade on as well; "
                "remove that one first"
            )
        self._write(bound)
        return bound.path

    def _bound(self) -> _Bound | None:
        try:
            return msgspec.json.decode(self._owner.read_bytes(), type=_Bound)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadConfig(
                f"{self._owner} does not say whose this run folder is ({error}); put it back as it "
                "was, or choose another [run] dir"
            ) from error

    def _is_untouched(self) -> bool:
        """Whether no run here has come so far that it could place an order: until the venue has
        taken a key, and listed what is open, nothing is placed. A mistyped key binds nobody.
        """
        try:
            return last_boot(self.path) is None
        except (JournalCorrupt, OSError):
            return False

    def _is_of(self, bound: Owner, owner: Owner) -> bool:
        return all(getattr(bound, what) == getattr(owner, what) for what in _WHOSE)

    def _compare(self, bound: Owner, owner: Owner) -> None:
        for what in _WHOSE:
            was, is_now = getattr(bound, what), getattr(owner, what)
            if was != is_now:
                raise BadConfig(
                    f"run folder {self.path}: it belongs to the {what} {was}, and this "
                    f"configuration's is {is_now}; {_CHOOSE}"
                )

    def _check_place(self, bound: _Bound) -> None:
        """Refuse a copy: what was traded is held in both, and what either does is none of the
        other's. A folder that was renamed is itself.
        """
        if not bound.path or bound.path == str(self.path.resolve()):
            return
        if self.path.stat().st_ino == bound.inode and not self._is_there(bound):
            return
        raise BadConfig(
            f"run folder {self.path}: it is a copy of {bound.path}, and what is held would be "
            "traded by both; go on in that one, or choose another [run] dir. Where it was moved "
            "here from another disk: remove that one, then say hotloop position "
            f"{self.path} moved"
        )

    def _is_there(self, bound: _Bound) -> bool:
        """Whether the folder that this one was is there, and another one than this."""
        with suppress(OSError):
            there = os.path.exists(Path(bound.path) / self._owner.name)
            return there and not os.path.samefile(bound.path, self.path)
        return False

    def _write(self, owner: Owner) -> None:
        named = {name: getattr(owner, name) for name in Owner.__struct_fields__}
        path, inode = str(self.path.resolve()), self.path.stat().st_ino
        bound = _Bound(**named, path=path, inode=inode)
        if bound == self._bound():
            return
        fresh = self.path / "owner.new"
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(bound) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._owner)
            DISK.sync(self.path)
        except OSError as error:
            raise BadConfig(f"{self._owner} cannot be written: {error.strerror}") from error

    # -- configurations ------------------------------------------------------------------------

    def config_of(self, boot: int) -> Path:
        """Return where the configuration of one boot is kept."""
        return self.path / f"config-{boot}.toml"

    def keep_config(self, text: str, boot: int) -> None:
        """Write the configuration as it is now: the folder's, and for good this boot's.

        Raises ``BadConfig``.
        """
        try:
            self.config.write_text(text, encoding="utf-8")
            self.config_of(boot).write_text(text, encoding="utf-8")
        except OSError as error:
            raise BadConfig(f"run folder {self.path}: {error.strerror}") from error


_WHOSE: Final = ("venue", "environment", "account", "strategy")
"""What makes another owner."""

_CHOOSE: Final = (
    "what was traded there is none of this run's: choose another [run] dir. To stop for good what "
    "that folder traded, start it once more as it was, and leave it in order. Where it never "
    "traded (hotloop position tells), remove it"
)


def runner(folder: Path) -> int:
    """Return the id of the process that runs in a folder, 0 for none, -1 for one not to be told.

    The kernel's list of locks says so (proc_locks(5)); to try the lock would keep a run that is
    starting right now from having it.
    """
    try:
        file = os.stat(folder / "lock")
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    major, minor = os.major(file.st_dev), os.minor(file.st_dev)
    for line in lines:
        fields = line.split()
        if fields[1] != "FLOCK" or fields[3] != "WRITE":
            continue
        device, _, inode = fields[5].rpartition(":")
        # Devices without a major number of their own (overlays) have another one in the list.
        if int(inode) == file.st_ino and (not major or device == f"{major:02x}:{minor:02x}"):
            return int(fields[4]) or -1
    return 0
