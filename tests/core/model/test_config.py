"""Every rule of the configuration, and the message that its breach gets."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from core.model import config
from core.model.config import Mode, OnStale, RiskSection, digest, load, load_keys, urls_of
from core.model.errors import BadConfig, BadParameter
from core.model.venue import HTTPS, Endpoint, Environment, KeyField, Stream, Venue

WHOLE = """
venue = "binance"
environment = "sim"
symbols = ["BTCUSDT", "ETHUSDT"]

[endpoints]
rest = "http://127.0.0.1:8000"
stream = "ws://127.0.0.1:8001"
ws_api = "ws://127.0.0.1:8002/ws-api/v3"

[keys]
file = "keys.toml"

[strategy]
name = "maker"

[strategy.parameters]
size = "0.01"

[risk]
max_order_size = "0.5"
max_order_notional = "20000"
max_position = "1"
max_daily_loss = "500"

[risk.ETHUSDT]
max_position = "20"
max_open_orders = 4
"""


def endpoint(name: str, scheme: str, url: str, *, optional: bool = False) -> Endpoint:
    urls = {Environment.LIVE: url}
    return Endpoint(name=name, what="some", scheme=scheme, urls=urls, optional=optional)


VENUE: Venue = Venue(
    name="harbour",
    endpoints=(
        endpoint("rest", HTTPS, "https://harbour.invalid"),
        endpoint("stream", "wss", "wss://harbour.invalid/stream"),
        endpoint("ws_api", "wss", "wss://harbour.invalid/api"),
        endpoint("drop_copy", "tls", "tls://harbour.invalid:9000", optional=True),
    ),
    adapter=lambda subscription: pytest.fail("nothing is made of it"),
    key_fields=(),
    signer=lambda keys: pytest.fail("nothing is made of it"),
    logs_on=lambda keys: False,
)


def refused(text: str) -> str:
    with pytest.raises(BadConfig) as caught:
        urls_of(load(text, "hotloop.toml"), VENUE, "hotloop.toml")
    return str(caught.value)


def urls(text: str) -> dict[str, str]:
    return urls_of(load(text, "hotloop.toml"), VENUE, "hotloop.toml")


def with_change(old: str, new: str) -> str:
    assert WHOLE.count(old) == 1, f"{old!r} must be there once for the change to mean something"
    return WHOLE.replace(old, new)


# -- what a whole configuration means --------------------------------------------------------


def test_a_whole_configuration_is_read() -> None:
    loaded = load(WHOLE, "hotloop.toml")
    assert loaded.environment is Environment.SIM
    assert loaded.symbols == ("BTCUSDT", "ETHUSDT")
    assert loaded.keys is not None
    assert loaded.keys.file == "keys.toml"
    assert loaded.strategy.parameters == {"size": "0.01"}


def test_defaults_are_the_careful_values() -> None:
    loaded = load(WHOLE, "hotloop.toml")
    assert loaded.streams == (Stream.BBO, Stream.DEPTH, Stream.TRADES)
    assert loaded.run.on_stale is OnStale.CANCEL
    assert loaded.loop.mode is Mode.AUTO
    assert not loaded.loop.spins
    assert loaded.risk_of("BTCUSDT").price_collar_bps == 100


def test_a_configured_cpu_makes_auto_spin() -> None:
    assert load(WHOLE + "[loop]\ncpu = 1\n", "hotloop.toml").loop.spins
    assert not load(WHOLE + '[loop]\ncpu = 1\nmode = "wait"\n', "hotloop.toml").loop.spins


def test_a_symbols_own_limits_lie_over_the_shared_ones() -> None:
    loaded = load(WHOLE, "hotloop.toml")
    assert loaded.risk_of("BTCUSDT").max_position == "1"
    assert loaded.risk_of("ETHUSDT").max_position == "20"
    assert loaded.risk_of("ETHUSDT").max_open_orders == 4
    assert loaded.risk_of("ETHUSDT").max_order_size == "0.5"


def test_without_amounts_nothing_can_be_placed() -> None:
    text = WHOLE[: WHOLE.index("[risk]")].replace('[keys]\nfile = "keys.toml"\n', "")
    loaded = load(text, "hotloop.toml")
    assert not loaded.trades
    assert loaded.risk_of("BTCUSDT") == RiskSection()


def test_a_limit_can_be_stated_for_one_symbol_only() -> None:
    text = WHOLE.replace("[risk]\n", "[risk.BTCUSDT]\n").replace(
        '[risk.ETHUSDT]\nmax_position = "20"\nmax_open_orders = 4\n', ""
    )
    loaded = load(text, "hotloop.toml")
    assert loaded.risk_of("BTCUSDT").trades
    assert not loaded.risk_of("ETHUSDT").trades


def test_a_run_connects_where_the_venue_declares_that_it_is() -> None:
    start, end = WHOLE.index("[endpoints]"), WHOLE.index("[keys]")
    live = (WHOLE[:start] + WHOLE[end:]).replace('"sim"', '"live"')
    assert urls(live) == VENUE.places(Environment.LIVE)
    moved = live + '\n[endpoints]\ndrop_copy = "tls://other.invalid:1"\n'
    assert urls(moved) == VENUE.places(Environment.LIVE) | {"drop_copy": "tls://other.invalid:1"}


def test_in_the_sim_all_that_is_needed_is_stated_and_may_be_plain() -> None:
    assert set(urls(WHOLE)) == {"rest", "stream", "ws_api"}
    with_copy = with_change("[endpoints]", '[endpoints]\ndrop_copy = "tcp://127.0.0.1:8003"')
    assert urls(with_copy)["drop_copy"] == "tcp://127.0.0.1:8003"


# -- every error names file, key, value and what is allowed ------------------------------------

BREACHES = {
    "syntax": (with_change("[keys]", "[keys"), ["not TOML", "line"]),
    "missing key": (with_change('venue = "binance"\n', ""), ["venue: missing", "`hotloop venues`"]),
    "misspelt key": (
        with_change("max_order_notional", "max_order_notionl"),
        ["risk.max_order_notionl: no such key", "did you mean max_order_notional?"],
    ),
    "misspelt section": (with_change("[strategy]", "[stratgy]"), ["stratgy", "mean strategy?"]),
    "misspelt choice": (
        with_change('"sim"', '"tesnet"'),
        ['environment = "tesnet"', '"sim", "testnet", "live"', 'mean "testnet"?'],
    ),
    "symbol with a blank": (
        with_change('"ETHUSDT"]', '"ETH USDT"]'),
        ['symbols[1] = "ETH USDT"', "as the venue writes it"],
    ),
    "symbol twice": (with_change('"ETHUSDT"]', '"BTCUSDT"]'), ["symbols", "more than once"]),
    "no symbol": (with_change('["BTCUSDT", "ETHUSDT"]', "[]"), ["symbols = []", "1 to 100"]),
    "no stream": (with_change("[endpoints]", "streams = []\n[endpoints]"), ["streams = []"]),
    "unknown stream": (
        with_change("[endpoints]", 'streams = ["dept"]\n[endpoints]'),
        ['streams[0] = "dept"', 'mean "depth"?'],
    ),
    "total as a number": (
        with_change("[risk.ETHUSDT]", "[risk.total.USDT]\nmax_daily_loss = 5\n[risk.ETHUSDT]"),
        ["risk.total.USDT.max_daily_loss = 5", "in quotes"],
    ),
    "unknown limit of a total": (
        with_change("[risk.ETHUSDT]", '[risk.total.USDT]\nmax_position = "5"\n[risk.ETHUSDT]'),
        ["risk.total.USDT.max_position: no such key", "max_daily_loss, max_notional"],
    ),
    "total without an asset": (
        with_change("[risk.ETHUSDT]", '[risk.total]\nmax_daily_loss = "5"\n[risk.ETHUSDT]'),
        ["risk.total.max_daily_loss", "must be a table"],
    ),
    "price of zero": (
        with_change("[risk.ETHUSDT]", '[risk.prices.USDT]\nBNB = "0"\n[risk.ETHUSDT]'),
        ['risk.prices.USDT.BNB = "0"', "above zero", '"BNBUSDT"'],
    ),
    "price of another pair": (
        with_change("[risk.ETHUSDT]", '[risk.prices.USDT]\nBNB = "ETHUSDT"\n[risk.ETHUSDT]'),
        ['risk.prices.USDT.BNB = "ETHUSDT"', "one BNB is worth in USDT"],
    ),
    "amount as a number": (
        with_change('max_daily_loss = "500"', "max_daily_loss = 500"),
        ["risk.max_daily_loss = 500", "in quotes"],
    ),
    "amount of zero": (
        with_change('max_daily_loss = "500"', 'max_daily_loss = "0.00"'),
        ['risk.max_daily_loss = "0.00"', "above zero"],
    ),
    "negative amount": (with_change('"500"', '"-500"'), ['"-500"', "above zero"]),
    "amount with an exponent": (with_change('"500"', '"5e2"'), ['"5e2"', "decimal"]),
    "amount with a line end": (with_change('"500"', '"500\\n"'), [r"500\n", "decimal"]),
    "amount not stated": (
        with_change('max_daily_loss = "500"\n', ""),
        ["risk.max_daily_loss: missing for BTCUSDT", "state all of"],
    ),
    "limit switched off": (
        with_change("max_open_orders = 4", "max_open_orders = 0"),
        ["risk.ETHUSDT.max_open_orders = 0", "from 1 to 1000"],
    ),
    "limit beyond bounds": (
        with_change("max_open_orders = 4", f"max_open_orders = {10**40}"),
        ["risk.ETHUSDT.max_open_orders", "from 1 to 1000"],
    ),
    "true for a number": (
        with_change("max_open_orders = 4", "max_open_orders = true"),
        ["max_open_orders = true"],
    ),
    "limits of a symbol we do not trade": (
        with_change("[risk.ETHUSDT]", "[risk.ETHUSD]"),
        ["risk.ETHUSD: no such symbol", "mean ETHUSDT?"],
    ),
    "table for a value": (with_change('"binance"', "{a = 1}"), ["venue = a table"]),
    "value for a table": (WHOLE + "\n[x]\n", ["x: no such key"]),
    "strategy as text": (
        "strategy = 'maker'\n" + WHOLE[: WHOLE.index("[strategy]")],
        ['strategy = "maker": must be a table'],
    ),
    "strategy name": (with_change('"maker"', '"a b"'), ['strategy.name = "a b"', "module:Class"]),
    "sim without a place": (
        with_change('stream = "ws://127.0.0.1:8001"\n', ""),
        ["endpoints.stream: missing", "hotloop sim"],
    ),
    "a name of another venue": (
        with_change("stream =", "public ="),
        [
            "endpoints.public: no such endpoint of harbour",
            "(allowed: ca_file, drop_copy, rest, stream, ws_api)",
        ],
    ),
    "a name almost": (with_change("ws_api =", "wsapi ="), ["endpoints.wsapi", "mean ws_api?"]),
    "no address": (
        with_change('"ws://127.0.0.1:8001"', "8001"),
        ["endpoints.stream = 8001: must be an address, in quotes"],
    ),
    "an environment that the venue does not have": (
        with_change(WHOLE[WHOLE.index("rest =") : WHOLE.index("[keys]")], "").replace(
            '"sim"', '"testnet"'
        ),
        [
            "endpoints.rest: missing; harbour has no address for environment testnet",
            "(it has for: live)",
        ],
    ),
    "plain text to a live venue": (
        with_change('"sim"', '"live"'),
        ['endpoints.rest = "http://127.0.0.1:8000"', "https://HOST"],
    ),
    "wrong scheme": (with_change('"ws://127.0.0.1:8001"', '"http://x"'), ["ws://HOST"]),
    "port of nobody": (with_change(":8001", ":0"), ["endpoints.stream", "ws://HOST"]),
    "address with a query": (with_change(':8001"', ':8001/?a=b"'), ["endpoints.stream", "a=b"]),
    "address with a fragment": (with_change(':8001"', ':8001/#a"'), ["endpoints.stream"]),
    "stream twice": (
        with_change("[endpoints]", 'streams = ["top", "top"]\n[endpoints]'),
        ["streams", '"top" is there more than once'],
    ),
    "nested one too deep": (
        with_change('size = "0.01"', ".".join("a" * (config.MAX_DEPTH - 1)) + " = 1"),
        ["nested too deep; 8 levels"],
    ),
    "port out of range": (with_change(":8001", ":80010"), ["endpoints.stream", "80010"]),
    "orders without a key": (
        with_change('[keys]\nfile = "keys.toml"\n', ""),
        ["keys.file: missing", "keys.toml"],
    ),
    "nested too deep": (
        with_change('size = "0.01"', ".".join("a" * 2_000) + " = 1"),
        ["nested too deep"],
    ),
    "lists nested too deep": (
        with_change('size = "0.01"', f"a = {'[' * 2_000}{']' * 2_000}"),
        ["nested too deep"],
    ),
    "not a number": (with_change('size = "0.01"', "a = nan"), ["strategy.parameters.a", "finite"]),
    "too long": (WHOLE + "#" * config.MAX_CHARACTERS, ["characters", "65536"]),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_the_message_names_file_key_value_and_what_is_allowed(breach: str) -> None:
    text, needles = BREACHES[breach]
    message = refused(text)
    assert message.startswith("hotloop.toml: ")
    for needle in needles:
        assert needle in message
    assert len(message) < 500


SECRET = "NOT-A-REAL-SECRET"


@pytest.mark.parametrize(
    "text",
    [
        with_change('file = "keys.toml"', f'api_secret = "{SECRET}"'),
        with_change('file = "keys.toml"', f'file = "{SECRET}"'),
        with_change('file = "keys.toml"', f'API-KEY = "{SECRET}"'),
        with_change('file = "keys.toml"', f'value = "{SECRET}"'),
        with_change('size = "0.01"', f'password = "{SECRET}"'),
        with_change('size = "0.01"', f'x = "-----BEGIN PRIVATE KEY-----{SECRET}"'),
        with_change("ws://127.0.0.1:8001", f"ws://user:{SECRET}@127.0.0.1:8001"),
    ],
)
def test_a_secret_in_a_configuration_is_refused_and_not_repeated(text: str) -> None:
    assert SECRET not in refused(text)


OPAQUE = "FAKEfake0123456789FAKEfake0123456789FAKE+/=="


@pytest.mark.parametrize(
    "text",
    [
        with_change('size = "0.01"', f'a = "{OPAQUE}"\n{OPAQUE[:40]} = [nan]'),
        with_change('venue = "binance"', f'venue = "binance"\n{OPAQUE[:40]} = 1'),
        with_change('venue = "binance"', f'venue = ["{OPAQUE}"]'),
        with_change('environment = "sim"', f'environment = "{OPAQUE}"'),
        with_change("ws://127.0.0.1:8001", f"ws://127.0.0.1/?key={OPAQUE}"),
    ],
)
def test_what_looks_like_a_key_is_repeated_from_no_place(text: str) -> None:
    message = refused(text)
    assert OPAQUE[:16] not in message
    assert "characters" in message


def test_words_and_long_numbers_are_repeated() -> None:
    for text in ("BTCUSDT", "a_name_of_many_words_that_is_no_key_at_all", "1" * 50, "x" * 50):
        assert config.discreet(text) == text


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_any_text_gives_a_configuration_or_one_typed_error(text: str) -> None:
    with pytest.raises(BadConfig):
        load(text, "hotloop.toml")


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), max_size=3))
@settings(max_examples=50)
def test_any_value_of_any_key_is_taken_or_refused_by_name(values: dict[str, int | str]) -> None:
    message = "hotloop.toml: risk."
    try:
        config.checked(values, RiskSection, "risk", "hotloop.toml")
    except BadConfig as error:
        message = str(error)
    assert message.startswith("hotloop.toml: risk.")


# -- strategy parameters -----------------------------------------------------------------------


class Window(Struct, frozen=True, forbid_unknown_fields=True):
    low: Annotated[int, Meta(ge=1, description="ticks")]
    high: Annotated[int, Meta(ge=1, description="ticks")] = 5

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise BadParameter(f"low = {self.low}: must be at most high, {self.high}")


def parameters(line: str) -> Window:
    return config.parameters(
        load(with_change('size = "0.01"', line), "hotloop.toml"), Window, "hotloop.toml"
    )


def test_parameters_become_the_strategys_own_struct() -> None:
    assert parameters("low = 2") == Window(low=2, high=5)


@pytest.mark.parametrize(
    ("line", "needle"),
    [
        ("", "strategy.parameters.low: missing; must be a whole number of at least 1 (ticks)"),
        ("low = 0", "strategy.parameters.low = 0: must be a whole number of at least 1 (ticks)"),
        ("low = 1\nhihg = 2", "strategy.parameters.hihg: no such key; did you mean high?"),
        ("low = 9", "strategy.parameters: low = 9: must be at most high, 5"),
    ],
)
def test_bad_parameters_are_named_as_exactly(line: str, needle: str) -> None:
    with pytest.raises(BadConfig, match=r"^hotloop\.toml: ") as caught:
        parameters(line)
    assert needle in str(caught.value)


# -- digest ------------------------------------------------------------------------------------


def test_equal_configurations_have_equal_digests_however_written() -> None:
    respelt = WHOLE.replace('max_order_size = "0.5"\n', "").replace(
        "[risk]\n", '# the same\n[risk]\nmax_order_size   = "0.5"\n'
    )
    assert respelt != WHOLE
    assert digest(load(respelt, "a.toml")) == digest(load(WHOLE, "b.toml"))


def test_any_change_of_meaning_changes_the_digest() -> None:
    changed = with_change('size = "0.01"', 'size = "0.02"')
    assert digest(load(changed, "a.toml")) != digest(load(WHOLE, "a.toml"))


# -- key files ---------------------------------------------------------------------------------


def field(name: str, *, secret: bool = True, pem: bool = False) -> KeyField:
    return KeyField(name=name, what=f"the {name} of a venue", secret=secret, pem=pem)


CHOICE = ((field("api_key", secret=False),), (field("api_secret"), field("private_key", pem=True)))
"""What a venue wants that takes either of two secrets."""

THREE = ((field("wallet", secret=False),), (field("api_secret"),), (field("passphrase"),))


def test_a_key_file_holds_a_key_and_one_kind_of_secret() -> None:
    keys = load_keys(f'api_key = "FAKE-KEY"\napi_secret = "{SECRET}"', "keys.toml", CHOICE)
    assert keys.fields == {"api_key": "FAKE-KEY", "api_secret": SECRET}
    assert SECRET not in repr(keys)


def test_a_key_file_holds_what_its_venue_wants() -> None:
    text = f'passphrase = "p"\napi_secret = "{SECRET}"\nwallet = "0xfake"'
    keys = load_keys(text, "keys.toml", THREE)
    assert list(keys.fields) == ["wallet", "api_secret", "passphrase"]
    with pytest.raises(BadConfig, match=r"passphrase: missing; it is the passphrase of a venue"):
        load_keys(f'api_secret = "{SECRET}"\nwallet = "0xfake"', "keys.toml", THREE)
    with pytest.raises(BadConfig, match=r"allowed: wallet, and api_secret, and passphrase"):
        load_keys(f'api_key = "k"\napi_secret = "{SECRET}"', "keys.toml", THREE)


@pytest.mark.parametrize(
    ("text", "needle"),
    [
        ("", "api_key"),
        ('api_key = "k"', "exactly one of api_secret and private_key"),
        (f'api_key = "k"\napi_secret = "{SECRET}"\nprivate_key = "p"', "exactly one"),
        (f'api_key = ""\napi_secret = "{SECRET}"', "api_key: must be printable ASCII"),
        (f'api_key = "k\\u00e9"\napi_secret = "{SECRET}"', "api_key: must be printable ASCII"),
        (f'api_key = "k"\napi_secret = "{SECRET}\\n"', "api_secret: must be printable ASCII"),
        (f'api_key = "k"\nsecret = "{SECRET}"', "api_secret"),
        (f"api_key = 'k'\napi_secret = {SECRET}", "not TOML"),
        (f"api_key = 1\napi_secret = '{SECRET}'", "api_key"),
    ],
)
def test_a_bad_key_file_is_refused_without_a_value_of_it(text: str, needle: str) -> None:
    with pytest.raises(BadConfig, match=r"^keys\.toml: ") as caught:
        load_keys(text, "keys.toml", CHOICE)
    assert needle in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_secret_that_stands_where_a_key_belongs_is_not_shown() -> None:
    text = f'api_key = "FAKE-KEY"\n{SECRET.replace("/", "")} = "api_secret"'
    with pytest.raises(BadConfig) as caught:
        load_keys(text, "keys.toml", CHOICE)
    assert SECRET.replace("/", "") not in str(caught.value)
    assert "allowed: api_key" in str(caught.value)
    with pytest.raises(BadConfig, match="did you mean api_secret"):
        load_keys('api_key = "FAKE-KEY"\napi_secrt = "FAKE-SECRET"', "keys.toml", CHOICE)


def test_a_configuration_of_before_still_says_how_long_a_request_is_valid() -> None:
    old = load(WHOLE + "[session]\nrecv_window_ms = 700\n", "hotloop.toml")
    new = load(WHOLE + "[session]\nrequest_expiry_ms = 700\n", "hotloop.toml")
    assert old == new
    with pytest.raises(BadConfig, match="recv_window_ms"):
        load(WHOLE + "[session]\nrequest_expiry_ms = 700\nrecv_window_ms = 700\n", "hotloop.toml")
