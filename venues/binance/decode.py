"""Frames of the two connections -> events: pure functions of bytes and the run's instruments.

Here lives the choice of a decoder. Anything wrong with a message becomes ``Malformed`` (no legal
message) or ``Drifted`` (legal, but without what we need): see ``venues.kit.messages``.

The first bytes of a frame choose its decoder: the stream's name, the event's type, or the letter
our own request id begins with. A frame that begins otherwise, with other key order or blanks, is
looked through once to find the same key, and then goes the same way. The decoder always reads the
whole frame and takes the instrument from it, never from the name that chose it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from core.model.errors import Drifted, Malformed
from core.model.events import (
    NO_REQUEST,
    AccountReport,
    BalanceLocked,
    BalanceMoved,
    Bbo,
    BookDelta,
    BudgetUse,
    Event,
    Ignored,
    MarketTrade,
    Notice,
    Outcome,
    ReplaceOutcome,
    Reply,
    SessionNotice,
    Side,
    Source,
    Verdict,
)
from core.model.instrument import Instrument
from core.model.units import NS_PER_MS, atoms
from venues.binance import rules, schema, translate, verdicts
from venues.kit.messages import FAILURES, decoder, refuse

MARKET: Final = 0
TRADE: Final = 1

MAX_FRAME: Final = 4 * 1024 * 1024
"""Longest frame that is looked at. The longest legal ones, an answer that cancels 200 orders or a
depth event that changes 10,000 levels, stay below 400 kB."""

MAX_REQUEST_DIGITS: Final = 18
"""Digits of a request id that surely fit an int64."""

BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401

PLACE, CANCEL, REPLACE, AMEND, CANCEL_ALL = "p", "c", "r", "a", "x"
QUERY, LOGON, PRIVATE, SUBSCRIBE = "q", "l", "u", "m"
"""First letters of our request ids: an answer tells by them what it answers."""

_EVENT: Final = b'"event":{"e":"'
_EVENT_BYTES: Final = len(_EVENT)
_REPORT: Final = b"executionReport"
EVENT_WITHIN: Final = 48
"""Bytes from the start in which an event's type begins: after ``{"subscriptionId":65535,``."""

Take = Callable[[bytes, list[Event]], None]
"""Appends the events of one frame."""

_market_frame = decoder(schema.MarketFrame)
_private_frame = decoder(schema.PrivateFrame)
_execution = decoder(schema.ExecutionReportFrame)
_position = decoder(schema.AccountPositionFrame)
_lock = decoder(schema.ExternalLockFrame)
_balance = decoder(schema.BalanceUpdateFrame)
_answer = decoder(schema.Answer)
_order_answer = decoder(schema.OrderAnswer)
_raw_answer = decoder(schema.RawAnswer)
_list_answer = decoder(schema.ListAnswer)
_replace_answer = decoder(schema.ReplaceAnswer)
_amend_answer = decoder(schema.AmendAnswer)
_order = decoder(schema.Order)
_cancelled = decoder(schema.Cancelled)
_halves = decoder(schema.ReplaceHalves)
_error_body = decoder(schema.ErrorBody)
_retry_data = decoder(schema.RetryData)


