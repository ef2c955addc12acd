"""API keys: whose they are, what they may do and from where. How they sign is a dialect's."""

from typing import ClassVar

from venues.sim.accounts import Account


class Key:
    """An API key: what it may do, and the IPs it may come from; none named means any."""

    __slots__ = ("account", "api_key", "ips", "permissions")

    ALL: ClassVar[frozenset[str]]
    """Every permission that the venue gives."""

    def __init__(self, api_key: str, account: Account) -> None:
        self.api_key = api_key
        self.account = account
        self.permissions = self.ALL
        self.ips: frozenset[str] = frozenset()

    def allows(self, permission: str | None, ip: str) -> bool:
        """Whether a request from ``ip`` that needs ``permission`` (None: any key) may be made."""
        permitted = permission is None or permission in self.permissions
        return permitted and (not self.ips or ip in self.ips)
