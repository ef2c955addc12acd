"""The opposite venue itself: two walking markets, orders, fills, a history, and what it counts.

It knows the venue's words and none of ours; nothing of the adapter is used here.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Callable
from typing import Any, Final

from tests.venues.opposite.answers import Answers

SYMBOLS: Final = ("AAA-QQQ", "BBB-QQQ")
CHECKED: Final = SYMBOLS[1]
COARSE: Final = SYMBOLS[1]
DIGITS: Final = 4
INVERSE: Final = SYMBOLS[1]
DEPTH: Final = 5
STEP_NS: Final = 100_000_000
SECOND: Final = 1_000_000_000
PINGED_NS: Final = 3 * SECOND
ASKED_NS: Final = 5 * SECOND
"""Between two questions whether somebody is there."""
ANSWER_NS: Final = SECOND // 5
RENEWED_NS: Final = 4 * SECOND
ATOMS: Final = 10**18
LOT_ATOMS: Final = ATOMS // 1_000
UNIT_ATOMS: Final = ATOMS // 10_000
"""What a tick times a lot is: a tenth of a thousandth."""
FACE_ATOMS: Final = 10 * ATOMS
"""What a lot of the inverse contract is worth at one tick: one QQQ at a tenth of one."""
SECRET: Final = "visibly-fake-secret"
TOKEN: Final = "visibly-fake-token"

Side = list[list[int]]


class Session:
    """A connection to it; ``say`` takes what it says there, ``cut`` that it has closed it."""

    def __init__(
        self, connection: int, say: Callable[[bytes], None], cut: Callable[[str], None], ns: int
    ) -> None:
        self.connection = connection
        self._say = say
        self.cut = cut
        self.markets = self.account = False
        self.books: set[str] = set()
        self.pinged_ns = self.requested_ns = ns
        self.renewed_ns = 0
        """When it was last given a token, 0 where it takes none."""
        self.bid = False
        """Whether it was told that we go."""
        self.waits = False
        """Whether it was asked whether somebody is there, and has not answered yet."""
        self.frames: list[int] = []

    def say(self, what: str, **message: Any) -> None:
        self._say(json.dumps({"is": what} | message).encode())


class Market:
    """One symbol's levels, best first, around a middle that walks."""

    def __init__(self, symbol: str, *, checked: bool, coarse: bool) -> None:
        self.symbol = symbol
        self.checked = checked
        self.coarse = coarse
        self.draw = random.Random(symbol)
        self.middle = 10_000
        self.n = self.prev = 0
        self.bids: Side = []
        self.asks: Side = []
        self.move()

    def move(self) -> tuple[Side, Side]:
        """Walk, and return the changes of both sides."""
        self.middle += self.draw.choice((*[0] * 12, -1, 1, -6, 6))
        old = self.bids, self.asks
        sizes = [self.draw.randrange(50, 400) for _ in range(2 * DEPTH)]
        self.bids = [[px, size] for px, size in zip(self._prices(-1), sizes, strict=False)]
        self.asks = [[px, size] for px, size in zip(self._prices(1), sizes[DEPTH:], strict=True)]
        self.prev, self.n = self.n, self.n + self.draw.randrange(1, 9)
        return self._changes(old[0], self.bids, -1), self._changes(old[1], self.asks, 1)

    def takes(self, px: int) -> bool:
        return not self.coarse or len(str(px).rstrip("0")) <= DIGITS

    def _prices(self, away: int) -> list[int]:
        """The prices nearest to the middle on one side of it."""
        walk = itertools.count(self.middle + away, away)
        return list(itertools.islice(filter(self.takes, walk), DEPTH))

    def _changes(self, old: Side, new: Side, away: int) -> Side:
        """What falls out at the far end of a checked book is not deleted, and of others is."""
        kept = {ticks for ticks, _ in new}
        far = new[-1][0]
        gone = [[ticks, 0] for ticks, _ in old if ticks not in kept]
        if self.checked:
            gone = [level for level in gone if (level[0] - far) * away < 0]
        return gone + new

    def checksum(self) -> int:
        text = json.dumps([self.bids, self.asks]).encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:4])


