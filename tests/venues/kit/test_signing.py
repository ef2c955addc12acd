"""Signatures equal the standard library's and what venues publish; no error shows a key."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256, sha512
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from core.model.errors import BadConfig
from venues.kit import signing

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(("hashed", "name"), [(sha256, "sha256"), (sha512, "sha512")])
@given(st.binary(min_size=1, max_size=300), st.binary(max_size=300))
def test_hmac_equals_the_standard_librarys_for_keys_of_any_length(
    hashed: Callable[..., Any], name: str, key: bytes, payload: bytes
) -> None:
    expected = hmac.new(key, payload, name)
    assert signing.hmac_digest(key, hashed)(payload) == expected.digest()
    assert signing.hmac_hex(key, hashed)(payload) == expected.hexdigest().encode()


def test_a_prepared_key_signs_again_and_again() -> None:
    sign = signing.hmac_digest(b"fake")
    assert sign(b"one") == sign(b"one") != sign(b"two")


def test_the_published_vector_of_a_venue_that_signs_with_sha512() -> None:
    """docs.kraken.com, "Spot REST Authentication": its example key and signature."""
    secret = b64decode(
        "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    )
    nonce = b"1616492376594"
    body = b"nonce=%b&ordertype=limit&pair=XBTUSD&price=37500&type=buy&volume=1.25" % nonce
    payload = b"/0/private/AddOrder" + sha256(nonce + body).digest()
    assert b64encode(signing.hmac_digest(secret, sha512)(payload)) == (
        b"4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    )


def test_ed25519_is_verified_by_the_public_key() -> None:
    signature = signing.ed25519(PEM)(b"payload")
    assert len(signature) == 64
    KEY.public_key().verify(signature, b"payload")


def test_a_broken_pem_says_how_to_make_a_good_one_and_does_not_show_itself() -> None:
    broken = PEM.replace("MC4C", "AAAA")
    with pytest.raises(BadConfig, match="openssl genpkey") as caught:
        signing.ed25519(broken)
    assert PEM.splitlines()[1][8:] not in str(caught.value)


def test_a_key_of_another_kind_is_refused_with_what_is_allowed() -> None:
    pem = (
        rsa.generate_private_key(65537, 2048)
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode()
    )
    with pytest.raises(BadConfig, match="RSAPrivateKey; allowed are Ed25519"):
        signing.ed25519(pem)
