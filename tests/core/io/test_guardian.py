"""The guardian against the built-in exchange, without sockets, on a clock that jumps.

The trading process is dead from the beginning; what is asked is what becomes of its orders.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from core.io import guardian
from core.io.guardian import (
    BEAT,
    BEAT_S,
    CLEAN_LISTS,
    GIVE_UP_NS,
    LEFT,
    LOG,
    REQUEST_S,
    RUN_LOG,
    SKEW_NS,
    WATCH_S,
    Charge,
    Guardian,
    GuardianLog,
    Lifeline,
    parent_pidfd,
)
from core.model.commands import Command, FetchOpenOrders
from core.model.errors import Untrusted
from core.model.events import Costs
from core.model.units import NS_PER_MS, NS_PER_S
from core.model.venue import (
    Capabilities,
    Credentials,
    HttpAnswer,
    HttpRequest,
    Stream,
    Subscription,
)
from venues.binance import VENUE
from venues.binance.adapter import EXECUTION_NS, SpotAdapter
from venues.sim.binance.exchange import LIMITS, Limits
from venues.sim.binance.limits import Limit
from venues.sim.binance.rest import respond
from venues.sim.binance.venue import Venue as Exchange
from venues.sim.fixed import ONE
from venues.sim.http import HttpRequest as SimRequest

START_NS = 1_767_225_600_500_000_000
SCOPE = "habcdef-"
RECV_WINDOW_MS = 5_000
ROUND_TRIP_S = 0.02
EXPIRED_S = (RECV_WINDOW_MS * NS_PER_MS + EXECUTION_NS + SKEW_NS) / NS_PER_S

KEYS = {"api_key": "fake-key", "api_secret": "fake-secret"}

CHARGE = Charge(
    pid=4711,
    folder="runs/first",
    scope=SCOPE,
    lock=SCOPE,
    venue="binance",
    subscription=Subscription(
        symbols=("BTCUSDT", "ETHUSDT"),
        streams=(Stream.BBO, Stream.DEPTH, Stream.TRADES),
        rest_url="",
        urls={"stream": "ws://localhost", "ws_api": "ws://localhost/ws-api/v3"},
        session_logon=False,
        request_expiry_ms=RECV_WINDOW_MS,
    ),
    ca_file=None,
    stacks="",
    hang_timeout_s=2.0,
    keys=Credentials(KEYS),
)

PRICES = {"BTCUSDT": "60000.00", "ETHUSDT": "3000.00", "BNBUSDT": "580.00"}
"""Of resting bids, near enough to the market for the exchange to take them."""

Fault = Callable[[HttpRequest], HttpAnswer | None]


class World:
    """An exchange a round trip away, and all that the guardian notes."""

    def __init__(
        self, clock: MockClock, adapter: SpotAdapter | None = None, limits: Limits = LIMITS
    ) -> None:
        self._clock = clock
        self._began_s = clock.current_time()
        self.exchange = Exchange(START_NS, rate=0, limits=limits)
        inside = self.exchange.exchange
        self.account = inside.engine.open_account({"USDT": 10**8 * ONE, "BTC": 100 * ONE})
        inside.add_hmac_key(KEYS["api_key"], KEYS["api_secret"], self.account)
        self.signer = VENUE.signer(CHARGE.keys)
        self.ahead_ns = 0
        self.asked: list[tuple[float, str, str]] = []
        self.statuses: set[int] = set()
        self.placed = 0
        self.notes: list[dict[str, Any]] = []
        self.fault: Fault = lambda _: None
        self.new_run = False
        self.guardian = Guardian(
            CHARGE,
            adapter or SpotAdapter(CHARGE.subscription),
            ask=self.ask,
            now_ns=self.now_ns,
            note=self.note,
            taken_over=lambda: self.new_run,
        )

    @property
    def now_s(self) -> float:
        """Seconds since the world began."""
        return self._clock.current_time() - self._began_s

    def now_ns(self) -> int:
        return START_NS + round(self.now_s * NS_PER_S)

    def note(self, action: str, **details: Any) -> None:
        json.dumps(details)
        self.notes.append({"action": action, **details})

    def noted(self, action: str) -> list[dict[str, Any]]:
        return [note for note in self.notes if note["action"] == action]

    async def ask(self, request: HttpRequest) -> HttpAnswer:
        self.asked.append((self.now_s, request.method, request.path))
        await trio.sleep(ROUND_TRIP_S)
        answer = self.fault(request) or self.respond(request)
        self.statuses.add(answer.status)
        return answer

    def respond(self, request: HttpRequest) -> HttpAnswer:
        signed = request.leaving(self.signer, self.now_ns())
        path, _, query = signed.target.partition("?")
        headers = {name.lower(): value for name, value in signed.headers.items()}
        there_ns = self.now_ns() + self.ahead_ns
        reply = respond(
            self.exchange.exchange,
            SimRequest(request.method, path, query, headers=headers),
            there_ns,
        )
        self.exchange.advance(there_ns)
        told = {name.lower(): value for name, value in reply.headers.items()}
        return HttpAnswer(reply.status, told, reply.body)

    def place(self, name: str, symbol: str = "BTCUSDT") -> None:
        """Let an order rest far from any market, in whoever's name."""
        query = (
            f"symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
            f"&price={PRICES[symbol]}"
            f"&newClientOrderId={name}&timestamp={(self.now_ns() + self.ahead_ns) // NS_PER_MS}"
        )
        assert self.respond(HttpRequest("POST", "/api/v3/order", query, signed=True)).status == 200

    def open(self) -> list[str]:
        return sorted(
            order.client_id
            for symbol in PRICES
            for order in self.exchange.exchange.engine.file(self.account, symbol).open.values()
        )

    async def clear(self, *, within_s: float = 60.0) -> bool:
        with trio.fail_after(within_s):
            return await self.guardian.clear(self.now_ns())


