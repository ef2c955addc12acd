"""Whoever cannot prove who answers is told nothing, and the run says what to do about it."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from tests.yard.application import end, run_at

pytestmark = pytest.mark.yard

HOST = "127.0.0.1"
AUTHORITY = trustme.CA()
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


class Listener:
    """A TLS server that notes what it is told once a handshake is over."""

    def __init__(self, cert: trustme.LeafCert) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cert.configure_cert(self._context)
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.dialled = 0
        self.told = b""

    def serve(self) -> None:
        """Serve one client after the other until ``close``."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.dialled += 1
            client.settimeout(5)
            # A client that does not believe hangs up in the middle of the handshake.
            with suppress(OSError), self._context.wrap_socket(client, server_side=True) as told:
                self.told += told.recv(1 << 16)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def serving(cert: trustme.LeafCert) -> Iterator[Listener]:
    listener = Listener(cert)
    thread = threading.Thread(target=listener.serve, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.close()
        thread.join(5)


def wrong_host() -> trustme.LeafCert:
    return AUTHORITY.issue_cert("another.test")


def expired() -> trustme.LeafCert:
    return AUTHORITY.issue_cert(HOST, not_before=PAST, not_after=PAST + datetime.timedelta(1))


def untrusted() -> trustme.LeafCert:
    return trustme.CA().issue_cert(HOST)


@pytest.mark.parametrize(
    ("cert", "says"),
    [(wrong_host, "mismatch"), (expired, "expired"), (untrusted, "unable to get local issuer")],
)
async def test_a_certificate_that_proves_nothing_ends_the_run_with_nothing_said(
    tmp_path: Path, cert: object, says: str
) -> None:
    assert callable(cert)
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(cert()) as listener:
        place = f"{HOST}:{listener.port}"
        endpoints = {
            "venue": "binance",
            "rest": f"https://{place}",
            "stream": f"wss://{place}",
            "ws_api": f"wss://{place}/ws-api/v3",
            "api_key": "fake-key",
            "api_secret": "fake-secret",
        }
        async with run_at(tmp_path / "run", endpoints, ca_file=str(tmp_path / "ca.pem")) as run:
            code = await end(run)
        errors = (run.folder / "stderr").read_text()
        assert listener.dialled
        assert listener.told == b""
    assert code == 1, errors
    assert "certificate does not prove who answers" in errors
    assert says in errors
    assert "check the address, this machine's clock, and ca_file" in errors
