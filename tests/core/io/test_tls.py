"""Which certificates are believed, and what a configuration may add to them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest

from core.io.tls import TlsClient, distrust, trust
from core.model.errors import BadConfig
from tests.core.io.peers import AUTHORITY, HOST, TlsPeer, connected, trusted


def test_an_extra_authority_is_believed(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    ours, theirs = connected()
    with ours, theirs:
        TlsPeer(theirs).shake_hands(TlsClient(trust(str(ca_file)), HOST))


def test_without_it_the_authority_is_not_believed() -> None:
    ours, theirs = connected()
    with ours, theirs, pytest.raises(ssl.SSLCertVerificationError):
        TlsPeer(theirs).shake_hands(TlsClient(trust(None), HOST))


def test_the_systems_authorities_stay_believed(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(ca_file)
    system = trust(None).cert_store_stats()["x509_ca"]
    assert trust(str(ca_file)).cert_store_stats()["x509_ca"] == system + 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["none", "empty", "text"])
def test_a_file_without_certificates_is_a_bad_configuration(
    tmp_path: Path, content: bytes | None
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(BadConfig, match=r"ca_file .*ca\.pem.* certificates in PEM"):
        trust(str(ca_file))


def test_a_pipe_of_certificates_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca.pem")
    with pytest.raises(BadConfig, match=r"ca\.pem.* regular file"):
        trust(str(tmp_path / "ca.pem"))


def test_trouble_that_is_not_about_trust_may_be_tried_again() -> None:
    with pytest.raises(ssl.SSLError) as caught:
        TlsClient(trusted(), HOST).handshake(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert distrust(caught.value) is None


def test_many_small_records_in_one_read_come_as_one_piece() -> None:
    ours, theirs = connected()
    with ours, theirs:
        client = TlsClient(trusted(), HOST)
        peer = TlsPeer(theirs)
        peer.shake_hands(client)
        records = b"".join(peer.records(b"tick %d," % number) for number in range(300))
    assert client.decrypt(records) == b"".join(b"tick %d," % number for number in range(300))
    assert not client.ended