@pytest.fixture
def world(autojump_clock: MockClock) -> World:
    return World(autojump_clock)


def refusal(status: int, code: int = 0, text: str = "", **headers: str) -> HttpAnswer:
    body = b"<html>" if not code else json.dumps({"code": code, "msg": text}).encode()
    return HttpAnswer(status, {name.replace("_", "-"): v for name, v in headers.items()}, body)


def nothing() -> HttpAnswer:
    return HttpAnswer(0, {}, b"connection refused")


def first(times: int, path: str, answer: Callable[[], HttpAnswer]) -> Fault:
    """Return a fault of the first so many requests for a path."""
    left = [times]

    def fault(request: HttpRequest) -> HttpAnswer | None:
        if request.path.endswith(path) and left[0]:
            left[0] -= 1
            return answer()
        return None

    return fault


# -- cancelling ------------------------------------------------------------------------------


async def test_own_orders_of_every_boot_and_symbol_go_within_two_seconds(
    world: World, autojump_clock: MockClock
) -> None:
    for name in ("1-1", "1-2", "17-30"):
        world.place(SCOPE + name)
    world.place(SCOPE + "17-31", "ETHUSDT")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.clear)
        await trio.sleep(0.2)
        assert world.open() == []
        assert not world.noted("proved")
    cancelled = {note["order"]: note for note in world.noted("cancel")}
    assert set(cancelled) == {SCOPE + name for name in ("1-1", "1-2", "17-30", "17-31")}
    assert {note["result"] for note in cancelled.values()} == {"done"}
    assert cancelled[SCOPE + "17-31"]["symbol"] == "ETHUSDT"
    assert world.notes[-1]["action"] == "proved"


async def test_orders_of_others_are_never_touched(world: World, autojump_clock: MockClock) -> None:
    others = ["somebody", "habcde", "habcdef", "xhabcdef-1-1", "HABCDEF-1-1", "habcdeg-1-1"]
    for name in others:
        world.place(name)
    world.place(SCOPE + "1-1")
    assert await world.clear()
    assert world.open() == sorted(others)
    assert [note["order"] for note in world.noted("cancel")] == [SCOPE + "1-1"]
    assert world.noted("listed")[0] == {"action": "listed", "ours": 1, "open": 7}


