"""TLS without a socket: bytes in, bytes out, and the one rule of trust.

Here lives which certificates are believed, for every connection of the application, and one
connection's TLS as a pair of memory buffers, so that whoever owns the socket decides when bytes
move. Verification is always on; there is no way here to switch it off.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from typing import Final

from core.model.errors import BadConfig, Untrusted

RECORD_BYTES: Final = 16 * 1024
"""The largest record of TLS (RFC 8446, 5.1): all that one read of OpenSSL's returns."""

OURSELVES: Final = "rehearsal.invalid"
"""What this process is called in a connection to itself (RFC 2606, 2)."""

_DOWNGRADES: Final = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "INAPPROPRIATE_FALLBACK"}
)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """Return what is believed: the system's authorities, and those in ``ca_file`` where given.

    TLS 1.2 at least; certificate and host name are always checked. Raises ``BadConfig`` for a
    file that holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        if os.path.exists(ca_file) and not os.path.isfile(ca_file):  # a pipe would be waited for
            raise BadConfig(f"ca_file {ca_file!r} has to be a regular file, certificates in PEM")
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise BadConfig(
                f"ca_file {ca_file!r} cannot be used ({error.strerror or error}); it has to hold "
                "certificates in PEM"
            ) from error
    return context


def distrust(error: ssl.SSLError) -> Untrusted | None:
    """Return what a failed handshake says about the peer, or None where it may be tried again.

    A certificate that does not prove the name, and a version below ours, are no accidents of the
    network: whoever answers there is not to be traded with.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(
            f"the certificate does not prove who answers: {error.verify_message}; check the "
            "address, this machine's clock, and ca_file where the endpoint is a private one"
        )
    if error.reason in _DOWNGRADES:
        return Untrusted("the peer wants a TLS older than 1.2; nothing is sent to it")
    return None


def to_ourselves() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return both sides of a connection of this process to itself, the dialling one first.

    The key and the certificate that prove ``OURSELVES`` were never anywhere else.
    """
    # Only here, and only where a run under TLS rehearses: loading it takes some 50 ms.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, OURSELVES)])
    began = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(began)
        .not_valid_after(began + timedelta(days=3))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(OURSELVES)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    proof = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.num_tickets = 0  # it is never resumed
    with tempfile.NamedTemporaryFile() as file:  # OpenSSL reads them from a file alone
        file.write(secret + proof)
        file.flush()
        there.load_cert_chain(file.name)
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    here.load_verify_locations(cadata=proof.decode("ascii"))
    return here, there


class TlsClient:
    """One connection's TLS. Every method raises ``ssl.SSLError`` where the protocol breaks."""

    __slots__ = ("_incoming", "_object", "_outgoing", "ended")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ended = False
        """Whether the peer has said that it ends the connection (close_notify)."""

    def handshake(self, data: bytes) -> bool:
        """Take bytes of the peer's handshake; return whether it is over.

        What ``outgoing`` returns afterwards is to be sent.
        """
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def outgoing(self) -> bytes:
        """Return what is to be sent that ``encrypt`` did not return: handshakes, key updates."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Return the records that carry ``data``, and all else that is to be sent."""
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """Take bytes from the wire; return all that they, and what came before, let be read."""
        self._incoming.write(data)
        plain = self._next_record()
        if not plain or not self._waits():
            return plain
        pieces = [plain]
        while plain and self._waits():
            plain = self._next_record()
            pieces.append(plain)
        return b"".join(pieces)

    def _waits(self) -> bool:
        """Whether there may be more to read; asking OpenSSL in vain costs an exception."""
        return bool(self._incoming.pending or self._object.pending())

    def _next_record(self) -> bytes:
        try:
            plain = self._object.read(RECORD_BYTES)
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLZeroReturnError:
            plain = b""
        if not plain:
            self.ended = True
        return plain

    def farewell(self) -> bytes:
        """Return the record that tells the peer that we end the connection (close_notify)."""
        # It raises because it wants to read the peer's own, for which nobody waits.
        with contextlib.suppress(ssl.SSLError):
            self._object.unwrap()
        return self._outgoing.read()
