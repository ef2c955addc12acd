"""Parameters as a query or a form body: names and values in the order they are given.

Here lives escaping, once: what a signature covers has to be what is sent, byte for byte. Which
parameters there are, and in which order, is the venue's.

Source: RFC 3986, 2.1 and 2.3: all but letters, digits and -._~ is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

FORM: Final = "application/x-www-form-urlencoded"
"""The content type of a body that is a form."""


def escaped(text: str) -> str:
    """Return a text as it stands in a query or form, the slash escaped too."""
    return quote(text, safe="")


def form(fields: Mapping[str, str | int]) -> str:
    """Return fields as a query or form; names are taken as they are."""
    return "&".join(
        f"{name}={value if isinstance(value, int) else escaped(value)}"
        for name, value in fields.items()
    )
