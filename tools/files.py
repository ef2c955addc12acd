"""The files that a command is given: configuration, key file, private key.

Here is where they are read, with a limit on their size, and where the permissions of secrets are
checked. What they mean is checked in ``core.model.config``. Names in a configuration are relative
to the folder it lies in.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from core.io.run_folder import Owner, account_of
from core.model import config
from core.model.config import Config
from core.model.errors import BadConfig
from core.model.venue import Credentials, KeyFields

MAX_BYTES = 4 * config.MAX_CHARACTERS
"""Longest file that is read: the longest text, in UTF-8's longest characters."""


def read_config(path: Path) -> Config:
    """Return the checked configuration in ``path``. Raises ``BadConfig``."""
    return config.load(_read(path, "the configuration", secret=False), str(path))


def read_keys(loaded: Config, path: Path, wanted: KeyFields) -> Credentials | None:
    """Return the keys that a configuration names, ``path`` being its own, or None for none.

    Raises ``BadConfig`` for a file that others can read; no message holds a value of it.
    """
    if loaded.keys is None:
        return None
    place = beside(path, loaded.keys.file)
    keys = config.load_keys(_read(place, "the key file", secret=True), str(place), wanted)
    fields = dict(keys.fields)
    for field in (field for group in wanted for field in group):
        if field.pem and field.name in fields:
            fields[field.name] = _private_key(place, field.name, fields[field.name])
    return Credentials(fields)


def beside(path: Path, name: str) -> Path:
    """Return the file that ``name`` means when it is written in the file ``path``."""
    return path.parent / Path(name).expanduser()


def find_strategies_beside(path: Path) -> None:
    """Let ``module:Class`` find modules in the folder of the configuration ``path``."""
    folder = str(path.parent.resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _private_key(place: Path, field: str, name: str) -> str:
    """Return the key in the file that a field of the key file ``place`` names."""
    path = beside(place, name)
    # Whoever has written the key itself in place of its file's name must not see it in a log.
    shown = str(path) if os.path.lexists(path) else f"{place}: {field}"
    text = _read(path, "the private key's file", secret=True, shown=shown)
    if "PRIVATE KEY-----" not in text:
        raise BadConfig(f"{shown}: no private key in PEM (-----BEGIN PRIVATE KEY-----)")
    if "ENCRYPTED" in text:
        raise BadConfig(
            f"{shown}: the private key has a passphrase, which nobody can enter here; take it off: "
            "openssl pkey -in OLD.pem -out NEW.pem, then chmod 600 NEW.pem"
        )
    return text


def _read(path: Path, what: str, *, secret: bool, shown: str = "") -> str:
    shown = shown or str(path)
    try:
        # Without O_NONBLOCK opening a pipe would wait for its writer, for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BadConfig(f"{shown}: {what} cannot be read: {reason}") from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadConfig(f"{shown}: {what} has to be a regular file")
        if secret:
            _check_private(path, status)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadConfig(f"{shown}: {what} cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise BadConfig(f"{shown}: {what} is longer than {MAX_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadConfig(f"{shown}: {what} is not UTF-8 (byte {error.start})") from None


def _check_private(path: Path, status: os.stat_result) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o177:
        raise BadConfig(f"{path}: mode {mode:04o}, must be 0600 or 0400: chmod 600 {path}")
    if status.st_uid != os.geteuid():
        raise BadConfig(f"{path}: belongs to user {status.st_uid}, must be our own: chown")


def owner_of(config: Config, account: str | None, scope: str) -> Owner:
    """Return whose a run folder is that this configuration trades in with a ``Venue.account``."""
    return Owner(
        venue=config.venue,
        environment=str(config.environment),
        account=account_of(account),
        strategy=config.strategy.name,
        scope=scope,
    )
