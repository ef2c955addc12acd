"""A recorded run, as the commands that replay it take it: its journal, its configuration.

Here a path becomes boots, each with the application that it ran in, and what stands in the way is
said with what to do about it. What is done with the records is for the commands.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from core.engine.replay import boots
from core.io.journal_file import Reader, read
from core.io.run_folder import RunFolder
from core.model.config import Config, digest
from core.model.errors import BadConfig, BadParameter
from core.state.journal import Header, Record
from tools import app
from tools.app import Application
from tools.files import find_strategies_beside, read_config
from tools.sources import source_digest


class Recording:
    """A run folder's journal, and the configuration that lies beside it."""

    def __init__(self, path: Path, boot: int | None) -> None:
        """Take any path that names the journal. Raises ``BadParameter`` or ``BadConfig``."""
        if not path.exists():
            raise BadParameter(f"{path} does not exist; JOURNAL is a run folder")
        journal = path.parent if path.is_file() else path
        self.folder = journal.parent if any(journal.glob("*.journal")) else journal
        self.reader: Reader = read(self.folder)
        self.config_path = RunFolder(self.folder).config
        self.config: Config = read_config(self.config_path)
        self._boot = boot
        self._sizes = [file.stat().st_size for file in sorted(self.folder.glob("journal/*"))]
        self._first = 0
        # The run found them beside its configuration, of which the folder holds only a copy.
        find_strategies_beside(Path.cwd() / self.config_path.name)
        find_strategies_beside(self.config_path)

    def boots(self) -> Iterator[tuple[Header, Iterator[Record]]]:
        """Yield what is to be replayed, boot by boot. Raises ``BadParameter``."""
        found = []
        for header, records in boots(self.reader):
            self._first = self._first or header.segment
            if "run" not in header.seeds:
                continue  # a word of the operator between two runs
            found.append(header.boot)
            if self._boot in (None, header.boot):
                self._check_whole(header)
                yield header, records
        if self._boot is not None and self._boot not in found:
            raise BadParameter(
                f"--boot {self._boot}: {self.folder} holds {', '.join(map(str, found))}"
            )

    def _check_whole(self, header: Header) -> None:
        if header.previous_end:
            raise BadParameter(
                f"{self.folder}: the beginning of boot {header.boot} is gone: retention deleted "
                f"the segments before {header.segment:06}, and a replay starts where a boot "
                "starts. Put them back from a copy, or replay a later boot alone (--boot N); a "
                "larger [journal] keep_segments keeps more of the next run"
            )

    def config_of(self, header: Header) -> Config:
        """Return the configuration that a boot ran with. Raises ``BadConfig``.

        Each boot leaves its own; the folder's latest serves where that is gone.
        """
        path = RunFolder(self.folder).config_of(header.boot)
        found = read_config(path) if path.exists() else self.config
        if digest(found) != header.config_digest:
            raise BadConfig(
                f"{path}: boot {header.boot} did not run with this (its digest is not the one in "
                "the journal): it was changed, is gone, or another version of hotloop reads it "
                "differently. Put it back as it was, or replay another boot (--boot N)"
            )
        return found

    def wire(self, header: Header, config: Config) -> Application:
        """Wire the application of a boot again. Raises ``BadConfig``."""
        return app.wire(
            config,
            str(self.config_path),
            scope=header.run_id,
            boot=header.boot,
            seed=header.seeds["run"],
            key=header.key,
            flattens=header.strategy == app.FLATTEN,
        )

    def changed(self, header: Header, application: Application) -> bool:
        """Whether the strategy's source is another than a boot ran with, as far as is known."""
        now = source_digest(type(application.strategy))
        return bool(header.strategy_digest and now) and now != header.strategy_digest

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        return sum(self._sizes)

    def position(self, record: Record) -> int:
        """Bytes of the journal before a record."""
        return sum(self._sizes[: record.segment - self._first]) + record.offset

    def warn_of_torn(self) -> None:
        """Say what a dying process left half written."""
        if self.reader.left:
            print(
                f"hotloop: {self.folder}: {self.reader.left} bytes were torn: half written when "
                "the process died, and no part of the replay",
                file=sys.stderr,
            )


@contextmanager
def progress_bar(recording: Recording) -> Iterator[Callable[[Record], None]]:
    """Show on a terminal how far a recording was replayed; yields what tells it so."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    # What strategies print stays where they print it, and what we print is for after the bar.
    with Progress(
        *columns,
        console=console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("replaying", total=recording.size)
        yield lambda record: progress.update(task, completed=recording.position(record))
