"""The venue's budgets, spent on our side before the venue has to refuse.

Here lives which limits a command is charged to, of the account, its instrument or its connection,
and who may spend how much of each; the counts are ``core.state.meters``. A limit that cancels cost
too is shared out: whatever orders and questions did, there is a token left
to take an order out, and a few before that to prove that nothing is left. What a command costs is
the venue's knowledge (``Adapter.cost``); our own order rate is risk's; waiting is nobody's: a
command that finds no token is refused at once.

We count what leaves, and the venue's own count wins in both directions, less what is still on its
way to it: a refused or filled order may cost nothing, and others may spend what is ours.

Times are venue time (our clock plus the measured offset), because the windows are aligned to the
venue's wall clock. Offset and latency are never known exactly, so what is sent within ``GUARD_NS``
of a window's edge counts in both windows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from core.model.errors import Misuse
from core.model.events import FRAMES, NO_INSTRUMENT, BudgetUse, Costs, Limit, Rule, Scope
from core.model.units import NS_PER_S
from core.state.meters import GUARD_NS as GUARD_NS
from core.state.meters import METERS, Meter, Window
from core.state.meters import Share as Share

COOL_DOWN_NS = 60 * NS_PER_S
"""Back-off where the venue states no time: a window of those that count by the minute, so that it
is fresh after."""

LONGEST_NS = 4 * 86_400 * NS_PER_S
"""How far ahead the end of a ban or a back-off is believed: bans last three days at most. A number
gone wrong states no time: it would keep us from cancelling for that long."""

MOST_TIMES = 10
"""How many times its limit a count may be: who has spent more is banned long since. A number gone
wrong would keep us from cancelling until its window ends, and where nothing is sent no other number
comes."""

NEVER_NS = 1 << 62
"""Later than any time."""

CANCELS_NS = 5 * NS_PER_S
"""How long cancels wait once the venue has throttled one: they are not taken for now, and who goes
on asking is banned, when nothing can be cancelled at all. As long as an order's own back-off."""

LEAST_NS = 5 * NS_PER_S
"""Shortest back-off and ban: one that would be over already says that the clocks differ or that its
answer was slow, and who asks again at once is banned, or for longer. As long as cancels wait."""

BAN_NS = 600 * NS_PER_S
"""Silence where the venue states no end of a ban: bans begin at 2 minutes and every request
during one makes it longer."""


_QUESTION = Share.QUESTION
_CANCEL = Share.CANCEL


def _may_ask(charged: Sequence[tuple[Window, int]]) -> bool:
    """Count a question where the questions' own part of every limit has room for it."""
    if any(window.asked + tokens > window.most_requested for window, tokens in charged):
        return False
    for window, tokens in charged:
        window.asked += tokens
    return True


class Silence:
    """How long nothing is sent: what the venue has said of it, and what we reckon.

    The venue dates the end by its own clock. What we reckon, for want of that or because it would
    be over already, is from now on, whatever that clock says.
    """

    __slots__ = ("_dated_ns", "_reckoned_ns")

    def __init__(self) -> None:
        self._dated_ns = self._reckoned_ns = 0

    def keep(self, dated_ns: int, usual_ns: int, now_ns: int, said_ns: int) -> None:
        """Keep silence until ``dated_ns``, for ``usual_ns`` where that is 0.

        ``said_ns`` is the venue's time when it said so where its clock is not known otherwise: no
        date can be held against ours then, but how long it is until then is known.
        """
        if dated_ns > (said_ns or now_ns) + LONGEST_NS:
            dated_ns = 0
        for_ns = LEAST_NS if dated_ns else usual_ns
        if dated_ns and said_ns:
            dated_ns, for_ns = 0, max(dated_ns - said_ns, LEAST_NS)
        self._dated_ns = max(self._dated_ns, dated_ns)
        self._reckoned_ns = max(self._reckoned_ns, now_ns + for_ns)

    def moved(self, by_ns: int) -> None:
        """The venue's clock was measured anew, and is so much later than we had thought."""
        if self._reckoned_ns:
            self._reckoned_ns += by_ns

    @property
    def until_ns(self) -> int:
        return max(self._dated_ns, self._reckoned_ns)


