"""What is written into the journal as JSON changes with its format's number alone."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec

from core.engine.checkpoint import Checkpoint, Losses, Restored
from core.state.journal import FORMAT_VERSION

SHAPES = {6: "b5c16abbdd0d58c9"}
"""Digest of the notes' shape in the present format: another shape is another format."""


def bare(schema: Any) -> Any:
    """Return a JSON schema without what is written for people only."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "description"}
    return [bare(value) for value in schema] if isinstance(schema, list) else schema


def test_notes_of_another_shape_are_of_another_format() -> None:
    _, parts = msgspec.json.schema_components([Checkpoint, Restored, Losses])
    shape = json.dumps(bare(parts), sort_keys=True)
    assert {FORMAT_VERSION: hashlib.sha256(shape.encode()).hexdigest()[:16]} == SHAPES, (
        "a journal of before cannot be read by what reads this one: count FORMAT_VERSION up, say "
        "in docs/journal.md what came with it, and note the new digest here"
    )