class Decoder:
    """Decodes both connections; holds nothing but what it learned of the instruments."""

    __slots__ = ("_answers", "_by_symbol", "_private", "_report_head", "_streams")

    def __init__(self) -> None:
        self._by_symbol: dict[str, Instrument] = {}
        self._streams: dict[bytes, Take] = {b"!serverShutdown": _shutdown}
        self._report_head = b'{"subscriptionId":0,' + _EVENT + _REPORT + b'"'
        """What the last report of an order began with: most begin like the one before."""
        self._private: dict[bytes, Take] = {
            _REPORT: self._take_execution,
            b"outboundAccountPosition": _take_position,
            b"balanceUpdate": _take_balance,
            b"externalLockUpdate": _take_lock,
            b"eventStreamTerminated": _take_terminated,
            b"serverShutdown": _shutdown,
        }
        answers: dict[str, Take] = {
            PLACE: self._take_order,
            QUERY: self._take_query,
            CANCEL: self._take_cancel,
            CANCEL_ALL: self._take_cancel_all,
            REPLACE: self._take_replace,
            AMEND: self._take_amend,
            LOGON: _take_answer,
            PRIVATE: _take_answer,
        }
        self._answers = {letter.encode(): take for letter, take in answers.items()}

    @property
    def instruments(self) -> dict[str, Instrument]:
        """The instruments by the venue's symbol."""
        return self._by_symbol

    def learn(self, instruments: Iterable[Instrument]) -> None:
        """Take instruments, new or renewed; their streams are decoded from here on."""
        for instrument in instruments:
            self._by_symbol[instrument.symbol] = instrument
            name = instrument.symbol.lower()
            for suffix, make in _FEEDS.items():
                self._streams[f"{name}@{suffix}".encode()] = make(instrument)

    def decode(self, connection: int, payload: bytes, events: list[Event]) -> None:
        """Append what one frame means. Raises ``Malformed`` or ``Drifted``, nothing else."""
        if len(payload) > MAX_FRAME:
            raise Malformed(f"a message of {len(payload)} bytes is longer than {MAX_FRAME}")
        try:
            if connection == MARKET:
                if payload.startswith(b'{"stream":"'):
                    end = payload.find(b'"', 11)
                    take = self._streams.get(payload[11:end]) if end > 0 else None
                    if take is not None:
                        take(payload, events)
                        return
                self._look_at_market(payload, events)
            else:
                self._trade(payload, events)
        except FAILURES as error:
            refuse(error)

    # -- market connection ---------------------------------------------------------------------

    def _look_at_market(self, payload: bytes, events: list[Event]) -> None:
        frame = _market_frame(payload)
        if frame.stream:
            take = self._streams.get(frame.stream.encode())
            if take is not None:
                take(payload, events)
            else:
                events.append(Ignored(f"stream of kind {frame.stream.partition('@')[2]}"))
        elif frame.event_type == "serverShutdown":
            _shutdown(payload, events)
        elif frame.error is not None:
            _control_failed(frame.id, frame.error.code, frame.error.msg, events)
        elif frame.code is not UNSET:
            _control_failed(frame.id, frame.code, frame.msg, events)
        elif frame.id is not UNSET:
            request = request_number(frame.id)
            events.append(
                Ignored("answer to a request that is not ours")
                if request is None
                else Reply(request_id=request, verdict=Verdict.DONE)
            )
        else:
            raise Drifted("a frame of the market line has no stream, no id and no event type")

    # -- trade connection ----------------------------------------------------------------------

    def _trade(self, payload: bytes, events: list[Event]) -> None:
        if payload.startswith(b'{"id":"'):
            take = self._answers.get(payload[7:8])
        elif payload.startswith(self._report_head):
            self._take_execution(payload, events)
            return
        else:
            at = payload.find(_EVENT, 1, EVENT_WITHIN)
            begin = at + _EVENT_BYTES
            end = payload.find(b'"', begin)
            kind = b"" if at < 0 or end < 0 else payload[begin:end]
            take = self._private.get(kind)
            if kind == _REPORT:
                self._report_head = payload[: end + 1]
        if take is None:
            self._look_at_trade(payload, events)
        else:
            take(payload, events)

    def _look_at_trade(self, payload: bytes, events: list[Event]) -> None:
        frame = _private_frame(payload)
        if frame.event is not UNSET or frame.event_type:
            kind = frame.event_type if frame.event is UNSET else frame.event.event_type
            take = self._private.get(kind.encode())
            if take is None:
                events.append(Ignored(kind))
            else:
                take(payload, events)
        elif frame.id is UNSET:
            raise Drifted("a frame of the trade line has no event and no id")
        elif frame.id is None:
            _take_nameless(payload, events)
        else:
            take = self._answers.get(frame.id[:1].encode()) if isinstance(frame.id, str) else None
            if take is None:
                events.append(Ignored("answer to a request that is not ours"))
            else:
                take(payload, events)

    def _take_execution(self, payload: bytes, events: list[Event]) -> None:
        events.append(translate.execution(_execution(payload).event, self._by_symbol))

    def _take_order(self, payload: bytes, events: list[Event]) -> None:
        answer = _order_answer(payload)
        proved: tuple[Event, ...] = ()
        if answer.result is not UNSET:
            proved = (translate.order(answer.result, self._by_symbol, translate.REPLY),)
        reply = reply_to(answer, proved, has_result=bool(proved))
        if reply.code:
            verdict = verdicts.of_new_order(reply.verdict, reply.code)
            reply = msgspec.structs.replace(reply, verdict=verdict)
        events.append(reply)

    def _take_query(self, payload: bytes, events: list[Event]) -> None:
        answer = _order_answer(payload)
        proved: tuple[Event, ...] = ()
        if answer.result is not UNSET:
            proved = (translate.order(answer.result, self._by_symbol, Source.QUERY),)
        events.append(reply_to(answer, proved, has_result=bool(proved)))

    def _take_cancel(self, payload: bytes, events: list[Event]) -> None:
        answer = _raw_answer(payload)
        done = answer.result
        proved = () if done is UNSET else self.cancelled(done)
        events.append(reply_to(answer, proved, has_result=done is not UNSET))

    def _take_cancel_all(self, payload: bytes, events: list[Event]) -> None:
        answer = _list_answer(payload)
        done = answer.result
        entries = [] if done is UNSET else done
        proved = tuple(event for entry in entries for event in self.cancelled(entry))
        events.append(reply_to(answer, proved, has_result=done is not UNSET))

    def cancelled(self, entry: bytes | Raw) -> tuple[Event, ...]:
        """Return the reports of a cancelled order, or of each order of a cancelled list."""
        reports = _cancelled(entry).order_reports
        orders = [_order(entry)] if reports is UNSET else reports
        return tuple(translate.order(order, self._by_symbol, translate.REPLY) for order in orders)

    def _take_amend(self, payload: bytes, events: list[Event]) -> None:
        answer = _amend_answer(payload)
        proved: tuple[Event, ...] = ()
        if answer.result is not UNSET:
            proved = (translate.amended(answer.result, self._by_symbol),)
        events.append(reply_to(answer, proved, has_result=bool(proved)))

    def _take_replace(self, payload: bytes, events: list[Event]) -> None:
        """Append the answer to a cancel-replace, each half with its own verdict.

        A refusal without halves (filters and limits are looked at before anything is done) holds
        for both of them.
        """
        answer = _replace_answer(payload)
        halves: schema.ReplaceHalves | None = None
        if answer.result is not UNSET:
            halves = answer.result
        elif (
            answer.error is not None
            and answer.error.data is not UNSET
            and answer.error.name in (verdicts.REPLACE_PARTLY_FAILED, verdicts.REPLACE_FAILED)
        ):
            halves = _halves(answer.error.data)
        reply = reply_to(answer, has_result=answer.result is not UNSET)
        if halves is None:
            outcome = ReplaceOutcome(
                cancel=reply.verdict,
                place=verdicts.of_new_order(reply.verdict, reply.code),
                cancel_code=reply.code,
                cancel_text=reply.text,
                place_code=reply.code,
                place_text=reply.text,
            )
            events.append(msgspec.structs.replace(reply, events=(*reply.events, outcome)))
            return
        cancel, cancel_events = self._half(halves.cancel_result, halves.cancel_response)
        place, place_events = self._half(halves.new_order_result, halves.new_order_response)
        verdict = verdicts.of_new_order(place.verdict, place.code)
        outcome = ReplaceOutcome(
            cancel=cancel.verdict,
            place=verdict,
            cancel_code=cancel.code,
            cancel_text=cancel.text,
            place_code=place.code,
            place_text=place.text,
        )
        error = place if place.code else cancel
        events.append(
            msgspec.structs.replace(
                reply,
                verdict=verdict,
                code=error.code or reply.code,
                text=error.text or reply.text,
                events=(outcome, *cancel_events, *place_events),
            )
        )

    def _half(self, result: str, response: Raw) -> tuple[Outcome, tuple[Event, ...]]:
        """Return what became of one half of a cancel-replace, and what it proves."""
        if result == "SUCCESS":
            return Outcome(Verdict.DONE), self.cancelled(response)
        if result == "NOT_ATTEMPTED":
            return Outcome(Verdict.REFUSED), ()
        if result == "FAILURE":
            error = _error_body(response)
            verdict = verdicts.of_code(str(error.code), error.msg)
            return Outcome(verdict, error.name, error.msg), ()
        return Outcome(Verdict.UNKNOWN), ()


