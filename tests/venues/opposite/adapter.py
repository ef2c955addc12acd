"""The opposite venue's adapter: ``venue(answers)`` is what a ``VENUE`` is elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.model import commands as c
from core.model.commands import Command, OrderKind, Riskless, TimeInForce
from core.model.contract import Inverse, Linear
from core.model.errors import Drifted, Malformed, Misuse
from core.model.events import (
    FRAMES,
    NO_INSTRUMENT,
    NO_REQUEST,
    NOT_NUMBERED,
    AccountReport,
    Balance,
    Bbo,
    BbosReport,
    BookDelta,
    BookSnapshot,
    Costs,
    Event,
    ExecType,
    Fill,
    FillReport,
    Funding,
    Ignored,
    InstrumentsReport,
    Levels,
    MarketTrade,
    Notice,
    OpenOrders,
    OrderReport,
    OrdersListed,
    OrderUpdate,
    OrdStatus,
    PositionReport,
    PriceTold,
    ReplaceOutcome,
    Reply,
    Rule,
    Scope,
    SessionNotice,
    Settled,
    Side,
    Source,
    TradingStatus,
    VenueTime,
    Verdict,
)
from core.model.grid import UNIFORM, Significant
from core.model.instrument import Instrument, Trading
from core.model.units import NS_PER_MS, NS_PER_S, Grid
from core.model.venue import (
    HTTPS,
    AmendKind,
    BookFeed,
    Capabilities,
    Clock,
    Connection,
    Credentials,
    DeadMan,
    DeadManKind,
    Endpoint,
    Environment,
    HttpAnswer,
    HttpRequest,
    Keepalive,
    KeyField,
    Limit,
    Names,
    Remedy,
    Respond,
    Role,
    Signed,
    Stream,
    Subscription,
    SyncKind,
    Truth,
    Venue,
    WireRequest,
)
from core.protocols.websocket import websocket
from tests.venues.opposite.answers import Answers
from tests.venues.opposite.wire import MAX_LINE, TextLines
from venues.kit.names import HEX_128, Fixed, Prefixed

NAME: Final = "opposite"
SYMBOLS: Final = ("AAA-QQQ", "BBB-QQQ")
CHECKED: Final = SYMBOLS[1]
COARSE: Final = SYMBOLS[1]
INVERSE: Final = SYMBOLS[1]
TICK: Final = Grid("0.1")
LOT: Final = Grid("0.001")
EXPIRES_NS = 1_790_003_600 * NS_PER_S
"""An hour after runs begin."""
DEPTH: Final = 5
YOUNG_NS: Final = NS_PER_S
"""A cancel of an order that has stood for less costs three, and one of an older order one."""
BUCKET: Final = Limit("rate", "orders", 200, 50 * NS_PER_MS, Rule.BUCKET, Scope.INSTRUMENT)
WINDOW: Final = Limit("rate", "orders", 1_200, 60 * NS_PER_S)
CALLS: Final = Limit("calls", "calls", 600, 60 * NS_PER_S, Rule.SLIDING)
FRAMED: Final = Limit("frames", FRAMES, 50, NS_PER_S, Rule.SLIDING, Scope.CONNECTION)
SECRET: Final = "visibly-fake-secret"
TOKEN: Final = "visibly-fake-token"

VERDICTS: Final = {
    "NO_SUCH": Verdict.ABSENT,
    "WOULD_TAKE": Verdict.REFUSED,
    "TOO_POOR": Verdict.REFUSED,
    "SHUT": Verdict.REFUSED,
    "TOO_FAST": Verdict.THROTTLED,
    "WHO_ARE_YOU": Verdict.LOGGED_OUT,
    "NOT_AFTER_THE_LAST": Verdict.UNKNOWN,
}
STATES: Final = {
    "new": (ExecType.NEW, OrdStatus.NEW),
    "part": (ExecType.TRADE, OrdStatus.PARTIALLY_FILLED),
    "filled": (ExecType.TRADE, OrdStatus.FILLED),
    "gone": (ExecType.CANCELED, OrdStatus.CANCELED),
}
TRADINGS: Final = {"up": Trading.OPEN, "cancels": Trading.CANCEL_ONLY, "down": Trading.HALTED}


def instrument(answers: Answers, index: int, symbol: str) -> Instrument:
    base, quote = symbol.split("-")
    spot = symbol != INVERSE or not answers.inverse
    coarse = symbol == COARSE and answers.coarse
    return Instrument(
        index=index,
        symbol=symbol,
        base=base,
        quote=quote,
        tick=TICK,
        lot=LOT,
        contract=Linear.spot(base, quote, TICK, LOT)
        if spot
        else Inverse.future(base, "contracts", TICK, LOT, face="1000"),
        expiry_ns=EXPIRES_NS if symbol == INVERSE and answers.dated else 0,
        grid=Significant.on(TICK, digits=4) if coarse else UNIFORM,
        min_ticks=1,
        max_ticks=0,
        min_lots=1,
        max_lots=0,
        max_market_lots=0,
        min_notional=0,
        max_notional=0,
        max_open_orders=0,
    )


def checksum(bids: Levels, asks: Levels) -> int:
    text = json.dumps([bids[:DEPTH], asks[:DEPTH]]).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4])


def signature(key: str, text: bytes) -> str:
    return hashlib.sha256(key.encode() + text).hexdigest()


class Signer:
    """Holds the secret and the token; numbers what goes over HTTP."""

    in_order: Final = True

    def __init__(self, keys: Credentials) -> None:
        self._secret = keys.fields["secret"]
        self._token = ""
        self._nonce = 0

    def wire(self, request: WireRequest) -> bytes:
        if not request.cut:
            return request.body
        resolution = self._token if request.signing == b"token" else signature(SECRET, request.body)
        return b'%b,"proof":"%b"}' % (request.body[: request.cut], resolution.encode())

    def rest(self, request: HttpRequest, now_ns: int) -> Signed:
        self._nonce = max(self._nonce + 1, now_ns)
        body = b'{"nonce":%d,%b' % (self._nonce, request.body[1:])
        return Signed(request.target, {"Proof": signature(self._secret, body)}, body)

    def take(self, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
        return answer

    def keep(self, field: str, value: bytes) -> None:
        assert field == "token"
        self._token = value.decode()


class Adapter:
    """Implements ``core.model.venue.Adapter`` by a venue's ``Answers``."""

    def __init__(self, answers: Answers, subscription: Subscription) -> None:
        self._answers = answers
        self._wants = subscription
        self._rows: dict[str, Instrument] = {}
        every = frozenset(Role)
        pings = Keepalive(every_ns=NS_PER_S, command=c.Ping()) if answers.pinged else None
        markets = frozenset({Role.MARKET})
        roles = {"market": markets, "trade": every - markets}
        if answers.one_connection:
            roles = {"all": every}
        self.connections = tuple(
            Connection(
                name=name,
                url=subscription.urls[name],
                carries=frozenset(carries),
                silence_ns=10 * NS_PER_S,
                lifetime_ns=3_600 * NS_PER_S if answers.ages else 0,
                overlap=answers.overlaps,
                protocol=TextLines if answers.plain_text else websocket(MAX_LINE),
                keepalive=pings,
                conceals=("token",) if answers.token_in_band else (),
            )
            for name, carries in roles.items()
        )
        self.limits = (BUCKET, CALLS, FRAMED) if answers.buckets else (WINDOW, CALLS)
        self.capabilities = _capabilities(answers, subscription)
        self.tells_ns = NS_PER_S if answers.tells_later else 0

    def names(self, scope: str, boot: int, seed: int) -> Names:
        if self._answers.hex_names:
            return Fixed(HEX_128, scope, boot, seed)
        return Prefixed(scope, boot, seed)

    def learn(self, instruments: Sequence[Instrument]) -> None:
        self._rows = {one.symbol: one for one in instruments}

    def book_feed(self, row: Instrument) -> BookFeed:
        if row.symbol == CHECKED and self._answers.checked:
            return BookFeed(sync=SyncKind.CHECKSUMMED, depth=DEPTH, checksum=checksum)
        chained = self._answers.in_band
        return BookFeed(sync=SyncKind.CHAINED if chained else SyncKind.REST_BRIDGED)

    def script(self, connection: int) -> Sequence[Riskless]:
        carries = self.connections[connection].carries
        steps: list[Riskless] = []
        if Role.MARKET in carries:
            steps.append(c.SubscribeMarket())
        if Role.ACCOUNT in carries:
            steps += [c.Logon()] if self._answers.token else []
            steps.append(c.SubscribePrivate())
        return steps

    def farewell(self, connection: int) -> Sequence[Riskless]:
        return (c.Logout(),) if self._answers.takes_leave else ()

    def symbol_of(self, base: str, quote: str) -> str:
        return f"{base}-{quote}"

    def remedy(self, code: str, text: str) -> Remedy:
        return Remedy.PAUSE if (text or code) in ("WOULD_TAKE", "SHUT") else Remedy.COUNT

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        match command:
            case c.Place() | c.Replace() | c.Amend():
                return (("orders", 1),)
            case c.Cancel() | c.CancelAll():
                young = self._answers.buckets and resting_ns < YOUNG_NS
                return (("orders", 3 if young else 1),)
            case c.Logon() if self._answers.token_in_band:
                return ()
            case c.Ping() | c.Logout() | c.SubscribeMarket() | c.SubscribePrivate():
                return ()
            case c.SubscribeBook() | c.UnsubscribeBook() | c.SetDeadMan():
                return ()
        return (("calls", 1),)

    # -- out -----------------------------------------------------------------------------------

    def encode(self, command: Command, request_id: int, venue_ns: int) -> WireRequest | HttpRequest:
        row = getattr(command, "instrument", None)
        match command:
            case c.Logon() if self._answers.token_in_band:
                body = json.dumps({"do": "logon", "re": request_id}).encode()
                return WireRequest(len(self.connections) - 1, body, b"key", len(body) - 1)
            case c.Place():
                return self._sends(request_id, "place", **_order(self, command))
            case c.Cancel(_, name, order):
                return self._sends(request_id, "cancel", sym=self._symbol(row), name=name, id=order)
            case c.Replace(old, new):
                gone = {"old": old.client_order_id, "old_id": old.venue_order_id}
                return self._sends(request_id, "replace", **gone, **_order(self, new))
            case c.Amend(_, name, order, size, px):
                changed = {"size": size} | ({} if px is None else {"px": px})
                return self._sends(request_id, "amend", name=name, id=order, **changed)
            case c.SubscribePrivate():
                return self._sends(request_id, "account")
            case c.Ping():
                return self._says(len(self.connections) - 1, {"do": "ping", "re": request_id})
            case c.Logout():
                return self._says(len(self.connections) - 1, {"do": "bye", "re": request_id})
            case c.SubscribeMarket():
                return self._says(0, {"do": "markets", "re": request_id})
            case c.SubscribeBook(index) | c.UnsubscribeBook(index):
                verb = "book" if isinstance(command, c.SubscribeBook) else "no_book"
                return self._says(0, {"do": verb, "re": request_id, "sym": self._symbol(index)})
        return self.encode_rest(command, venue_ns)

    def _sends(self, request_id: int, verb: str, **fields: Any) -> WireRequest:
        body = json.dumps({"do": verb, "re": request_id, **fields}).encode()
        how = b"token" if self._answers.token else b"key"
        return WireRequest(len(self.connections) - 1, body, signing=how, cut=len(body) - 1)

    def _says(self, connection: int, message: dict[str, Any]) -> WireRequest:
        return WireRequest(connection, json.dumps(message).encode())

    def _symbol(self, index: int | None) -> str:
        return next((one.symbol for one in self._rows.values() if one.index == index), "")

    def encode_rest(self, command: Command, venue_ns: int) -> HttpRequest:
        asked: dict[str, Any]
        index = getattr(command, "instrument", NO_INSTRUMENT)
        where = "" if self._answers.of_account else self._symbol(index)
        match command:
            case c.Logon():
                asked = {"ask": "token"}
            case c.Cancel(_, name, order):
                asked = {"ask": "cancel", "name": name, "id": order}
            case c.QueryOrder(_, name, order) if order or self._answers.by_name:
                asked = {"ask": "order", "id": order, "name": name if not order else ""}
            case c.QueryOrder() | c.FetchOrders():
                asked = {"ask": "orders", "from": getattr(command, "first_order_id", "")}
            case c.FetchOpenOrders():
                asked = {"ask": "open", "sym": where}
            case c.FetchTrades(_, None, page):
                asked = {"ask": "fills", "newest": True, "sym": where, "page": page}
            case c.FetchTrades(_, c.Since() as since, page):
                behind = since.rank + 1 if self._answers.rising_ids else since.venue_ns
                asked = {"ask": "fills", "from": behind, "sym": where, "page": page}
            case c.FetchOrderTrades(_, order, page):
                asked = {"ask": "fills", "order": order, "page": page}
            case c.FetchPositions():
                asked = {"ask": "positions"}
            case c.FetchAccount() | c.FetchTime() | c.FetchInstruments() | c.FetchBbos():
                asked = {"ask": type(command).__name__[5:].lower()}
            case c.FetchBook(index):
                asked = {"ask": "book", "sym": self._symbol(index)}
            case c.FetchPrice(symbol):
                asked = {"ask": "price", "sym": symbol}
            case _:
                raise Misuse(f"{NAME} has no {type(command).__name__}")
        body = json.dumps(asked).encode()
        return HttpRequest(
            "POST",
            "/",
            body=body,
            signed=True,
            cancels=asked["ask"] == "cancel",
            conceals=("token",) if asked["ask"] == "token" else (),
        )

    def placed(self, request: bytes) -> tuple[c.Place, ...]:
        told = json.loads(request)
        if told["do"] not in ("place", "replace"):
            return ()
        place = c.Place(
            self._rows[told["sym"]].index,
            told["name"],
            Side(told["side"]),
            OrderKind(told["kind"]),
            TimeInForce(told["tif"]),
            told["px"],
            told["size"],
        )
        return (place,)

    # -- in ------------------------------------------------------------------------------------

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        try:
            events += self._told(json.loads(payload))
        except ValueError as error:
            raise Malformed(f"no message: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise Drifted(f"not as documented: {error!r}") from error

    def _told(self, told: dict[str, Any]) -> list[Event]:
        match told["is"]:
            case "answer":
                return [self._reply(told.get("re", NO_REQUEST), told)]
            case "book":
                return [self._book(told)]
            case "trade":
                row = self._rows[told["sym"]]
                side, at = Side(told["side"]), told["at"]
                return [MarketTrade(row.index, str(told["n"]), told["px"], told["size"], side, at)]
            case "order" if "sym" not in told:
                return [self._update(told)]
            case "order":
                return [self._report(told, Source.STREAM)]
            case "balances":
                return [self._balances(told, whole=False)]
            case "funding":
                index = self._rows[told["sym"]].index
                return [Funding(index, told["id"], int(told["atoms"]), told["at"])]
            case "settled":
                mantissa, decimals = told["px"]
                return [Settled(self._rows[told["sym"]].index, mantissa, decimals, told["at"])]
            case "there?":
                return [Respond(c.Ping())]
            case "farewell":
                return [SessionNotice(Notice.SHUTDOWN)]
            case "status":
                return [TradingStatus(TRADINGS[told["status"]], told["status"])]
        return [Ignored(str(told["is"]))]

    def _book(self, told: dict[str, Any]) -> Event:
        index = self._rows[told["sym"]].index
        bids, asks = _levels(told["bids"]), _levels(told["asks"])
        resolution = told.get("sum")
        if told["first"]:
            return BookSnapshot(index, told["n"], bids, asks, checksum=resolution)
        first = 0 if resolution is not None else told["prev"] + 1
        return BookDelta(index, first, told["n"], bids, asks, told["at"], resolution)

    def _report(self, told: dict[str, Any], source: Source) -> OrderReport:
        change, status = STATES[told["state"]]
        fills = (self._fill(told["fill"]),) if "fill" in told else ()
        row = self._rows.get(told["sym"])
        return OrderReport(
            instrument=NO_INSTRUMENT if row is None else row.index,
            client_order_id=told["name"],
            venue_order_id=told["id"],
            source=source,
            exec_type=change if source is Source.STREAM else ExecType.SNAPSHOT,
            status=status,
            side=Side(told["side"]),
            price_ticks=told["px"],
            size_lots=told["size"],
            filled_lots=told["done"],
            fills=fills,
            venue_ns=told["at"],
        )

    def _update(self, told: dict[str, Any]) -> OrderUpdate:
        change, status = STATES[told["state"]]
        return OrderUpdate(
            venue_order_id=told["id"],
            exec_type=change,
            status=status,
            price_ticks=told.get("px"),
            size_lots=told.get("size"),
            filled_lots=told["done"],
            fills=(self._fill(told["fill"]),) if "fill" in told else (),
            venue_ns=told["at"],
        )

    def _fill(self, told: dict[str, Any]) -> Fill:
        rank = int(told["id"]) if self._answers.rising_ids else told["at"]
        fee = (int(told["fee"]), told["fee_in"])
        return Fill(told["id"], rank, told["px"], told["size"], *fee, told["maker"], told["at"])

    def _balances(self, told: dict[str, Any], *, whole: bool) -> AccountReport:
        balances = tuple(Balance(name, int(has), 0) for name, has in told["has"].items())
        return AccountReport(balances, whole, True if whole else None, told["at"])

    def _reply(self, request_id: int, told: dict[str, Any]) -> Reply:
        why = told.get("why", "")
        verdict = VERDICTS.get(why, Verdict.UNKNOWN) if why else Verdict.DONE
        events: list[Event] = []
        if "order" in told:
            events.append(self._report(told["order"], Source.REPLY))
        if "halves" in told:
            gone, come = (VERDICTS.get(one, Verdict.DONE) for one in told["halves"])
            verdict = come
            events.append(ReplaceOutcome(cancel=gone, place=come))
        if "at" in told:
            events.append(VenueTime(told["at"]))
        code, text = (str(told["number"]), why) if "number" in told else (why, "")
        return Reply(
            request_id=request_id,
            verdict=verdict,
            code=code,
            text=text,
            events=tuple(events),
            client_order_id=told.get("name", ""),
        )

    def answer(
        self,
        command: Command,
        request_id: int,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        if status != 200:
            return Reply(request_id=request_id, verdict=Verdict.UNKNOWN)
        try:
            told = json.loads(body)
            if "why" in told:
                return self._reply(request_id, told)
            events = tuple(self._proved(command, told))
        except ValueError as error:
            raise Malformed(f"no answer: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise Drifted(f"not as documented: {error!r}") from error
        absent = isinstance(command, c.QueryOrder) and not events
        verdict = Verdict.ABSENT if absent else Verdict.DONE
        return Reply(
            request_id=request_id, verdict=verdict, events=events, more=told.get("more", "")
        )

    def _proved(self, command: Command, told: dict[str, Any]) -> list[Event]:
        match command:
            case c.QueryOrder(_, name, order):
                found = [one for one in told["orders"] if order == one["id"] or name == one["name"]]
                return [self._report(one, Source.QUERY) for one in found]
            case c.FetchOrders(index):
                reports = tuple(self._report(one, Source.QUERY) for one in told["orders"])
                return [OrdersListed(index, tuple(r for r in reports if r.instrument == index))]
            case c.FetchOpenOrders(index):
                reports = tuple(self._report(one, Source.QUERY) for one in told["orders"])
                here = tuple(r for r in reports if index in (NO_INSTRUMENT, r.instrument))
                return [OpenOrders(index, here)]
            case c.FetchTrades(index) | c.FetchOrderTrades(index):
                named = self._symbol(index)
                fills = [one for one in told["fills"] if one["sym"] == (named or one["sym"])]
                return [
                    FillReport(
                        self._rows[one["sym"]].index,
                        one["order"],
                        Side(one["side"]),
                        self._fill(one),
                    )
                    for one in fills
                ]
            case c.FetchAccount():
                return [self._balances(told, whole=True)]
            case c.FetchPositions():
                held = [(self._rows[one], lots) for one, lots in told["holds"].items()]
                return [PositionReport(tuple((row.index, lots) for row, lots in held))]
            case c.FetchTime():
                return [VenueTime(told["at"])]
            case c.FetchInstruments():
                wanted = command.of(self._wants.symbols)
                rows = enumerate(symbol for symbol in wanted if symbol in told["symbols"])
                return [InstrumentsReport(tuple(instrument(self._answers, *row) for row in rows))]
            case c.FetchBbos():
                return [BbosReport(tuple(self._bbo(one) for one in told["tops"]))]
            case c.FetchBook():
                return [self._book(told)]
            case c.FetchPrice(symbol):
                return [PriceTold(symbol, told["px"], 0)]
        return []

    def _bbo(self, told: dict[str, Any]) -> Bbo:
        index = self._rows[told["sym"]].index
        return Bbo(index, NOT_NUMBERED, *told["bid"], *told["ask"])


def _levels(told: list[list[int]]) -> Levels:
    return [(ticks, lots) for ticks, lots in told]


def _order(adapter: Adapter, place: c.Place) -> dict[str, Any]:
    return {
        "sym": adapter._symbol(place.instrument),
        "name": place.client_order_id,
        "side": int(place.side),
        "kind": str(place.kind),
        "tif": str(place.tif),
        "px": place.price_ticks,
        "size": place.lots,
    }


def _capabilities(answers: Answers, wants: Subscription) -> Capabilities:
    resting = TimeInForce.DAY if answers.by_the_day else TimeInForce.GTC
    orders = {(OrderKind.LIMIT, resting), (OrderKind.LIMIT, TimeInForce.IOC)}
    if answers.posts:
        orders.add((OrderKind.POST_ONLY, resting))
    if answers.at_market:
        orders.add((OrderKind.MARKET, TimeInForce.IOC))
    return Capabilities(
        streams=frozenset({Stream.DEPTH, Stream.TRADES}),
        orders=frozenset(orders),
        resting=resting,
        amend=AmendKind.PRICE_AND_SIZE if answers.reprices else AmendKind.SHRINK,
        replace=answers.replaces,
        test_place=False,
        request_expiry_ns=wants.request_expiry_ms * NS_PER_MS if answers.expires else None,
        execution_ns=2 * NS_PER_S,
        lag_ns=2 * NS_PER_S,
        lists=Scope.ACCOUNT if answers.of_account else Scope.INSTRUMENT,
        history=Scope.ACCOUNT if answers.of_account else Scope.INSTRUMENT,
        dead_man=DeadMan(
            kind=DeadManKind.DISCONNECT if answers.dies_with_connection else DeadManKind.NONE,
            scope=Scope.CONNECTION,
        ),
        truth=Truth.POSITIONS if answers.inverse else Truth.BALANCES,
        clock=Clock.QUERIED if answers.tells_time else Clock.OURS,
        rising_ids=answers.rising_ids,
    )


def venue(answers: Answers) -> Venue:
    """Return the venue that gives these answers."""
    return Venue(
        name=NAME,
        endpoints=(
            Endpoint(
                name="http",
                what="questions",
                scheme=HTTPS,
                urls={Environment.LIVE: "https://opposite.invalid"},
            ),
            *(
                Endpoint(
                    name=name,
                    what=f"what the connection {name} carries",
                    scheme="tls" if answers.plain_text else "wss",
                    urls={
                        Environment.LIVE: "tls://opposite.invalid:9000"
                        if answers.plain_text
                        else f"wss://opposite.invalid/{name}"
                    },
                )
                for name in ("all", "market", "trade")
            ),
        ),
        adapter=lambda subscription: Adapter(answers, subscription),
        key_fields=((KeyField(name="secret", what="the secret", secret=True),),),
        signer=Signer,
        logs_on=lambda _: answers.token,
    )


KEYS: Final = Credentials({"secret": SECRET})
