"""The run folder: everything one run leaves behind, and the lock that keeps it one run's.

Here lives what a folder is called by and who may be in it. What is in the files is known where
they are written: ``journal/`` and ``boot`` in ``journal_file``, ``hops.hlog`` in ``hlog``,
``run.log`` in ``run_log``. ``config.toml`` is the configuration of the last boot, and
``config-N.toml`` that of boot N, each as it was when the boot started.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import BadConfig


class RunFolder:
    """A folder that this process alone runs in, from ``__enter__`` to ``__exit__``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hop_log = path / "hops.hlog"
        self.log = path / "run.log"
        self.config = path / "config.toml"
        self._lock = -1

    def __enter__(self) -> Self:
        """Make the folder if need be, and take its lock. Raises ``BadConfig``."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)

    def config_of(self, boot: int) -> Path:
        """Return where the configuration of one boot is kept."""
        return self.path / f"config-{boot}.toml"

    def keep_config(self, text: str, boot: int) -> None:
        """Write the configuration as it is now: the folder's, and for good this boot's."""
        self.config.write_text(text, encoding="utf-8")
        self.config_of(boot).write_text(text, encoding="utf-8")