class Exchange:
    """The venue; times are its own."""

    def __init__(self, answers: Answers, seed: int = 1) -> None:
        self.answers = answers
        self.draw = random.Random(seed)
        self.markets = {
            symbol: Market(
                symbol,
                checked=answers.checked and symbol == CHECKED,
                coarse=answers.coarse and symbol == COARSE,
            )
            for symbol in SYMBOLS
        }
        self.sessions: list[Session] = []
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: list[dict[str, Any]] = []
        self.has = {"AAA": 1_000 * ATOMS, "BBB": 1_000 * ATOMS, "QQQ": 10_000_000 * ATOMS}
        self.liquidated = 0
        """Lots of the position that it has taken away, and tells of nowhere."""
        self.status = "up"
        self.answers_bye = True
        self.tokens: list[str] = []
        """All that were given; the last two are good."""
        self.delisted: set[str] = set()
        self.refusals: list[str] = []
        self.used: dict[str, float] = dict.fromkeys(SYMBOLS, 0.0)
        self.used_ns = 0
        self.bucket = 200
        self.nonce = 0

    # -- markets -------------------------------------------------------------------------------

    def step(self, ns: int) -> None:
        for market in self.markets.values():
            bids, asks = market.move()
            sold = self.draw.random() < 0.5
            best = (market.bids if sold else market.asks)[0][0]
            side = -1 if sold else 1
            for session in self.sessions:
                if market.symbol in session.books:
                    session.say("book", **self._book(market, ns, bids, asks, first=False))
                if session.markets:
                    told = {"sym": market.symbol, "n": market.n, "px": best, "size": 7}
                    session.say("trade", **told, side=side, at=ns)
            self._match(market, ns)
        for session in list(self.sessions):
            if session.renewed_ns and ns - session.renewed_ns > RENEWED_NS:
                session.renewed_ns = ns
                session.say("renewed", token=self._new_token())
            if self.answers.pinged and ns - session.pinged_ns > PINGED_NS:
                session.cut("never asked for a sign of life")
            if session.waits and ns - session.requested_ns > ANSWER_NS:
                session.cut("nobody is there")
            elif self.answers.asks_back and ns - session.requested_ns > ASKED_NS:
                session.requested_ns, session.waits = ns, True
                session.say("there?")

    def _book(
        self, market: Market, ns: int, bids: Side, asks: Side, *, first: bool
    ) -> dict[str, Any]:
        told = {"sym": market.symbol, "first": first, "bids": bids, "asks": asks, "at": ns}
        if market.checked:
            return told | {"n": 0, "sum": market.checksum()}
        return told | {"n": market.n, "prev": market.prev}

    def _image(self, market: Market, ns: int) -> dict[str, Any]:
        return self._book(market, ns, market.bids, market.asks, first=True)

    def _match(self, market: Market, ns: int) -> None:
        """Fill what the market has come to: half of it at first, then the rest."""
        for order in [one for one in self.orders.values() if self._stands(one)]:
            if order["sym"] == market.symbol and self._crosses(order, market):
                rest = order["size"] - order["done"]
                self._fill(order, order["px"], max(1, rest // 2), ns, maker=True)

    def _stands(self, order: dict[str, Any]) -> bool:
        return order["state"] in ("new", "part")

    def _crosses(self, order: dict[str, Any], market: Market) -> bool:
        if order["side"] > 0:
            return bool(order["px"] >= market.asks[0][0])
        return bool(order["px"] <= market.bids[0][0])

    def _fill(self, order: dict[str, Any], px: int, size: int, ns: int, *, maker: bool) -> None:
        order["done"] += size
        order["state"] = "filled" if order["done"] == order["size"] else "part"
        number = len(self.fills) + 1
        base, quote = order["sym"].split("-")
        if self.answers.inverse and order["sym"] == INVERSE:
            paid_in, notional = (
                base,
                size * FACE_ATOMS // px,
            )  # what is made is settled some other day
        else:
            paid_in, notional = quote, px * size * UNIT_ATOMS
            self.has[base] += order["side"] * size * LOT_ATOMS
            self.has[quote] -= order["side"] * notional
        self.has[paid_in] -= notional // 1_000
        fill = {
            "id": self._id("f", number),
            "order": order["id"],
            "sym": order["sym"],
            "side": order["side"],
            "px": px,
            "size": size,
            "fee": str(notional // 1_000),
            "fee_in": paid_in,
            "maker": maker,
            "at": ns,
        }
        self.fills.append(fill)
        self._tell_order(order | {"fill": fill}, ns)
        told = {name: str(self.has[name]) for name in (base, quote)}
        self._tell_account("balances", has=told, at=ns)

    def _id(self, kind: str, number: int) -> str:
        if self.answers.rising_ids:
            return str(1_000 + number)
        return f"{kind}{number * 7_919 % 65_521:04x}-{number:x}"

    def _tell_order(self, order: dict[str, Any], ns: int) -> None:
        told = self._shown(order) | {"at": ns}
        stands = self.orders[order["id"]]
        if stands["told"] and not self.answers.tells_whole:
            changed = {"id", "state", "done", "fill", "at"}
            changed |= {name for name in ("px", "size") if stands["told"][name] != order[name]}
            told = {name: value for name, value in told.items() if name in changed}
        stands["told"] = {"px": order["px"], "size": order["size"]}
        self._tell_account("order", **told)

    def _tell_account(self, what: str, **message: Any) -> None:
        for session in self.sessions:
            if session.account:
                session.say(what, **message)

    def pays_funding(self, number: int, atoms: int, ns: int) -> None:
        """Pay for holding the inverse contract, and tell it: once for each payment told of."""
        self.has["BBB"] += atoms
        told = {"sym": INVERSE, "id": f"funding-{number}", "atoms": str(atoms), "at": ns}
        self._tell_account("funding", **told)

    def settles(self, mantissa: int, decimals: int, ns: int) -> None:
        """The inverse contract expires: what is open ends, and what is held is closed."""
        for order in [one for one in self.orders.values() if one["sym"] == INVERSE]:
            if self._stands(order):
                self._end(order, ns)
        self.liquidated = self._held()
        self._tell_account("settled", sym=INVERSE, px=[mantissa, decimals], at=ns)

    def _held(self) -> int:
        return sum(one["side"] * one["size"] for one in self.fills if one["sym"] == INVERSE)

    def says_status(self, status: str) -> None:
        self.status = status
        for session in self.sessions:
            if session.markets and self.answers.pushes_status:
                session.say("status", status=status)

    # -- connections ---------------------------------------------------------------------------

    def opened(self, session: Session) -> None:
        self.sessions.append(session)
        alike = [other for other in self.sessions if other.connection == session.connection]
        if len(alike) > 1 and not self.answers.overlaps:
            self.refusals.append("ONE_IS_THERE")
            session.cut("one is there")

    def closed(self, session: Session, ns: int) -> None:
        """A connection is lost, and where that is so, with it the orders that came on it."""
        self.sessions.remove(session)
        if self.answers.dies_with_connection and not session.bid:
            for order in self.orders.values():
                if order["from"] == id(session) and self._stands(order):
                    self._end(order, ns)

    def _end(self, order: dict[str, Any], ns: int) -> None:
        order["state"] = "gone"
        self._tell_order(order, ns)

    def receive(self, session: Session, payload: bytes, ns: int) -> None:
        self._count_frame(session, ns)
        asked = json.loads(payload)
        resolution = asked.pop("proof", None)
        if asked["do"] not in ("ping", "bye", "markets", "book", "no_book"):
            signed = hashlib.sha256(SECRET.encode() + json.dumps(asked).encode()).hexdigest()
            by_token = self.answers.token and asked["do"] != "logon"
            if resolution not in (self.tokens[-2:] if by_token else (signed,)):
                self._answer(session, asked, "WHO_ARE_YOU")
                return
        getattr(self, f"_do_{asked['do']}")(session, asked, ns)

    def _count_frame(self, session: Session, ns: int) -> None:
        session.frames = [at for at in session.frames if ns - at < SECOND] + [ns]
        if self.answers.buckets and len(session.frames) > 50:
            self.refusals.append("TOO_FAST")
            session.cut("too many frames")

    def _answer(self, session: Session, asked: dict[str, Any], why: str = "", **more: Any) -> None:
        if why:
            self.refusals.append(why)
            more |= {"why": why} | ({} if self.answers.refuses_in_words else {"number": 7})
        named = self.answers.names_requests or "name" not in asked
        about = {"re": asked["re"]} if named else {"name": asked["name"]}
        session.say("answer", **about, **more)

    def _do_ping(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.pinged_ns, session.waits = ns, False
        told = {"at": ns} if self.answers.tells_time else {}
        self._answer(session, asked, "", **told)

    def _do_logon(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.renewed_ns = ns
        self._answer(session, asked, token=self._new_token())

    def _new_token(self) -> str:
        self.tokens.append(f"{TOKEN}-{len(self.tokens)}")
        return self.tokens[-1]

    def _do_bye(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.bid = True
        if self.answers_bye:
            self._answer(session, asked)

    def _do_markets(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.markets = True
        self._answer(session, asked)
        for symbol in SYMBOLS:
            self._begin(session, symbol, ns)
        if self.answers.pushes_status:
            session.say("status", status=self.status)

    def _begin(self, session: Session, symbol: str, ns: int) -> None:
        session.books.add(symbol)
        market = self.markets[symbol]
        if self.answers.in_band or market.checked:
            session.say("book", **self._image(market, ns))

    def _do_book(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        self._answer(session, asked)
        self._begin(session, asked["sym"], ns)

    def _do_no_book(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.books.discard(asked["sym"])
        self._answer(session, asked)

    def _do_account(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        session.account = True
        self._answer(session, asked)

    # -- orders --------------------------------------------------------------------------------

    def _charge(self, symbol: str, tokens: int, ns: int) -> bool:
        gone = (ns - self.used_ns) / (SECOND / 20)
        self.used_ns = ns
        self.used = {name: max(0.0, used - gone) for name, used in self.used.items()}
        if not self.answers.buckets:
            return True
        self.used[symbol] += tokens
        return self.used[symbol] <= self.bucket

    def _do_place(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        if not self._charge(asked["sym"], 1, ns):
            self._answer(session, asked, "TOO_FAST")
        elif self.status != "up":
            self._answer(session, asked, "SHUT")
        elif why := self._unfit(asked):
            self._answer(session, asked, why)
        else:
            order = self._enter(session, asked, ns)
            self._taken(session, asked, order, ns)

    def _unfit(self, asked: dict[str, Any]) -> str:
        crosses = self._crosses(asked, self.markets[asked["sym"]])
        resting = "day" if self.answers.by_the_day else "gtc"
        kinds = ("limit", "post_only") if self.answers.posts else ("limit",)
        if asked["kind"] not in kinds or asked["tif"] not in (resting, "ioc"):
            return "NO_SUCH_KIND"
        if not self.markets[asked["sym"]].takes(asked["px"]):
            return "NO_SUCH_PRICE"
        return "WOULD_TAKE" if asked["kind"] == "post_only" and crosses else ""

    def _enter(self, session: Session, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        fields = ("sym", "name", "side", "px", "size")
        order = {field: asked[field] for field in fields}
        identity = self._id("o", len(self.orders) + 1)
        order |= {"id": identity, "done": 0, "state": "new", "at": ns, "from": id(session)}
        order["told"] = None
        self.orders[identity] = order
        return order

    def _taken(
        self, session: Session, asked: dict[str, Any], order: dict[str, Any], ns: int, **more: Any
    ) -> None:
        if not self.answers.tells_later:
            more["order"] = self._shown(order)
        self._answer(session, asked, **more)
        self._tell_order(self._shown(order), ns)
        market = self.markets[order["sym"]]
        if self._stands(order) and self._crosses(order, market):
            best = (market.asks if order["side"] > 0 else market.bids)[0][0]
            self._fill(order, best, order["size"] - order["done"], ns, maker=False)
        if asked.get("tif") == "ioc" and self._stands(order):
            self._end(order, ns)

    def _shown(self, order: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in order.items() if name not in ("from", "told")}

    def _find(self, asked: dict[str, Any]) -> dict[str, Any] | None:
        named = (one for one in self.orders.values() if one["name"] == asked["name"])
        found = self.orders.get(asked["id"]) or next(named, None)
        return found if found is not None and self._stands(found) else None

    def _do_cancel(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        order = self._find(asked)
        if order is None:
            self._answer(session, asked, "NO_SUCH")
            return
        young = ns - order["at"] < SECOND
        if not self._charge(order["sym"], 3 if young else 1, ns):
            self._answer(session, asked, "TOO_FAST")
            return
        order["state"] = "gone"
        self._taken(session, asked, order, ns)

    def _do_amend(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        order = self._find(asked)
        if order is None or asked["size"] <= order["done"]:
            self._answer(session, asked, "NO_SUCH")
            return
        if "px" in asked and not self.answers.reprices:
            self._answer(session, asked, "NO_SUCH_KIND")
            return
        if not self.markets[order["sym"]].takes(asked.get("px", order["px"])):
            self._answer(session, asked, "NO_SUCH_PRICE")
            return
        order |= {"size": asked["size"], "px": asked.get("px", order["px"])}
        self._taken(session, asked, order, ns)

    def _do_replace(self, session: Session, asked: dict[str, Any], ns: int) -> None:
        old = self._find({"id": asked["old_id"], "name": asked["old"]})
        if old is None:
            self._answer(session, asked, halves=["NO_SUCH", "SHUT"])
            return
        self._end(old, ns)
        if why := self._unfit(asked):
            self._answer(session, asked, halves=["", why])
            return
        order = self._enter(session, asked, ns)
        self._taken(session, asked, order, ns, halves=["", ""])

    # -- HTTP ----------------------------------------------------------------------------------

    def post(self, headers: dict[str, str], body: bytes, ns: int) -> tuple[int, bytes]:
        """Answer a request; what is not numbered above the last one is refused."""
        asked = json.loads(body)
        resolution = hashlib.sha256(SECRET.encode() + body).hexdigest()
        if headers.get("Proof") != resolution or asked["nonce"] <= self.nonce:
            self.refusals.append("NOT_AFTER_THE_LAST")
            return 200, b'{"why":"NOT_AFTER_THE_LAST"}'
        self.nonce = asked["nonce"]
        return 200, json.dumps(getattr(self, f"_ask_{asked['ask']}")(asked, ns)).encode()

    def _ask_token(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"token": self._new_token()}

    def _ask_time(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"at": ns} if self.answers.tells_time else {"why": "NO_SUCH_KIND"}

    def _ask_instruments(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"symbols": [symbol for symbol in SYMBOLS if symbol not in self.delisted]}

    def _ask_account(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"has": {name: str(atoms) for name, atoms in self.has.items()}, "at": ns}

    def _ask_positions(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"holds": {INVERSE: self._held() - self.liquidated}}

    def _ask_book(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return self._image(self.markets[asked["sym"]], ns)

    def _request_bbos(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        tops = [
            {"sym": one.symbol, "bid": one.bids[0], "ask": one.asks[0]}
            for one in self.markets.values()
        ]
        return {"tops": tops}

    def _ask_price(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        return {"px": self.markets[asked["sym"]].middle // 10}

    def _ask_order(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        found = [
            self._shown(one)
            for one in self.orders.values()
            if asked["id"] == one["id"] or (not asked["id"] and asked["name"] == one["name"])
        ]
        return {"orders": found}

    def _ask_orders(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        first = int(asked["from"] or 0) if self.answers.rising_ids else 0
        found = [self._shown(one) for one in self.orders.values()]
        return {"orders": [one for one in found if not first or int(one["id"]) >= first]}

    def _ask_open(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        standing = [self._shown(one) for one in self.orders.values() if self._stands(one)]
        return {"orders": [one for one in standing if asked["sym"] in ("", one["sym"])]}

    def _ask_cancel(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        order = self._find(asked)
        if order is None:
            self.refusals.append("NO_SUCH")
            return {"why": "NO_SUCH"}
        self._end(order, ns)
        return {"order": self._shown(order)}

    def _ask_fills(self, asked: dict[str, Any], ns: int) -> dict[str, Any]:
        """Pages of what was there when the first was asked for: they overlap, in no order."""
        start, _, count = asked["page"].partition(":")
        first = asked.get("from", 0)
        known = self.fills[: int(count)] if count else list(self.fills)
        found = [one for one in known if asked.get("order", one["order"]) == one["order"]]
        found = [one for one in found if not asked.get("sym") or asked["sym"] == one["sym"]]
        found = [one for one in found if self._place(one) >= first]
        if asked.get("newest"):
            found.reverse()
        if not self.answers.paged:
            return {"fills": found[:1] if asked.get("newest") else found}
        at = int(start or 0)
        page = found[at : at + 3]
        more = f"{at + 2}:{len(known)}" if at + 3 < len(found) else ""
        if not asked.get("newest"):
            self.draw.shuffle(page)
        return {"fills": page, "more": more}

    def _place(self, fill: dict[str, Any]) -> int:
        return int(fill["id"]) if self.answers.rising_ids else int(fill["at"])