class Throttle:
    """All of a venue's limits; one command takes from each that it costs, or from none.

    ``now_ns`` is venue time everywhere, but for the limits of a connection, which is ours.
    ``cancel_kinds`` are the kinds of limits that a cancel costs: on those alone a reserve is kept
    for cancels.
    """

    __slots__ = (
        "_ban",
        "_cancel_kinds",
        "_charged",
        "_cooling",
        "_kinds",
        "_links",
        "_published",
        "_scoped",
        "_shut",
        "_whole",
        "banned_until_ns",
        "cancels_from_ns",
        "cooling_until_ns",
        "dials_from_ns",
        "keeps",
    )

    def __init__(self, limits: Sequence[Limit], cancel_kinds: Collection[str] = ()) -> None:
        self.cooling_until_ns = 0
        """Until then nothing but cancels is sent."""
        self.cancels_from_ns = 0
        """From then on cancels are sent while nothing else is: the venue has throttled them too."""
        self.banned_until_ns = 0
        """Until then nothing at all is sent."""
        self.dials_from_ns = 0
        """From then on connections are dialled; 0 where nothing forbids it."""
        self._cooling, self._ban, self._shut = Silence(), Silence(), Silence()
        self.keeps: Mapping[str, Scope] = {}
        """Kinds that keep back what it would cost to cancel all that is open: on the account, or on
        the instrument. ``take`` is told how much that is."""
        self._cancel_kinds = frozenset(cancel_kinds)
        self._published = tuple(limits)
        self._kinds: dict[str, tuple[Limit, ...]] = {}
        self._whole: dict[str, Meter] = {}
        """What is counted of the whole account, by the limit's name."""
        self._scoped: dict[tuple[str, int], Meter] = {}
        """What is counted of one instrument, by the limit's name and the instrument."""
        self._links: dict[int, tuple[Meter, ...]] = {}
        """What is counted of one connection, by its link."""
        self._charged: dict[Costs, tuple[tuple[Window, int], ...]] = {}
        """Which windows a command's costs are charged to, where nothing else is: looked up for
        every order."""
        self.renew(limits)

    def renew(self, limits: Sequence[Limit]) -> None:
        """Take the limits the venue states now; a limit that keeps its name keeps its count.

        The published limits stand for every kind of which the venue states none. What holds for a
        connection that stands already is what held when it was made.
        """
        stated = {limit.kind for limit in limits}
        limits = [*limits, *(limit for limit in self._published if limit.kind not in stated)]
        whole, scoped = self._whole, self._scoped
        self._whole, self._scoped = {}, {}
        kinds: dict[str, list[Limit]] = {}
        for limit in limits:
            kinds.setdefault(limit.kind, []).append(limit)
            meter = self._renewed(limit, whole.get(limit.name))
            if limit.scope is Scope.ACCOUNT:
                self._whole[limit.name] = meter
            for key, known in scoped.items():
                if key[0] == limit.name and limit.scope is Scope.INSTRUMENT:
                    self._scoped[key] = self._renewed(limit, known)
        self._kinds = {kind: tuple(found) for kind, found in kinds.items()}
        self._charged = {}
        self.keeps = {
            limit.kind: limit.scope
            for limit in limits
            if limit.rule is Rule.BUCKET
            and limit.scope is not Scope.CONNECTION
            and limit.kind in self._cancel_kinds
        }

    def _renewed(self, limit: Limit, meter: Meter | None) -> Meter:
        """Return the meter of a limit, with its count where it was kept by the same rule."""
        shared, made = limit.kind in self._cancel_kinds, METERS[limit.rule]
        if type(meter) is not made:
            return made(limit, shared=shared)
        meter.resize(limit, shared=shared)
        return meter

    @property
    def by_instrument(self) -> bool:
        """Whether anything is counted of each instrument."""
        limits = (limit for limits in self._kinds.values() for limit in limits)
        return any(limit.scope is Scope.INSTRUMENT for limit in limits)

    def take(
        self,
        costs: Costs,
        now_ns: int,
        share: Share,
        instrument: int = NO_INSTRUMENT,
        kept: Costs = (),
    ) -> bool:
        """Take the tokens of one command on the account of ``share``, all or none.

        ``costs`` name each kind at most once; those of a connection are not taken here.
        ``kept`` is what it would cost to cancel all that is open, by the kinds of ``keeps``. Raises
        ``Misuse`` for a kind that does not exist.
        """
        if now_ns < self.cooling_until_ns and (
            share is not _CANCEL or now_ns < self.cancels_from_ns or now_ns < self.banned_until_ns
        ):
            return False
        charged = self._charged.get(costs)
        if not charged:
            return self._take_any(costs, now_ns, share, instrument, kept)
        level = share + 0  # no longer a member: the index of a tuple is looked up four times faster
        near_edge = False
        for window, tokens in charged:
            if now_ns >= window.edge_ns or now_ns < window.early_ns:
                window.turn(now_ns)
                near_edge = True
            if window.used + tokens > window.levels[level]:
                return False
        if share is _QUESTION and not _may_ask(charged):
            return False
        for window, tokens in charged:  # as ``Window.spend`` does, in the hurry of a send
            window.used += tokens
            if near_edge and now_ns >= window.edge_ns:
                window.carried += tokens
        return True

    def _take_any(
        self, costs: Costs, now_ns: int, share: Share, instrument: int, kept: Costs
    ) -> bool:
        """Do what ``take`` does by whatever rules there are."""
        charged = self._charge(costs, instrument)
        reserved = dict(kept)
        for meter, tokens in charged:
            if not meter.admits(tokens, now_ns, share, reserved.get(meter.kind, 0)):
                return False
        for meter, tokens in charged:
            meter.spend(tokens, now_ns, asked=share is _QUESTION)
        return True

    def charge(self, costs: Costs, now_ns: int, instrument: int = NO_INSTRUMENT) -> None:
        """Count what was spent already, whatever is left of it."""
        for meter, tokens in self._charge(costs, instrument):
            meter.spend(tokens, now_ns, asked=False)

    def _charge(self, costs: Costs, instrument: int) -> list[tuple[Meter, int]]:
        """Return each meter that costs are charged to, and with how much; they are few."""
        charged: list[tuple[Meter, int]] = []
        windows: list[tuple[Window, int]] = []
        for kind, tokens in costs:
            if kind not in self._kinds:
                raise Misuse(f"a command costs limit {kind!r}, which the venue lacks")
            for limit in self._kinds[kind]:
                if limit.scope is Scope.CONNECTION:
                    continue
                meter = self._meter(limit, instrument)
                charged.append((meter, tokens))
                if limit.scope is Scope.ACCOUNT and isinstance(meter, Window):
                    windows.append((meter, tokens))
        if len(windows) == len(charged):
            self._charged[costs] = tuple(windows)
        return charged

    def _meter(self, limit: Limit, instrument: int) -> Meter:
        if limit.scope is Scope.ACCOUNT:
            return self._whole[limit.name]
        key = (limit.name, instrument)
        meter = self._scoped.get(key)
        if meter is None:
            meter = self._scoped[key] = self._renewed(limit, None)
        return meter

    def give_back(self, costs: Costs, now_ns: int) -> None:
        """An order of these costs has traded: limits on unfilled orders count it no more."""
        for kind, tokens in costs:
            for limit in self._kinds.get(kind, ()):
                meter = self._whole.get(limit.name) if limit.unfilled else None
                if isinstance(meter, Window):
                    meter.give_back(tokens, now_ns)

    def run_out(self, costs: Costs, now_ns: int, instrument: int = NO_INSTRUMENT) -> None:
        """The venue took no request of these costs: the one of its limits that is soonest there
        again is used up, whatever we counted. Where it was another one, the next request tells
        again.

        Those that cancels are charged to are among them only where nothing else is.
        """
        on_orders = tuple(cost for cost in costs if cost[0] not in self._cancel_kinds)
        meters = [meter for meter, _ in self._charge(on_orders or costs, instrument)]
        if meters and not any(meter.full(now_ns) for meter in meters):
            min(meters, key=lambda meter: meter.lasts_ns()).fill(now_ns)

    def free(self, name: str, now_ns: int, instrument: int = NO_INSTRUMENT) -> int:
        """Return the tokens of one limit that are left for orders; changes no count."""
        meter = self._whole.get(name)
        if meter is None:
            limits = (limit for limits in self._kinds.values() for limit in limits)
            meter = self._meter(next(one for one in limits if one.name == name), instrument)
        return meter.free(now_ns)

    def learn(
        self,
        uses: Sequence[BudgetUse],
        now_ns: int,
        under_way: Iterable[Costs] | None = (),
        told_ns: int = NEVER_NS,
    ) -> None:
        """Take the venue's own counts from a reply; a limit we do not know is passed over.

        ``told_ns`` is the latest that it can have been by its own clock: where ours is ahead, a
        count is of a window that is over by ours.

        ``under_way`` is what was asked and is not answered: none of it may be counted yet. It is
        ``None`` for a reply that others have overtaken, which may lack even what is answered: it
        lowers nothing.
        """
        unanswered: dict[str, int] = {}
        for costs in under_way or ():
            for kind, tokens in costs:
                unanswered[kind] = unanswered.get(kind, 0) + tokens
        lowers, whole = under_way is not None, self._whole
        for use in uses:
            meter = whole.get(use.name) or self._scoped.get((use.name, use.instrument))
            if meter is None or use.used > MOST_TIMES * meter.amount:
                continue
            if told_ns >= now_ns or told_ns >= meter.begun_ns(now_ns):  # no window begins later
                lacks = unanswered.get(meter.kind, 0) if unanswered else 0
                meter.learn(use.used, lacks, now_ns, lowers)

    # -- connections ---------------------------------------------------------------------------

    def connected(self, link: int, name: str, *, cancels: bool) -> bool:
        """A connection stands, of which nothing is counted yet; ``cancels`` leave on it or not.

        Returns whether anything is to be counted of it.
        """
        meters = []
        for limits in self._kinds.values():
            for limit in limits:
                if limit.scope is Scope.CONNECTION and limit.where in ("", name):
                    shared = cancels and (limit.kind == FRAMES or limit.kind in self._cancel_kinds)
                    meters.append(METERS[limit.rule](limit, shared=shared))
        self._links[link] = tuple(meters)
        return bool(meters)

    def has_room(self, link: int, costs: Costs, now_ns: int, share: Share) -> bool:
        """Whether a connection takes one more frame, with a command of these costs in it."""
        return all(
            meter.admits(tokens, now_ns, share, 0) for meter, tokens in self._framed(link, costs)
        )

    def count_frame(self, link: int, costs: Costs, now_ns: int, share: Share) -> None:
        """A frame leaves on a connection."""
        for meter, tokens in self._framed(link, costs):
            meter.spend(tokens, now_ns, asked=share is _QUESTION)

    def _framed(self, link: int, costs: Costs) -> list[tuple[Meter, int]]:
        by_kind = dict(costs)
        by_kind[FRAMES] = 1
        meters = self._links.get(link, ())
        return [(meter, by_kind[meter.kind]) for meter in meters if meter.kind in by_kind]

    # -- what the venue forbids ----------------------------------------------------------------

    def cool_down(self, until_ns: int, now_ns: int, said_ns: int = 0) -> None:
        """Send nothing but cancels until ``until_ns``; 0 where the venue states no time.

        ``said_ns``: see ``Silence.keep``.
        """
        self._cooling.keep(until_ns, COOL_DOWN_NS, now_ns, said_ns)
        self._keep_silence()

    def hold_cancels(self, now_ns: int) -> None:
        """The venue has throttled a cancel: send no other for a while."""
        self.cancels_from_ns = now_ns + CANCELS_NS

    def ban(self, until_ns: int, now_ns: int, said_ns: int = 0) -> None:
        """Send nothing at all until ``until_ns``; 0 where the venue states no time.

        ``said_ns``: see ``Silence.keep``.
        """
        self._ban.keep(until_ns, BAN_NS, now_ns, said_ns)
        self._keep_silence()

    def refuse_dials(self, until_ns: int, usual_ns: int, now_ns: int, said_ns: int = 0) -> None:
        """Dial nothing until ``until_ns``, for ``usual_ns`` where that is 0, and send nothing but
        cancels: venues count by address, whatever it was that they have refused.

        ``said_ns``: see ``Silence.keep``.
        """
        self._shut.keep(until_ns, min(usual_ns, LONGEST_NS), now_ns, said_ns)
        self._keep_silence()

    def moved(self, by_ns: int, now_ns: int) -> None:
        """The venue's clock was measured anew: it is ``now_ns``, so much later than we had thought.

        A silence of a minute stays one, however far off the measure was that it was reckoned by;
        and what the venue has counted by a clock that was off by far, it has counted just now.
        """
        for meter in (*self._whole.values(), *self._scoped.values()):
            if abs(by_ns) >= meter.lasts_ns():
                meter.moved(by_ns, now_ns)
        self._cooling.moved(by_ns)
        self._ban.moved(by_ns)
        self._shut.moved(by_ns)
        if self.cancels_from_ns:
            self.cancels_from_ns += by_ns
        self._keep_silence()

    def _keep_silence(self) -> None:
        self.banned_until_ns = self._ban.until_ns
        self.dials_from_ns = max(self._ban.until_ns, self._shut.until_ns)
        self.cooling_until_ns = max(self._cooling.until_ns, self.dials_from_ns)
