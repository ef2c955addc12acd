"""Checked TOML into frozen structs: what a run is told before it starts.

Here live the keys that a configuration may have, their bounds and their defaults, and the errors
that say what is wrong with one. Reading files happens in ``tools``; conversion into ticks and lots
where the instruments are known. Secrets never live here: a configuration names a key file, and one
that carries a secret itself is refused. What the keys in that file are is checked by ``load_keys``.

``checked`` is the one way from a TOML table to a Struct, for the configuration and for the
parameters of any strategy: bounds and meaning are the ``msgspec.Meta`` of the fields.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from core.model.errors import BadConfig, BadParameter
from core.model.units import NS_PER_US
from core.model.venue import PLAIN, Credentials, Environment, KeyFields, Stream, Venue

MAX_CHARACTERS = 65_536
"""Longest text that is parsed: a configuration of every key for 100 symbols is a third of it."""

MAX_DEPTH = 8
"""Deepest nesting of tables and lists: our own sections go three deep."""

MAX_SYMBOLS = 100
"""Symbols of one run: what one core can follow, and far below 1,024 streams per connection."""

SHOWN_CHARACTERS = 60
"""So much of a value at fault is repeated in a message."""

DECIMAL = r"^(?=.*[1-9])[0-9]{1,20}(\.[0-9]{1,18})?\Z"

Amount = Annotated[
    str, Meta(pattern=DECIMAL, description='a decimal above zero, in quotes: "0.25"')
]
FileName = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f]{1,255}\Z", description="the name of a file or folder")
]
ASSET = r"[^\s\x00-\x1f\x7f\"\\]{1,30}"
"""An asset as a venue writes it."""

Symbol = Annotated[
    str,
    Meta(
        pattern=r"^[^\s\x00-\x1f\x7f\"\\]{1,50}\Z",
        description='a symbol as the venue writes it: "BTCUSDT"',
    ),
]


class Mode(StrEnum):
    """How the hot loop waits for its sockets."""

    AUTO = "auto"
    """``spin`` where a CPU is configured, ``wait`` otherwise."""
    SPIN = "spin"
    """Polls without end: the lowest latency, and one CPU fully used."""
    WAIT = "wait"
    """Sleeps until something is ready: an idle CPU, and some 40 us more."""


class OnStale(StrEnum):
    """What becomes of our orders when the book they were made from is no longer proved."""

    CANCEL = "cancel"
    KEEP = "keep"


class OnQuiet(StrEnum):
    """What becomes of a book whose feed is silent for half of its largest age."""

    CONFIRM = "confirm"
    """REST is queried for its best prices, and where it agrees the book is as fresh."""
    REFUSE = "refuse"
    """Nobody is asked: silence is age."""


class OnRestart(StrEnum):
    """What becomes of orders that an earlier boot of the run left at the venue."""

    CANCEL = "cancel"
    ADOPT = "adopt"
    """They stand as they are, and the strategy finds them among its open orders."""


class AccountUse(StrEnum):
    """Who else acts on the account that a run trades on."""

    OWN = "own"
    """Nobody: what nothing explains halts the run until a person has looked."""
    SHARED = "shared"
    """People, other programs, other runs: what they do is told, and halts nothing."""


class EndpointsSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of all of the venue's places at once."""

    ca_file: FileName | None = None
    """A PEM file with one more certificate authority to trust; the system's stay trusted."""


class Endpoints(Struct, frozen=True):
    """Where the venue is; needed in full for ``sim``, and otherwise only to override."""

    urls: dict[str, str] = {}
    """By the names that the venue declares; ``urls_of`` holds them against those."""
    ca_file: str | None = None


class KeysSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which file holds the API key; its values are never part of a configuration."""

    file: Annotated[
        str,
        Meta(
            pattern=r"^[^\x00-\x1f]{1,250}\.toml\Z", description="a file name that ends with .toml"
        ),
    ]


class StrategySection(Struct, frozen=True, forbid_unknown_fields=True):
    """Which strategy trades, and its parameters as they were written."""

    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z_][A-Za-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?\Z",
            description='the name of a built-in strategy, or "module:Class"',
        ),
    ]
    parameters: dict[str, Any] = {}


class RiskSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of one symbol, ``[risk.SYMBOL]`` already laid over ``[risk]``.

    The four amounts have no default that suits every coin: they are stated all four, or none, and
    without them nothing can be placed ("0"). The others default to careful values; none of them
    can be switched off.
    """

    max_order_size: Amount = "0"
    """Largest size of one order, in the base asset."""
    max_order_notional: Amount = "0"
    """Largest price times size of one order, in the quote asset."""
    max_position: Amount = "0"
    """Largest position either way, all open orders counted as if filled, in the base asset."""
    max_daily_loss: Amount = "0"
    """Loss since midnight UTC that halts the run, in the quote asset."""
    max_open_orders: Annotated[int, Meta(ge=1, le=1_000, description="orders open at once")] = 10
    price_collar_bps: Annotated[
        int, Meta(ge=1, le=5_000, description="farthest price through the touch, in 0.01 %")
    ] = 100
    max_book_age_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="oldest book to trade on, in milliseconds")
    ] = 5_000
    max_feed_age_ms: Annotated[
        int,
        Meta(ge=10, le=60_000, description="latest feed to trade on, in milliseconds"),
    ] = 2_000
    """How far the venue's times in the feed may be behind its clock, or ahead of it."""
    max_orders_per_second: Annotated[
        int, Meta(ge=1, le=10_000, description="new and replaced orders a second")
    ] = 10
    max_rejects: Annotated[
        int, Meta(ge=1, le=10_000, description="venue rejects within reject_window_s that halt")
    ] = 20
    reject_window_s: Annotated[int, Meta(ge=1, le=3_600, description="seconds")] = 10
    expiry_lead_s: Annotated[
        int, Meta(ge=1, le=86_400, description="seconds before an expiry that placing ends")
    ] = 60
    """How long before its expiry nothing is placed on a symbol any more, and our orders go."""

    @property
    def trades(self) -> bool:
        """Whether the amounts are stated, so that anything can be placed at all."""
        return self.max_position != "0"


AMOUNTS = ("max_order_size", "max_order_notional", "max_position", "max_daily_loss")


class TotalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """The limits over all symbols in one quote asset, ``[risk.total.ASSET]``, in that asset.

    Symbols of another quote asset count where ``[risk.prices.ASSET]`` says what that is worth.
    """

    max_daily_loss: Amount | None = None
    """Loss of all symbols since midnight UTC that halts the run."""
    max_notional: Amount | None = None
    """Largest notional of all positions, with all open orders of one side counted as if filled."""


WARM_US: Final = 200
"""Caches are cold again some milliseconds after they were used, and half of them after one."""

Warm = Literal["auto", "off"] | Annotated[int, Meta(ge=50, le=1_000_000)]


class LoopSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How the hot loop uses its CPU."""

    mode: Mode = Mode.AUTO
    cpu: Annotated[int, Meta(ge=0, le=4_095, description="number of the CPU to pin")] | None = None
    kernel_stamps: bool = True
    """Whether reads carry the kernel's receive stamp; costs under a microsecond a read."""
    warm: Warm = "auto"
    """Between two rehearsals of the way of a tick to an order, while it spins and nothing is ready:
    microseconds, or "off"; "auto" is ``WARM_US``."""

    @property
    def warm_ns(self) -> int:
        """Between two rehearsals, 0 where there are none but those of the start."""
        if not self.spins or self.warm == "off":
            return 0
        return (self.warm if isinstance(self.warm, int) else WARM_US) * NS_PER_US

    @property
    def rehearses(self) -> bool:
        """Whether there are rehearsals at all."""
        return self.warm != "off"

    @property
    def spins(self) -> bool:
        return self.mode is Mode.SPIN or (self.mode is Mode.AUTO and self.cpu is not None)


OWN_DIR = "runs/VENUE-ENVIRONMENT-STRATEGY"
"""The run folder where none is named: a folder is one venue's, environment's and strategy's."""