async def test_a_proof_is_two_empty_lists_after_the_last_request_expired(
    world: World, autojump_clock: MockClock
) -> None:
    assert await world.clear()
    lists = [at for at, _, path in world.asked if path.endswith("openOrders")]
    after = [at for at in lists if at >= EXPIRED_S - ROUND_TRIP_S - WATCH_S]
    assert world.now_s >= EXPIRED_S
    assert len([at for at in lists if at + ROUND_TRIP_S >= EXPIRED_S]) == CLEAN_LISTS
    assert after
    assert world.noted("proved")[0]["after_ms"] >= EXPIRED_S * 1000


async def test_an_order_that_is_accepted_late_goes_too(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")

    async def accept_late() -> None:
        for late_s, name in ((1.3, "1-2"), (4.9, "1-3")):
            await trio.sleep(late_s - world.now_s)
            world.place(SCOPE + name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept_late)
        assert await world.clear()
    assert world.open() == []
    assert [note["order"] for note in world.noted("cancel")] == [
        SCOPE + name for name in ("1-1", "1-2", "1-3")
    ]


async def test_an_order_that_appears_between_two_empty_lists_breaks_the_proof(
    world: World,
    autojump_clock: MockClock,
) -> None:
    seen = [0]

    def late(request: HttpRequest) -> HttpAnswer | None:
        if request.path.endswith("openOrders") and world.now_s >= EXPIRED_S:
            seen[0] += 1
            if seen[0] == 2:  # the second look
                world.place(SCOPE + "9-9")
        return None

    world.fault = late
    assert await world.clear()
    assert world.open() == []
    assert seen[0] >= 4


async def test_an_order_of_an_unknown_condition_is_cancelled_by_our_own_name_for_it(
    world: World,
    autojump_clock: MockClock,
) -> None:
    world.place(SCOPE + "1-1")

    def odd(request: HttpRequest) -> HttpAnswer | None:
        answer = world.respond(request)
        if not request.path.endswith("openOrders"):
            return answer
        return HttpAnswer(200, {}, answer.body.replace(b'"NEW"', b'"ODD"'))

    world.fault = odd
    assert await world.clear()
    assert world.open() == []
    assert world.noted("cancel")[0]["venue_order"] == ""


# -- trouble ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        nothing,
        lambda: refusal(503),
        lambda: refusal(502, -1000, "unknown"),
        lambda: refusal(400, -1007, "timeout"),
        lambda: HttpAnswer(200, {}, b"[{}]"),
        lambda: HttpAnswer(200, {}, b"nonsense"),
    ],
)
@pytest.mark.parametrize("path", ["time", "exchangeInfo", "openOrders", "order"])
async def test_what_was_not_answered_is_asked_again(
    world: World, autojump_clock: MockClock, path: str, answer: Callable[[], HttpAnswer]
) -> None:
    world.place(SCOPE + "1-1")
    world.place("somebody")
    world.fault = first(3, path, answer)
    assert await world.clear()
    assert world.open() == ["somebody"]
    assert world.noted("trouble")


