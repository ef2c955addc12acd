"""API keys of this venue (rest-api.md, Request Security)."""

from typing import ClassVar

from venues.sim.accounts import Account
from venues.sim.keys import Key


class BinanceKey(Key):
    """A key with this venue's permissions."""

    __slots__ = ()

    ALL: ClassVar = frozenset({"TRADE", "USER_DATA", "USER_STREAM"})


class HmacKey(BinanceKey):
    """An API key whose requests are signed by HMAC-SHA256 with a shared secret."""

    __slots__ = ("secret",)

    def __init__(self, api_key: str, account: Account, secret: str) -> None:
        super().__init__(api_key, account)
        self.secret = secret.encode()


class Ed25519Key(BinanceKey):
    """An API key whose requests are signed with the private half of ``public_key`` (32 bytes)."""

    __slots__ = ("public_key",)

    def __init__(self, api_key: str, account: Account, public_key: bytes) -> None:
        super().__init__(api_key, account)
        self.public_key = public_key


ApiKey = HmacKey | Ed25519Key