class RunSection(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a run leaves its traces, and how it ends."""

    dir: FileName = OWN_DIR
    """The run folder: journal, latency log, log, configuration. One process at a time is in it; a
    restart goes on in it, and nobody else does."""
    on_stale: OnStale = OnStale.CANCEL
    on_restart: OnRestart = OnRestart.CANCEL
    on_quiet: OnQuiet = OnQuiet.CONFIRM
    ledger_tolerance_lots: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="lots of the base asset by which balances and "
            "our fills may differ before the run is halted",
        ),
    ] = 0
    leave_timeout_s: Annotated[
        int, Meta(ge=1, le=300, description="seconds to prove that no order is left")
    ] = 30
    hang_timeout_s: Annotated[
        int, Meta(ge=1, le=300, description="seconds without a turn until the guardian cancels")
    ] = 2
    start_timeout_s: Annotated[
        int, Meta(ge=2, le=86_400, description="seconds to reach the venue in, at the start")
    ] = 60


class SessionSection(Struct, frozen=True, forbid_unknown_fields=True):
    """What is said to the venue."""

    request_expiry_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="milliseconds a signed request stays valid")
    ] = 5_000


class JournalSection(Struct, frozen=True, forbid_unknown_fields=True):
    """How much of the journal is kept."""

    segment_mb: Annotated[int, Meta(ge=1, le=4_096, description="megabytes a segment")] = 64
    keep_segments: Annotated[
        int, Meta(ge=2, le=100_000, description="newest segments kept, older ones are deleted")
    ] = 256


class Config(Struct, frozen=True):
    """One run, checked."""

    venue: str
    environment: Environment
    symbols: tuple[str, ...]
    streams: tuple[Stream, ...]
    account: AccountUse
    strategy: StrategySection
    risk: dict[str, RiskSection]
    """The resolved limits of every symbol."""
    totals: dict[str, TotalSection]
    """The limits over all symbols, by quote asset."""
    prices: dict[str, dict[str, str]]
    """How assets count in others, by quote asset and asset: a decimal, or a symbol."""
    endpoints: Endpoints
    keys: KeysSection | None
    loop: LoopSection
    run: RunSection
    session: SessionSection
    journal: JournalSection

    def risk_of(self, symbol: str) -> RiskSection:
        """Return the limits of a symbol; on one that is not of this run nothing is allowed."""
        return self.risk.get(symbol) or RiskSection()

    @property
    def trades(self) -> bool:
        """Whether the limits allow orders on any symbol."""
        return any(risk.trades for risk in self.risk.values())


class _Top(Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is written: what ``Config`` is made of."""

    venue: Annotated[
        str, Meta(pattern=r"^[a-z0-9_]{1,40}\Z", description="one that `hotloop venues` names")
    ]
    environment: Environment
    symbols: Annotated[
        tuple[Symbol, ...],
        Meta(min_length=1, max_length=MAX_SYMBOLS, description=f"1 to {MAX_SYMBOLS}"),
    ]
    strategy: StrategySection
    streams: Annotated[tuple[Stream, ...], Meta(min_length=1, description="at least one")] = (
        Stream.BBO,
        Stream.DEPTH,
        Stream.TRADES,
    )
    account: AccountUse = AccountUse.OWN
    endpoints: dict[str, Any] = {}
    keys: KeysSection | None = None
    risk: dict[str, Any] = {}
    loop: LoopSection = LoopSection()
    run: RunSection = RunSection()
    session: SessionSection = SessionSection()
    journal: JournalSection = JournalSection()


def load(text: str, name: str) -> Config:
    """Return the configuration that ``text`` holds; ``name`` is its file's, for messages.

    Raises ``BadConfig`` naming file, key and value at fault, and what is allowed.
    """
    raw = _toml(text, name)
    _refuse_secrets(raw, name)
    _rename(raw)
    top = checked(raw, _Top, "", name)
    _once(top.symbols, "symbols", name)
    _once(top.streams, "streams", name)
    risk, totals, prices = _risk(top.risk, top.symbols, name)
    config = Config(
        venue=top.venue,
        environment=top.environment,
        symbols=top.symbols,
        streams=top.streams,
        account=top.account,
        strategy=top.strategy,
        risk=risk,
        totals=totals,
        prices=prices,
        endpoints=_endpoints(top.endpoints, name),
        keys=top.keys,
        loop=top.loop,
        run=_at_home(top),
        session=top.session,
        journal=top.journal,
    )
    if config.trades and config.keys is None:
        raise BadConfig(f'{name}: keys.file: missing; orders need a key: [keys] file = "keys.toml"')
    return config


_OLD_NAME, _NAME = "recv_window_ms", "request_expiry_ms"


def _rename(raw: dict[str, Any]) -> None:
    """Take a key of ``[session]`` by the name that it had while there was one venue."""
    session = raw.get("session")
    if isinstance(session, dict) and _OLD_NAME in session and _NAME not in session:
        session[_NAME] = session.pop(_OLD_NAME)


def _at_home(top: _Top) -> RunSection:
    """Return the run section with a folder of the run's own where none is named."""
    if top.run.dir != OWN_DIR:
        return top.run
    strategy = re.sub(r"[^A-Za-z0-9_.-]+", "-", top.strategy.name)
    return replace(top.run, dir=f"runs/{top.venue}-{top.environment}-{strategy}")


T = TypeVar("T", bound=Struct)


def parameters(config: Config, struct_type: type[T], name: str) -> T:
    """Return ``[strategy.parameters]`` checked against a strategy's ``Parameters``."""
    return checked(config.strategy.parameters, struct_type, "strategy.parameters", name)


def digest(config: Config) -> str:
    """Return a SHA-256 that is equal exactly for equal configurations, however written."""
    return hashlib.sha256(msgspec.json.encode(config, order="deterministic")).hexdigest()


# -- keys ------------------------------------------------------------------------------------


def load_keys(text: str, name: str, wanted: KeyFields) -> Credentials:
    """Return what a key file holds; of a field that is a PEM the name of its file.

    A ``BadConfig`` names field and fault, and never repeats a value.
    """
    raw = _toml(text, name)
    fields = [field for group in wanted for field in group]
    names = [field.name for field in fields]
    unknown = [key for key in raw if key not in names]
    if unknown:  # it may be a secret that stands where a name belongs
        hints = [hint for key in unknown if (hint := _hint(key, names))]
        raise BadConfig(
            f"{name}: it holds a key that does not belong there (it is not shown)"
            f"{hints[0] if hints else ''}; allowed: {key_words(wanted)}"
        )
    for group in wanted:
        given = [field.name for field in group if field.name in raw]
        if len(group) == 1 and not given:
            raise BadConfig(f"{name}: {group[0].name}: missing; it is {group[0].what}")
        if len(given) != 1:
            choice = " and ".join(field.name for field in group)
            raise BadConfig(f"{name}: exactly one of {choice} has to be there")
    for key in names:
        value = raw.get(key, "-")
        if not isinstance(value, str):
            raise BadConfig(f"{name}: {key}: must be text in quotes")
        if not (value.isascii() and value.isprintable() and value.strip()):
            raise BadConfig(f"{name}: {key}: must be printable ASCII, and not empty")
    return Credentials({key: raw[key] for key in names if key in raw})


def key_words(wanted: KeyFields) -> str:
    """Return in words which fields a key file has."""
    groups = (
        group[0].name
        if len(group) == 1
        else "one of " + " and ".join(field.name for field in group)
        for group in wanted
    )
    return ", and ".join(groups)


# -- from TOML to a Struct -------------------------------------------------------------------


def checked(raw: Mapping[str, Any], struct_type: type[T], where: str, name: str) -> T:
    """Return a TOML table as a Struct; ``where`` is its dotted path, empty at the top.

    Raises ``BadConfig`` for an unknown or missing key and for a value that the field's type, its
    ``Meta`` or the Struct's own ``__post_init__`` does not allow.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct_type)}
    for key in raw:
        if key not in fields:
            raise BadConfig(f"{name}: {_path(where, key)}: no such key{_hint(key, fields)}")
    values: dict[str, Any] = {}
    for key, field in fields.items():
        if key in raw:
            values[field.name] = _value(raw[key], field.type, _path(where, key), name)
        elif field.required:
            allowed = _allowed(msgspec.inspect.type_info(field.type))
            raise BadConfig(f"{name}: {_path(where, key)}: missing; must be {allowed}")
    try:
        return struct_type(**values)
    except BadParameter as error:
        raise BadConfig(f"{name}: {where}: {error}") from error


def _value(value: Any, annotation: Any, path: str, name: str) -> Any:
    nested = _struct_of(msgspec.inspect.type_info(annotation))
    if nested is not None and isinstance(value, dict):
        return checked(value, nested, path, name)
    try:
        return msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        kind = msgspec.inspect.type_info(annotation)
        item = re.search(r"`\$\[(\d+)\]`$", str(error))
        if item:
            index = int(item[1])
            path, value, kind = f"{path}[{index}]", value[index], _item_of(kind)
        # the value of keys.file may be a secret in the wrong place: it is not repeated
        given = "" if path.startswith("keys.") else f" = {_shown(value)}"
        hint = _choice_hint(value, kind)
        raise BadConfig(f"{name}: {path}{given}: must be {_allowed(kind)}{hint}") from None


def _item_of(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    match kind:
        case msgspec.inspect.Metadata(type=inner):
            return _item_of(inner)
        case (
            msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item)
        ):
            return item
        case _:
            return msgspec.inspect.AnyType()


def _struct_of(kind: msgspec.inspect.Type) -> type[Struct] | None:
    match kind:
        case msgspec.inspect.StructType(cls=cls):
            return cls
        case msgspec.inspect.UnionType(types=types):
            return next((found for one in types if (found := _struct_of(one))), None)
        case _:
            return None


def _allowed(kind: msgspec.inspect.Type, meaning: str = "") -> str:
    """Return in words what a type allows."""
    match kind:
        case msgspec.inspect.Metadata(type=inner, extra_json_schema=schema):
            return _allowed(inner, str((schema or {}).get("description", "")))
        case msgspec.inspect.UnionType(types=types):
            return " or ".join(
                _allowed(one) for one in types if not isinstance(one, msgspec.inspect.NoneType)
            )
        case msgspec.inspect.EnumType() | msgspec.inspect.LiteralType():
            return "one of " + ", ".join(_shown(choice) for choice in _choices(kind))
        case msgspec.inspect.IntType(ge=low, le=high):
            return _with_meaning(f"a whole number{_range(low, high)}", meaning)
        case msgspec.inspect.FloatType(ge=low, le=high):
            return _with_meaning(f"a number{_range(low, high)}", meaning)
        case (
            msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item)
        ):
            return _with_meaning(f"a list, each {_allowed(item)}", meaning)
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.StructType() | msgspec.inspect.DictType():
            return "a table"
        case _:
            return meaning or "text in quotes"


def _with_meaning(text: str, meaning: str) -> str:
    return f"{text} ({meaning})" if meaning else text


def _range(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if low is not None:
        return f" of at least {low}"
    return f" of at most {high}" if high is not None else ""


def _choices(kind: msgspec.inspect.Type) -> list[Any]:
    match kind:
        case msgspec.inspect.EnumType(cls=cls):
            return [member.value for member in cls]
        case msgspec.inspect.LiteralType(values=values):
            return list(values)
        case _:
            return []


def _choice_hint(value: Any, kind: msgspec.inspect.Type) -> str:
    choices = [str(choice) for choice in _choices(kind)]
    near = difflib.get_close_matches(str(value).lower(), choices, 1)
    return f"; did you mean {_shown(near[0])}?" if near else ""


def _hint(key: str, allowed: Iterable[str]) -> str:
    known = sorted(allowed)
    near = difflib.get_close_matches(key, known, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"{meant} (allowed: {', '.join(known) or 'none at all'})"


def _path(where: str, key: str) -> str:
    plain = discreet(key) if key.replace("_", "").replace("-", "").isalnum() else _shown(key)
    return f"{where}.{plain}" if where else plain


def _shown(value: Any) -> str:
    """Return a value as TOML would write it, cut to a readable length."""
    match value:
        case dict():
            return "a table"
        case bool():
            return str(value).lower()
        case str():
            text = '"' + discreet(value).encode("unicode_escape").decode() + '"'
        case _:
            text = discreet(str(value))
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


_OPAQUE = re.compile(r"(?=[\w+/=-]*\d)(?=[\d+/=_-]*[A-Za-z])[\w+/=-]{32,}", re.ASCII)
"""Letters and digits without a gap, as keys and secrets are, of every venue: 32 and more."""


def discreet(text: str) -> str:
    """Return a text without what could be a key or a secret that was put in the wrong place."""
    return _OPAQUE.sub(lambda found: f"({len(found[0])} characters, not shown)", text)


# -- rules that concern more than one key ----------------------------------------------------


def _toml(text: str, name: str) -> dict[str, Any]:
    if len(text) > MAX_CHARACTERS:
        raise BadConfig(f"{name}: {len(text)} characters are more than {MAX_CHARACTERS}")
    try:
        return tomllib.loads(text)
    except ValueError as error:
        # tomllib names line and column and quotes neither: the line may hold a secret
        raise BadConfig(f"{name}: not TOML: {error}") from None
    except RecursionError:
        raise BadConfig(f"{name}: nested too deep; {MAX_DEPTH} levels are allowed") from None


_SECRET_WORDS = ("secret", "api_key", "apikey", "private_key", "password", "passphrase")


def _refuse_secrets(raw: Mapping[str, Any], name: str) -> None:
    """Refuse keys and values that look like secrets (never repeating them), depth and NaN."""
    pending: list[tuple[str, Any, int]] = [("", raw, 0)]
    while pending:
        where, value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise BadConfig(f"{name}: {where}: nested too deep; {MAX_DEPTH} levels are allowed")
        if isinstance(value, dict):
            for key in value:
                if any(word in key.lower().replace("-", "_") for word in _SECRET_WORDS):
                    raise BadConfig(
                        f"{name}: {_path(where, key)}: secrets do not belong into a configuration;"
                        ' put them into a file of mode 0600 and name it: [keys] file = "keys.toml"'
                    )
            pending.extend((_path(where, key), value[key], depth + 1) for key in value)
        elif isinstance(value, list):
            pending.extend((f"{where}[{i}]", item, depth + 1) for i, item in enumerate(value))
        elif isinstance(value, str) and "-----BEGIN" in value:
            raise BadConfig(f"{name}: {where}: a private key does not belong here; name its file")
        elif isinstance(value, float) and not math.isfinite(value):
            raise BadConfig(f"{name}: {where} = {value}: must be a finite number")


def _once(values: tuple[str, ...], key: str, name: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise BadConfig(f"{name}: {key}: {_shown(str(value))} is there more than once")


def _endpoints(raw: Mapping[str, Any], name: str) -> Endpoints:
    """Return the venue's places as they are stated: its own names are not known here."""
    fields = EndpointsSection.__struct_fields__
    own = {key: value for key, value in raw.items() if key in fields}
    section = checked(own, EndpointsSection, "endpoints", name)
    urls = {key: value for key, value in raw.items() if key not in fields}
    for key, url in urls.items():
        if not isinstance(url, str):
            path = _path("endpoints", key)
            raise BadConfig(f"{name}: {path} = {_shown(url)}: must be an address, in quotes")
    return Endpoints(urls, section.ca_file)


def urls_of(config: Config, venue: Venue, name: str) -> dict[str, str]:
    """Return where a run connects, by the names that the venue declares for its endpoints.

    Those are its own in the environment, with the configuration's over them. Raises ``BadConfig``
    for one that it does not declare, one that is no address of its kind, and one that is missing.
    """
    stated, environment = config.endpoints.urls, config.environment
    declared = {one.name: one for one in venue.endpoints}
    for key, url in stated.items():
        path = _path("endpoints", key)
        if key not in declared:
            hint = _hint(key, (*declared, *EndpointsSection.__struct_fields__))
            raise BadConfig(f"{name}: {path}: no such endpoint of {venue.name}{hint}")
        _check_url(url, declared[key].scheme, path, environment, name)
    urls = venue.places(environment) | stated
    for key, endpoint in declared.items():
        if key not in urls and not endpoint.optional:
            raise BadConfig(f"{name}: endpoints.{key}: missing; {_no_place(venue, environment)}")
    return urls


def _no_place(venue: Venue, environment: Environment) -> str:
    if environment is Environment.SIM:
        return "environment sim has no fixed place: take it from the line that `hotloop sim` prints"
    known = ", ".join(venue.environments) or "none"
    return f"{venue.name} has no address for environment {environment} (it has for: {known})"


def _check_url(url: str, scheme: str, path: str, environment: Environment, name: str) -> None:
    """Check scheme, host and port; outside the sim only TLS, and never a password."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        port, host, parts = None, None, urlsplit("")
    if "@" in url:
        raise BadConfig(f"{name}: {path}: user and password do not belong into an address")
    schemes = (PLAIN[scheme], scheme) if environment is Environment.SIM else (scheme,)
    if parts.scheme not in schemes or not host or port == 0 or parts.query or parts.fragment:
        allowed = " or ".join(f"{each}://HOST[:PORT][/PATH]" for each in schemes)
        raise BadConfig(f"{name}: {path} = {_shown(url)}: must be {allowed}")


def _risk(
    raw: Mapping[str, Any], symbols: tuple[str, ...], name: str
) -> tuple[dict[str, RiskSection], dict[str, TotalSection], dict[str, dict[str, str]]]:
    """Return the limits of every symbol, those over all of them, and the prices that are stated."""
    totals = {
        asset: checked(_table(found, f"risk.total.{asset}", name), TotalSection, path, name)
        for asset, found in _table(raw.get("total", {}), "risk.total", name).items()
        if (path := _asset(asset, "risk.total", name))
    }
    prices = {
        asset: _prices(_table(found, f"risk.prices.{asset}", name), asset, name)
        for asset, found in _table(raw.get("prices", {}), "risk.prices", name).items()
        if _asset(asset, "risk.prices", name)
    }
    of_symbols = {key: value for key, value in raw.items() if key not in ("total", "prices")}
    return _limits(of_symbols, symbols, name), totals, prices


def _table(value: Any, path: str, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadConfig(f"{name}: {path} = {_shown(value)}: must be a table, by asset")
    return value


def _asset(asset: str, where: str, name: str) -> str:
    """Return the path of an asset's table."""
    path = _path(where, asset)
    if not re.fullmatch(ASSET, asset):
        raise BadConfig(f"{name}: {path}: must be an asset as the venue writes it: USDT")
    return path


def _prices(raw: Mapping[str, Any], quote: str, name: str) -> dict[str, str]:
    """Return the prices of assets in one: a decimal above zero, or a symbol that tells it."""
    for asset, value in raw.items():
        path = _asset(asset, f"risk.prices.{quote}", name)
        symbol = isinstance(value, str) and tells(value, asset, quote) is not None
        decimal = isinstance(value, str) and re.fullmatch(DECIMAL, value)
        if asset == quote or not (symbol or decimal):
            raise BadConfig(
                f"{name}: {path} = {_shown(value)}: must be what one {asset} is worth in {quote}: "
                f'a decimal above zero, in quotes, or the symbol that tells it, as "{asset}{quote}"'
            )
    return dict(raw)


def tells(symbol: str, asset: str, quote: str) -> bool | None:
    """Return whether the price of a symbol is that of an asset in another, not the inverse.

    ``None`` where it is neither: a symbol begins with what is priced, and ends with what in.
    """
    if symbol.startswith(asset) and symbol.endswith(quote):
        return True
    return False if symbol.startswith(quote) and symbol.endswith(asset) else None


def _limits(raw: Mapping[str, Any], symbols: tuple[str, ...], name: str) -> dict[str, RiskSection]:
    """Return the limits of every symbol: its own keys where stated, else those of ``[risk]``."""
    shared = {key: value for key, value in raw.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in raw.items() if isinstance(value, dict)}
    for symbol in tables:
        if symbol not in symbols:
            path = _path("risk", symbol)
            raise BadConfig(f"{name}: {path}: no such symbol{_hint(symbol, symbols)}")
    checked(shared, RiskSection, "risk", name)
    limits: dict[str, RiskSection] = {}
    for symbol in symbols:
        own = tables.get(symbol, {})
        checked(own, RiskSection, _path("risk", symbol), name)
        limits[symbol] = checked({**shared, **own}, RiskSection, "risk", name)
        _check_amounts(limits[symbol], symbol, name)
    return limits


def _check_amounts(limits: RiskSection, symbol: str, name: str) -> None:
    missing = [key for key in AMOUNTS if getattr(limits, key) == "0"]
    if missing and len(missing) < len(AMOUNTS):
        raise BadConfig(
            f"{name}: risk.{missing[0]}: missing for {symbol}; state all of {', '.join(AMOUNTS)}, "
            "under [risk] or under the symbol's own table, or none of them to place nothing"
        )