async def test_a_cancel_whose_answer_is_lost_is_settled_by_the_next_list(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")
    lost = first(1, "order", nothing)

    def done_but_lost(request: HttpRequest) -> HttpAnswer | None:
        found = lost(request)
        if found:
            world.respond(request)
        return found

    world.fault = done_but_lost
    assert await world.clear()
    assert [note["result"] for note in world.noted("cancel")] == ["no answer"]


@pytest.mark.parametrize(
    ("answer", "most"),
    [(nothing, 30), (lambda: refusal(400, -2011, "Unknown order sent."), 500)],
    ids=["no answer", "refused"],
)
async def test_an_order_that_stays_whatever_is_sent_is_not_hammered(
    world: World, autojump_clock: MockClock, answer: Callable[[], HttpAnswer], most: int
) -> None:
    world.place(SCOPE + "1-1")
    world.fault = lambda request: answer() if request.method == "DELETE" else None
    with trio.move_on_after(60):
        await world.clear(within_s=120)
    assert world.open() == [SCOPE + "1-1"]
    assert not world.noted("proved")
    assert 10 < len(world.noted("cancel")) < most


async def test_a_cancel_that_comes_too_late_is_no_trouble(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")

    def gone_already(request: HttpRequest) -> HttpAnswer | None:
        if request.method == "DELETE":
            world.respond(request)
        return None

    world.fault = gone_already
    assert await world.clear()
    assert world.noted("cancel")[0]["code"] == "-2011"
    assert not world.noted("trouble")


async def test_a_missing_list_proves_nothing(world: World, autojump_clock: MockClock) -> None:
    until_s = EXPIRED_S + 3

    def missing(request: HttpRequest) -> HttpAnswer | None:
        lost = request.path.endswith("openOrders") and world.now_s < until_s
        return nothing() if lost else None

    world.fault = missing
    assert await world.clear()
    assert world.now_s > until_s


async def test_an_untrusted_peer_is_told_nothing_and_tried_again(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")
    tries = [0]

    def untrusted(request: HttpRequest) -> HttpAnswer | None:
        tries[0] += 1
        if tries[0] < 4:
            raise Untrusted("the certificate does not prove who answers")
        return None

    world.fault = untrusted
    assert await world.clear()
    assert world.open() == []


@pytest.mark.parametrize(("status", "code"), [(429, -1003), (418, -1003)])
async def test_a_stated_silence_is_kept(
    world: World, autojump_clock: MockClock, status: int, code: int
) -> None:
    world.place(SCOPE + "1-1")
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    world.fault = first(
        1, "openOrders", lambda: refusal(status, code, "slow", retry_after="30", date=date)
    )
    assert await world.clear(within_s=120)
    assert world.open() == []
    asked = [at for at, _, _ in world.asked]
    assert not [at for at in asked if 0.2 < at < 30]


@pytest.mark.parametrize("ahead_s", [-3_600, 3_600])
async def test_a_silence_before_the_venues_time_is_known_is_as_long_as_it_is_said_to_be(
    world: World, autojump_clock: MockClock, ahead_s: int
) -> None:
    """Its end is dated by a clock that is an hour off ours: cancels waited for all of that hour."""
    world.ahead_ns = ahead_s * NS_PER_S
    world.place(SCOPE + "1-1")
    date = formatdate((START_NS + world.ahead_ns) / NS_PER_S, usegmt=True)
    world.fault = first(1, "time", lambda: refusal(429, -1003, "slow", retry_after="30", date=date))
    assert await world.clear(within_s=120)
    assert world.open() == []
    assert not [at for at, _, _ in world.asked if 0.2 < at < 30]


async def test_too_many_requests_without_a_time_is_a_pause_not_a_hammer(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")
    world.fault = first(1, "openOrders", lambda: refusal(429))
    assert await world.clear()
    asked = [at for at, _, _ in world.asked]
    assert not [at for at in asked if 0.2 < at < 9]


async def test_a_clock_that_went_off_is_measured_anew(
    world: World, autojump_clock: MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.guardian.keep_ready)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    world.ahead_ns = 3_600 * NS_PER_S
    world.place(SCOPE + "1-1")
    began_s = world.now_s
    assert await world.clear()
    assert world.open() == []
    assert any("-1021" in note["why"] for note in world.noted("trouble"))
    cancelled = [at for at, method, _ in world.asked if method == "DELETE"]
    assert cancelled[0] - began_s < 1


async def test_the_venues_limits_are_kept(autojump_clock: MockClock) -> None:
    """A look costs 80: with 200 a minute the last ones wait, and none is refused by the venue."""
    few = dataclasses.replace(LIMITS, weight=Limit("REQUEST_WEIGHT", "MINUTE", 1, 200))
    world = World(autojump_clock, limits=few)
    for number in range(20):
        world.place(f"{SCOPE}1-{number}")
    assert await world.clear(within_s=300)
    assert world.open() == []
    assert world.statuses == {200}
    assert world.noted("trouble")[0]["why"].endswith("leaves no token for it")


async def test_a_dead_venue_is_given_up_in_the_end_and_the_log_says_to_look(
    world: World,
    autojump_clock: MockClock,
) -> None:
    world.fault = lambda _: nothing()
    assert not await world.clear(within_s=2 * GIVE_UP_NS / NS_PER_S)
    assert GIVE_UP_NS / NS_PER_S <= world.now_s < GIVE_UP_NS / NS_PER_S + 10
    assert "LOOK AT THE VENUE" in world.notes[-1]["why"]
    assert len(world.asked) < 250
    assert len(world.noted("trouble")) == 1


async def test_a_ban_is_waited_out_before_giving_up(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "1-1")
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    ban_s = 2 * GIVE_UP_NS // NS_PER_S
    world.fault = first(
        1, "openOrders", lambda: refusal(418, -1003, "no", retry_after=str(ban_s), date=date)
    )
    assert await world.clear(within_s=2 * ban_s)
    assert world.open() == []


# -- a new run -------------------------------------------------------------------------------


async def test_once_a_new_run_is_there_nothing_more_is_cancelled(
    world: World, autojump_clock: MockClock
) -> None:
    world.place(SCOPE + "2-1")
    world.new_run = True
    assert not await world.clear()
    assert world.open() == [SCOPE + "2-1"]
    assert world.notes[-1]["action"] == "taken_over"


async def test_a_new_run_is_looked_for_after_the_list_and_before_the_cancels(
    world: World,
    autojump_clock: MockClock,
) -> None:
    """What the list shows was placed before the look at the lock: so by no new run."""

    def start_after_list(request: HttpRequest) -> HttpAnswer | None:
        answer = world.respond(request)
        if request.path.endswith("openOrders"):
            world.new_run = True
            world.placed += 1
            world.place(f"{SCOPE}2-{world.placed}")
        return answer

    world.fault = start_after_list
    assert not await world.clear()
    assert not [path for _, method, path in world.asked if method == "DELETE"]


# -- many symbols ----------------------------------------------------------------------------


class ManySymbols(SpotAdapter):
    """Prices the lists as a run of many symbols would see them."""

    __slots__ = ()

    def cost(self, command: Command, resting_ns: int = 0) -> Costs:
        if isinstance(command, FetchOpenOrders) and command.instrument >= 0:
            return (("weight_1m", 50),)
        return super().cost(command)


async def test_where_one_list_of_all_is_cheaper_it_is_taken(autojump_clock: MockClock) -> None:
    world = World(autojump_clock, ManySymbols(CHARGE.subscription))
    world.place(SCOPE + "1-1")
    world.place(SCOPE + "1-2", "ETHUSDT")
    world.place("somebody", "BNBUSDT")
    assert await world.clear()
    assert world.open() == ["somebody"]


async def test_an_own_order_on_a_symbol_of_an_earlier_configuration_is_no_proof(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, ManySymbols(CHARGE.subscription))
    world.place(SCOPE + "1-1", "BNBUSDT")
    assert not await world.clear(within_s=2 * GIVE_UP_NS / NS_PER_S)
    assert world.noted("cannot_cancel")[0]["order"] == SCOPE + "1-1"
    assert world.notes[-1]["action"] == "gave_up"
    assert len(world.asked) < 250


# -- before a death --------------------------------------------------------------------------


async def test_it_makes_sure_that_it_could_cancel_and_keeps_the_clock(
    world: World, autojump_clock: MockClock
) -> None:
    world.ahead_ns = 50 * NS_PER_MS
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.guardian.keep_ready)
        await trio.sleep(1_500)
        nursery.cancel_scope.cancel()
    assert [note["action"] for note in world.notes] == ["ready"]
    assert world.notes[0]["clock_offset_ms"] == pytest.approx(50 + 1e3 * ROUND_TRIP_S / 2, abs=1.1)
    paths = [path.rpartition("/")[2] for _, _, path in world.asked]
    assert paths == ["time", "exchangeInfo", "openOrders", *["time", "openOrders"] * 2]


async def test_a_key_that_is_not_accepted_is_said_before_it_is_needed(
    world: World, autojump_clock: MockClock
) -> None:
    world.fault = first(2, "openOrders", lambda: refusal(401, -2015, "Invalid API-key"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.guardian.keep_ready)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert [note["action"] for note in world.notes] == ["trouble", "ready"]
    assert "Invalid API-key" in world.notes[0]["why"]


def test_a_charge_shows_no_secret() -> None:
    for value in KEYS.values():
        assert value not in repr(CHARGE) + repr(CHARGE.keys)


def test_one_lost_answer_leaves_time_for_another_within_two_seconds() -> None:
    assert REQUEST_S < 2


# -- the trading process ---------------------------------------------------------------------


@pytest.fixture
def pipe() -> Any:
    ours, theirs = os.pipe()
    ends = {"ours": ours, "theirs": theirs}
    yield ends
    if ends["theirs"] >= 0:
        os.close(ends["theirs"])


async def end_of(pipe: dict[str, int], pidfd: int, then: Callable[[], object]) -> bool:
    lifeline = Lifeline(pipe["ours"], pidfd)
    ended: list[bool] = []

    async def listen() -> None:
        ended.append(await lifeline.end())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await trio.testing.wait_all_tasks_blocked()
            then()
    return ended[0]


def close(pipe: dict[str, int]) -> None:
    os.close(pipe["theirs"])
    pipe["theirs"] = -1


async def test_the_last_word_is_a_good_end(pipe: dict[str, int]) -> None:
    assert await end_of(pipe, -1, lambda: os.write(pipe["theirs"], b"left\n"))


async def test_an_end_without_a_word_is_a_death(pipe: dict[str, int]) -> None:
    assert not await end_of(pipe, -1, lambda: close(pipe))


async def test_half_a_word_is_none(pipe: dict[str, int]) -> None:
    def half() -> None:
        os.write(pipe["theirs"], b"lef")
        close(pipe)

    assert not await end_of(pipe, -1, half)


def a_process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


@pytest.mark.parametrize("word", [b"", b"left\n"])
async def test_a_child_that_holds_the_pipe_hides_no_death(
    pipe: dict[str, int], word: bytes
) -> None:
    with a_process() as process:
        pidfd = os.pidfd_open(process.pid)

        def die() -> None:
            os.write(pipe["theirs"], word)
            process.kill()

        assert await end_of(pipe, pidfd, die) is bool(word)
        os.close(pidfd)


def test_only_our_own_parent_is_watched() -> None:
    pidfd = parent_pidfd(os.getppid())
    assert pidfd >= 0
    os.close(pidfd)
    assert parent_pidfd(os.getpid()) == -1
    assert parent_pidfd(2**22 + 1) == -1


# -- a trading process that hangs ------------------------------------------------------------


async def test_a_process_that_beats_is_not_silent_and_one_that_does_not_is(
    pipe: dict[str, int], autojump_clock: MockClock
) -> None:
    lifeline = Lifeline(pipe["ours"], -1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifeline.end)
        with trio.move_on_after(10) as patience:
            async with trio.open_nursery() as beating:

                async def beat() -> None:
                    while True:
                        os.write(pipe["theirs"], BEAT)
                        await trio.sleep(1.9)

                beating.start_soon(beat)
                await lifeline.silence(2)
                beating.cancel_scope.cancel()
        assert patience.cancelled_caught
        began_s = trio.current_time()
        await lifeline.silence(2)
        assert 2 <= trio.current_time() - began_s < 2.1
        nursery.cancel_scope.cancel()


async def test_a_beat_after_a_silence_is_heard(pipe: dict[str, int]) -> None:
    lifeline = Lifeline(pipe["ours"], -1)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lifeline.end)
            nursery.start_soon(lifeline.beat)
            await trio.testing.wait_all_tasks_blocked()
            os.write(pipe["theirs"], BEAT)
            await trio.testing.wait_all_tasks_blocked()
            assert len(nursery.child_tasks) == 1
            nursery.cancel_scope.cancel()


async def test_who_was_stopped_himself_takes_nobody_for_silent(
    pipe: dict[str, int], mock_clock: MockClock
) -> None:
    lifeline = Lifeline(pipe["ours"], -1)
    silent = trio.Event()

    async def watch() -> None:
        await lifeline.silence(2)
        silent.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(10)
        await trio.testing.wait_all_tasks_blocked()
        assert not silent.is_set()
        for _ in range(9):
            mock_clock.jump(BEAT_S)
            await trio.testing.wait_all_tasks_blocked()
        assert silent.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_that_the_trading_process_got_is_known(
    pipe: dict[str, int], number: signal.Signals
) -> None:
    lifeline = Lifeline(pipe["ours"], -1)
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lifeline.end)
            os.write(pipe["theirs"], BEAT + bytes([number]) + BEAT)
            await lifeline.told.wait()
            nursery.cancel_scope.cancel()


async def test_a_last_word_between_beats_is_a_good_end(pipe: dict[str, int]) -> None:
    assert await end_of(pipe, -1, lambda: os.write(pipe["theirs"], BEAT * 3 + LEFT))


# -- the log ---------------------------------------------------------------------------------


def test_a_note_is_a_line_of_json_in_the_run_folder_and_for_the_trading_process(
    tmp_path: Path,
) -> None:
    heard, told = os.pipe()
    log = GuardianLog(tmp_path, lambda: START_NS, told)
    log.note("cancel", order="x", result="done")
    line = os.read(heard, 1000)
    os.close(heard)
    log.note("died")
    log.speak_for_the_run("it hangs")
    log.close()
    os.close(told)
    first, second = (tmp_path / LOG).read_bytes().splitlines(keepends=True)
    assert first == line
    assert json.loads(line) == {
        "time": "2026-01-01T00:00:00.500000Z",
        "action": "cancel",
        "order": "x",
        "result": "done",
    }
    assert b"died" in second
    assert (tmp_path / LOG).stat().st_mode & 0o777 == 0o600
    said = (tmp_path / RUN_LOG).read_text()
    assert said == "2026-01-01T00:00:00.500000Z guardian: it hangs\n"


def test_a_note_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = GuardianLog(tmp_path, lambda: START_NS, os.open(os.devnull, os.O_WRONLY))

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.note("cancel")
    log.close()


def test_a_trading_process_that_does_not_read_stops_nothing(tmp_path: Path) -> None:
    _, told = os.pipe()
    log = GuardianLog(tmp_path, lambda: START_NS, told)
    for _ in range(100):
        log.note("trouble", why="x" * 2_000)
    log.close()
    assert (tmp_path / LOG).read_bytes().count(b"\n") == 100


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_a_log_that_is_no_file_stops_nothing(tmp_path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / LOG)
    else:
        (tmp_path / LOG).mkdir()
    log = GuardianLog(tmp_path, lambda: START_NS, os.open(os.devnull, os.O_WRONLY))
    log.note("cancel")
    log.close()
    assert not log.writing


def test_the_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guardian, "MAX_LOG_BYTES", 1_000)
    log = GuardianLog(tmp_path, lambda: START_NS, os.open(os.devnull, os.O_WRONLY))
    for number in range(100):
        log.note("trouble", why=str(number))
    log.close()
    logs = sorted(path.name for path in tmp_path.iterdir())
    assert set(logs) <= {LOG, f"{LOG}.1"}
    assert f"{LOG}.1" in logs
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_200


# -- requests that never expire ----------------------------------------------------------------


class Patient(SpotAdapter):
    """Takes what was on its way however late it comes."""

    __slots__ = ()

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, request_expiry_ns=None)


async def test_where_requests_never_expire_orders_are_cancelled_and_nothing_is_proved(
    autojump_clock: MockClock,
) -> None:
    world = World(autojump_clock, Patient(CHARGE.subscription))
    world.place(SCOPE + "1-1")
    assert not await world.clear(within_s=2 * GIVE_UP_NS / NS_PER_S)
    assert world.open() == []
    assert world.notes[-1]["action"] == "gave_up"
