"""Certificates of a simulated world: one authority that is believed, and proofs that are none.

They are made once for a process. RSA, because its signatures all have one length: what a TLS
handshake takes on the wire then hardly differs between two runs of a seed.
"""

from __future__ import annotations

import atexit
import functools
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme

from tools.scratch import scratch

SUFFIX: Final = "*.exchange.test"

PROOFS: Final = ("good", "wrong_host", "expired", "untrusted")


class Certificates:
    """The authority's file, and a server's TLS for each kind of proof."""

    def __init__(self) -> None:
        rsa = trustme.KeyType.RSA
        believed, other = trustme.CA(key_type=rsa), trustme.CA(key_type=rsa)
        long_ago = datetime.now(UTC) - timedelta(days=400)
        issued = {
            "good": believed.issue_cert(SUFFIX, key_type=rsa),
            "wrong_host": believed.issue_cert("other.test", key_type=rsa),
            "expired": believed.issue_cert(SUFFIX, key_type=rsa, not_after=long_ago),
            "untrusted": other.issue_cert(SUFFIX, key_type=rsa),
        }
        self._folder = scratch("certificates")
        atexit.register(self._folder.cleanup)
        path = Path(self._folder.name) / "ca.pem"
        believed.cert_pem.write_to_path(str(path))
        self.ca_file = str(path)
        self.contexts: dict[str, ssl.SSLContext] = {}
        for proof, certificate in issued.items():
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            context.num_tickets = 1
            certificate.configure_cert(context)
            self.contexts[proof] = context


@functools.cache
def certificates() -> Certificates:
    """Return this process's certificates; making them takes a moment."""
    return Certificates()
