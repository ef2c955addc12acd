"""What the application asks of the disk beyond memory: room, durability, and lines at a file's end.

Here lives the one narrow seam between the files of a run and the operating system. What stands
behind it is the real disk; a simulated one, that may be full, failing or slow, stands in for it
where the whole process runs in a simulated world. What the files hold is known elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Protocol


class Appended(Protocol):
    """A file that is written at its end."""

    def write(self, data: bytes, /) -> int:
        """Write what fits, and return how much that was. Raises ``OSError``."""
        ...

    def close(self) -> None: ...


class Disk:
    """The real disk. Every method raises ``OSError`` for what the disk does not allow."""

    def append(self, path: Path) -> Appended:
        """Open a file to write at its end; each write is one system call."""
        return path.open("ab", buffering=0)

    def reserve(self, descriptor: int, size: int) -> None:
        """Allocate the first ``size`` bytes of an open file, so that stores cannot fail later."""
        os.posix_fallocate(descriptor, 0, size)

    def sync(self, path: Path) -> None:
        """Put a file or folder on the disk, mapped pages included, and wait for it."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


DISK: Final = Disk()