# -- feeds -----------------------------------------------------------------------------------


def _bbos(instrument: Instrument) -> Take:
    decode = decoder(schema.BookTickerFrame)
    index, symbol = instrument.index, instrument.symbol
    bids = translate.bids(instrument.tick)
    asks = translate.asks(instrument.tick)
    sizes = translate.sizes(instrument.lot, 0)
    odd = bids.between = asks.between  # one grid

    def take(payload: bytes, events: list[Event]) -> None:
        bbo = decode(payload).data
        if bbo.symbol != symbol:
            raise Drifted(f"the bookTicker stream of {symbol} tells of {bbo.symbol}")
        bid_lots = sizes[bbo.bid_qty]
        ask_lots = sizes[bbo.ask_qty]
        events.append(
            Bbo(
                index,
                bbo.update_id,
                bids[bbo.bid_price] if bid_lots else 0,
                bid_lots,
                asks[bbo.ask_price] if ask_lots else 0,
                ask_lots,
                bbo.bid_price in odd or bbo.ask_price in odd if odd else False,  # nearly never
            )
        )

    return take


def _deltas(instrument: Instrument) -> Take:
    decode = decoder(schema.DepthUpdateFrame)
    index, symbol = instrument.index, instrument.symbol
    prices = translate.prices(instrument.tick)
    sizes = translate.sizes(instrument.lot, 0)

    def take(payload: bytes, events: list[Event]) -> None:
        update = decode(payload).data
        if update.symbol != symbol:
            raise Drifted(f"the depth stream of {symbol} tells of {update.symbol}")
        events.append(
            BookDelta(
                index,
                update.first_update_id,
                update.last_update_id,
                [(tick, sizes[size]) for price, size in update.bids if (tick := prices[price])],
                [(tick, sizes[size]) for price, size in update.asks if (tick := prices[price])],
                update.event_time * NS_PER_MS,
            )
        )

    return take


