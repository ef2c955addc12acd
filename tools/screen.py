"""Tables for people: as wide as the terminal, never cut in a file, and no surprise to a pipe."""

from __future__ import annotations

from rich.console import Console

NARROWEST = 100
"""Columns to write where the output is no terminal: the table is not to be cut in a file."""


class Screen(Console):
    """Stdout."""

    def __init__(self) -> None:
        super().__init__()
        if not self.is_terminal:
            self.width = max(self.width, NARROWEST)

    def on_broken_pipe(self) -> None:
        """Let the one place that knows the exit codes hear that the reader has gone."""
        raise BrokenPipeError
