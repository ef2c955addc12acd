"""A request and a reply of HTTP as every dialect sees them, off the socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a client sent: ``query`` and ``body`` exactly as they came."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    ip: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What goes back."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"