def _trades(instrument: Instrument) -> Take:
    decode = decoder(schema.TradeFrame)
    index, symbol = instrument.index, instrument.symbol
    prices = translate.prices(instrument.tick)
    sizes = translate.sizes(instrument.lot, 1)
    buy, sell = Side.BUY, Side.SELL

    def take(payload: bytes, events: list[Event]) -> None:
        trade = decode(payload).data
        if trade.symbol != symbol:
            raise Drifted(f"the trade stream of {symbol} tells of {trade.symbol}")
        ticks = prices[trade.price]
        if not ticks:
            events.append(Ignored("trade between two ticks"))
            return
        events.append(
            MarketTrade(
                index,
                str(trade.trade_id),
                ticks,
                sizes[trade.qty],
                sell if trade.buyer_is_maker else buy,
                trade.trade_time * NS_PER_MS,
            )
        )

    return take


_FEEDS: Final[dict[str, Callable[[Instrument], Take]]] = {
    "bookTicker": _bbos,
    "depth@100ms": _deltas,
    "trade": _trades,
}
"""What makes the decoder of each stream, by the stream's suffix."""


# -- the account's own events ----------------------------------------------------------------


def _take_position(payload: bytes, events: list[Event]) -> None:
    position = _position(payload).event
    events.append(
        AccountReport(
            tuple(translate.balance(one.asset, one.free, one.locked) for one in position.balances),
            whole=False,
            can_trade=None,
            venue_ns=position.update_time * NS_PER_MS,
        )
    )


def _take_balance(payload: bytes, events: list[Event]) -> None:
    update = _balance(payload).event
    events.append(BalanceMoved(update.asset, atoms(update.delta), update.clear_time * NS_PER_MS))


def _take_lock(payload: bytes, events: list[Event]) -> None:
    lock = _lock(payload).event
    events.append(BalanceLocked(lock.asset, atoms(lock.delta), lock.transact_time * NS_PER_MS))


def _take_terminated(payload: bytes, events: list[Event]) -> None:
    _private_frame(payload)
    events.append(SessionNotice(Notice.PRIVATE_ENDED, "eventStreamTerminated"))


def _shutdown(payload: bytes, events: list[Event]) -> None:
    _private_frame(payload)
    events.append(SessionNotice(Notice.SHUTDOWN, "serverShutdown"))


# -- answers ---------------------------------------------------------------------------------


def request_number(wire_id: str | int | None) -> int | None:
    """Return the number in one of our request ids, ``None`` for anybody else's."""
    if not isinstance(wire_id, str):
        return None
    digits = wire_id[1:]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= MAX_REQUEST_DIGITS):
        return None
    return int(digits)


_LIMIT_NAMES: Final[dict[tuple[str, str, int], str]] = {
    ("REQUEST_WEIGHT", "MINUTE", 1): rules.WEIGHT,
    ("ORDERS", "SECOND", 10): rules.ORDERS_10S,
    ("ORDERS", "DAY", 1): rules.ORDERS_1D,
    ("RAW_REQUESTS", "MINUTE", 5): rules.RAW,
}


