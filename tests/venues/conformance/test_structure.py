"""A venue is a folder of a known shape: declarations, notes with sources, and samples."""

from __future__ import annotations

import pathlib
import re
from urllib.parse import urlsplit

import pytest

from core.model.errors import BadConfig, HotloopError
from core.model.venue import (
    HTTPS,
    PLAIN,
    Credentials,
    Environment,
    HttpRequest,
    Role,
    WireRequest,
)
from core.state.book import Book
from core.state.sequence import sync_of
from tests.venues.conformance import samples

ROOT = pathlib.Path(__file__).parents[3]
NOW_NS = 1_700_000_000_000_000_000

every_venue = pytest.mark.parametrize("name", samples.EVERY)


@every_venue
def test_a_venue_is_called_as_its_folder_is(name: str) -> None:
    assert samples.EVERY[name].venue.name == name


@every_venue
def test_its_notes_name_their_sources_and_when_they_were_read(name: str) -> None:
    notes = (ROOT / "venues" / name / "NOTES.md").read_text(encoding="utf-8")
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", notes)
    assert "Not known:" in notes, "say what nobody could find out, or nothing"


@every_venue
def test_live_and_test_environments_share_no_address(name: str) -> None:
    seen: dict[str, Environment] = {}
    for end in samples.EVERY[name].venue.endpoints:
        for environment, url in end.urls.items():
            assert environment is not Environment.SIM, "it has no fixed place"
            parts = urlsplit(url)
            assert parts.scheme == end.scheme, url
            assert seen.setdefault(parts.netloc, environment) is environment, url


@every_venue
def test_every_endpoint_has_a_name_and_a_kind_and_says_what_it_is_for(name: str) -> None:
    ends = samples.EVERY[name].venue.endpoints
    names = [end.name for end in ends]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", one) for one in names)
    assert "ca_file" not in names, "a key of every venue"
    assert all(end.scheme in PLAIN and end.what for end in ends)
    assert sum(end.scheme == HTTPS for end in ends) <= 1


@every_venue
def test_every_instrument_is_told_of_on_one_market_connection_at_least(name: str) -> None:
    shown = samples.EVERY[name]
    connections = shown.adapter().connections
    assert any(Role.MARKET in connection.carries for connection in connections)
    for row in shown.instruments:
        assert any(connection.tells_of(row.symbol) for connection in connections), row.symbol


@every_venue
def test_every_book_has_a_rule_that_proves_it(name: str) -> None:
    shown = samples.EVERY[name]
    for row in shown.instruments:
        book = Book(row.index, sync_of(shown.adapter().book_feed(row)))
        book.begin()
        assert not book.live


@every_venue
def test_keys_of_the_wrong_form_are_refused_and_never_repeated(name: str) -> None:
    venue = samples.EVERY[name].venue
    for keys in samples.EVERY[name].keys:
        for field, value in keys.fields.items():
            for wrong in ("", "two words\n", "\x00", value[:-1] + "é"):
                try:
                    venue.signer(Credentials({**keys.fields, field: wrong}))
                except BadConfig as error:
                    text = str(error)
                except HotloopError as error:
                    pytest.fail(f"{field}: {type(error).__name__} instead of BadConfig")
                else:
                    continue
                assert all(one not in text for one in (value, *filter(None, [wrong.strip()])))


@every_venue
def test_nothing_secret_is_in_what_is_journaled_or_shown(name: str) -> None:
    shown = samples.EVERY[name]
    for keys in shown.keys:
        signer = shown.venue.signer(keys)
        secret_names = {f.name for group in shown.venue.key_fields for f in group if f.secret}
        secrets = [keys.fields[field] for field in secret_names if field in keys.fields]
        assert secrets
        texts = [repr(signer), repr(keys), str(keys)]
        adapter = shown.adapter()
        for sent in shown.sent:
            request = adapter.encode(sent.command, 1, NOW_NS)
            texts.append(repr(request))
            if isinstance(request, HttpRequest):
                left = request.leaving(signer, NOW_NS)
                texts.append(repr(left))
                public = f"{left.target}{dict(left.headers)}{left.body!r}"
            else:
                assert isinstance(request, WireRequest)
                public = repr(signer.wire(request))
            assert all(secret not in public for secret in secrets), "it would leave as it is"
        for text in texts:
            assert all(secret not in text for secret in secrets)
