"""The files that a command is given: what is read, and what is refused."""

from __future__ import annotations

import os
import pathlib

import pytest

from core.model.errors import BadConfig
from core.model.venue import Credentials
from tests.core.model.test_config import SECRET, WHOLE
from tools import files
from venues.binance import VENUE


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    """Return a whole configuration on disk, its key file beside it."""
    write(tmp_path / "keys.toml", f'api_key = "FAKE-KEY"\napi_secret = "{SECRET}"\n')
    return write(tmp_path / "hotloop.toml", WHOLE, mode=0o644)


def write(path: pathlib.Path, text: str, mode: int = 0o600) -> pathlib.Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def keys_of(place: pathlib.Path) -> Credentials | None:
    return files.read_keys(files.read_config(place), place, VENUE.key_fields)


def refused(place: pathlib.Path) -> str:
    with pytest.raises(BadConfig) as caught:
        keys_of(place)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_configuration_and_keys_are_read(place: pathlib.Path) -> None:
    assert keys_of(place) == Credentials({"api_key": "FAKE-KEY", "api_secret": SECRET})


def test_keys_never_show_themselves(place: pathlib.Path) -> None:
    assert SECRET not in repr(keys_of(place))


def test_a_private_key_lies_beside_the_key_file(place: pathlib.Path) -> None:
    pem = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    write(place.with_name("keys.toml"), 'api_key = "FAKE-KEY"\nprivate_key = "key.pem"')
    write(place.with_name("key.pem"), pem)
    assert keys_of(place) == Credentials({"api_key": "FAKE-KEY", "private_key": pem})


def test_a_configuration_without_keys_has_none(place: pathlib.Path) -> None:
    start, _, _ = WHOLE.partition("[risk]")
    write(place, start.replace('[keys]\nfile = "keys.toml"\n', ""))
    assert keys_of(place) is None


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700])
def test_secrets_that_others_can_reach_are_refused(place: pathlib.Path, mode: int) -> None:
    place.with_name("keys.toml").chmod(mode)
    assert f"mode {mode:04o}, must be 0600 or 0400: chmod 600" in refused(place)


def test_a_private_key_is_guarded_like_the_key_file(place: pathlib.Path) -> None:
    write(place.with_name("keys.toml"), 'api_key = "FAKE-KEY"\nprivate_key = "key.pem"')
    write(place.with_name("key.pem"), SECRET, mode=0o644)
    assert "key.pem: mode 0644" in refused(place)


@pytest.mark.parametrize(
    ("pem", "needle"),
    [
        (SECRET, "no private key in PEM"),
        (f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{SECRET}", "passphrase"),
    ],
)
def test_what_is_no_usable_private_key_is_refused(
    place: pathlib.Path, pem: str, needle: str
) -> None:
    write(place.with_name("keys.toml"), 'api_key = "FAKE-KEY"\nprivate_key = "key.pem"')
    write(place.with_name("key.pem"), pem)
    assert needle in refused(place)


def test_a_missing_file_is_named(place: pathlib.Path) -> None:
    place.with_name("keys.toml").unlink()
    assert "keys.toml: the key file cannot be read: No such file" in refused(place)
    place.unlink()
    assert "hotloop.toml: the configuration cannot be read: No such file" in refused(place)


def test_a_folder_is_refused(place: pathlib.Path) -> None:
    assert "regular file" in refused(place.parent)


def test_a_pipe_is_refused_without_waiting_for_its_writer(place: pathlib.Path) -> None:
    place.unlink()
    os.mkfifo(place)
    assert "regular file" in refused(place)


def test_a_file_that_fails_while_it_is_read_is_named() -> None:
    assert "the configuration cannot be read: Input/output" in refused(
        pathlib.Path("/proc/self/mem")
    )


def test_a_file_that_is_too_long_is_not_read_whole(place: pathlib.Path) -> None:
    place.write_bytes(b"#" * (files.MAX_BYTES + 1))
    assert f"longer than {files.MAX_BYTES}" in refused(place)


def test_what_is_not_text_is_refused_without_showing_it(place: pathlib.Path) -> None:
    write(place.with_name("keys.toml"), "").write_bytes(SECRET.encode() + b"\xff")
    assert f"not UTF-8 (byte {len(SECRET)})" in refused(place)


@pytest.mark.parametrize(
    "pasted",
    [
        "-----BEGIN PRIVATE KEY-----" + SECRET + "-----END PRIVATE KEY-----",
        SECRET,
        SECRET * 100,
        "../" + SECRET,
    ],
)
def test_a_private_key_in_place_of_its_files_name_is_not_repeated(
    place: pathlib.Path, pasted: str
) -> None:
    write(place.with_name("keys.toml"), f'api_key = "FAKE-KEY"\nprivate_key = "{pasted}"')
    assert f"{place.with_name('keys.toml')}: private_key" in refused(place)


def test_a_private_keys_file_that_is_there_is_named(place: pathlib.Path) -> None:
    write(place.with_name("keys.toml"), 'api_key = "FAKE-KEY"\nprivate_key = "key.pem"')
    write(place.with_name("key.pem"), "nonsense")
    assert "key.pem: no private key in PEM" in refused(place)