def _budgets(rates: list[schema.RateLimit]) -> tuple[BudgetUse, ...]:
    return tuple(
        [
            BudgetUse(
                _LIMIT_NAMES.get((rate.rate_limit_type, rate.interval, rate.interval_num))
                or rules.limit_name(rate.rate_limit_type, rate.interval, rate.interval_num),
                rate.count,
            )
            for rate in rates
        ]
    )


def failure(
    request: int,
    status: int,
    error: schema.ErrorBody | None,
    budgets: tuple[BudgetUse, ...],
    retry_ns: int = 0,
    said_ns: int = 0,
) -> Reply:
    """Return what a failed request's answer means.

    ``retry_ns`` is what the transport says of when to come back; the error's own word is first.
    ``said_ns`` is the venue's time of the answer, 0 where that is not told.
    """
    if error is None:
        verdict = verdicts.of_error(status, None, "")
        return Reply(
            request_id=request,
            verdict=verdict,
            retry_ns=retry_ns,
            said_ns=said_ns,
            budgets=budgets,
        )
    if error.data is not UNSET:
        retry_ns = _retry_at_ns(error.data) or retry_ns
    verdict = verdicts.of_error(status, str(error.code), error.msg)
    banned_ns = _banned_until_ns(error.msg)
    if banned_ns and verdict is Verdict.THROTTLED:
        verdict = Verdict.BANNED  # whatever the status: not even a cancel would be taken
    retry_ns = max(retry_ns, banned_ns)
    clock_off = error.name == verdicts.CLOCK_CODE
    return Reply(
        request_id=request,
        verdict=verdict,
        code=error.name,
        text=error.msg,
        retry_ns=retry_ns,
        said_ns=said_ns,
        events=(SessionNotice(Notice.CLOCK_OFF, error.msg),) if clock_off else (),
        budgets=budgets,
    )


_BANNED_UNTIL: Final = re.compile(r"banned until (\d{13})\b", re.ASCII)
"""Where the text of a ban names its end, in milliseconds: at times nothing else does."""


def _banned_until_ns(text: str) -> int:
    """Return the end of a ban that its text names, 0 where it names none."""
    found = _BANNED_UNTIL.search(text)
    return int(found[1]) * NS_PER_MS if found else 0


def _retry_at_ns(data: Raw) -> int:
    """Return ``retryAfter`` of an error's data, 0 where there is none or data is no object."""
    try:
        return _retry_data(data).retry_after * NS_PER_MS
    except msgspec.ValidationError:
        return 0


def reply_to(answer: schema.Answer, proved: tuple[Event, ...] = (), *, has_result: bool) -> Reply:
    """Return the reply of an answer; ``Drifted`` for one that is to nobody's request."""
    request = request_number(answer.id)
    if request is None:
        raise Drifted(f"answer to {answer.id!r}, which is no request id of ours")
    budgets = _budgets(answer.rate_limits)
    if answer.error is not None or answer.status != verdicts.OK:
        return failure(request, answer.status, answer.error, budgets)
    if not has_result:
        raise Drifted(f"answer to {answer.id!r} has neither result nor error")
    return Reply(request_id=request, verdict=verdicts.DONE, events=proved, budgets=budgets)


def _take_answer(payload: bytes, events: list[Event]) -> None:
    """Append the answer to a request whose result tells nothing more."""
    events.append(reply_to(_answer(payload), has_result=True))


def _take_nameless(payload: bytes, events: list[Event]) -> None:
    """Append what an answer with ``"id": null`` means: it is about the connection.

    401 comes when the session's key was revoked; anything else is an error the venue could not
    match with a request, and its verdict holds for the connection.
    """
    answer = _answer(payload)
    text = answer.error.msg if answer.error is not None else ""
    if answer.status == UNAUTHORIZED:
        events.append(SessionNotice(Notice.LOGGED_OUT, text))
    else:
        budgets = _budgets(answer.rate_limits)
        events.append(failure(NO_REQUEST, answer.status, answer.error, budgets))


def _control_failed(
    wire_id: str | int | msgspec.UnsetType | None, code: int, text: str, events: list[Event]
) -> None:
    """Append the refusal of a control message of the market connection, which states no status."""
    request = None if wire_id is UNSET else request_number(wire_id)
    number = NO_REQUEST if request is None else request
    events.append(failure(number, BAD_REQUEST, schema.ErrorBody(code, text), ()))
