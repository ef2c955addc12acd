"""What others do to this venue alone, and all that may be done to it."""

from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta

from venues.sim.actions import (
    Action,
    ActionError,
    Deposit,
    Host,
    Reset,
    SetAccount,
    SetBackground,
    SetFilters,
    SetKey,
    SetStatus,
    account_of,
)
from venues.sim.durations import MICROSECOND_NS, SECOND_NS
from venues.sim.faults import Moment
from venues.sim.kraken.exchange import Exchange
from venues.sim.kraken.limits import Tier
from venues.sim.kraken.rest import PRIVATE, Call
from venues.sim.kraken.words import ApiError


class SetSystem(Action, frozen=True, tag="system"):
    """The trading engine changes its state, and every pair with it."""

    system: Literal["online", "cancel_only", "post_only", "maintenance"]

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        _here(exchange).set_system(self.system, now_ns)
        return {}


class EndSessions(Action, frozen=True, tag="sessions"):
    """No token of a key counts any more, whether it is in use or not: another has to be fetched."""

    api_key: str

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account_of(exchange, self.api_key)
        _here(exchange).end_sessions(self.api_key)
        return {}


class UseNonce(Action, frozen=True, tag="nonce"):
    """The key is used elsewhere, by a clock that is so far ahead of the exchange's."""

    api_key: str
    ahead_s: Annotated[int, Meta(ge=0, le=7 * 86_400)]

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account_of(exchange, self.api_key)
        key = _here(exchange).keys[self.api_key]
        key.nonce = max(key.nonce, (now_ns + self.ahead_s * SECOND_NS) // MICROSECOND_NS)
        return {}


class SetTier(Action, frozen=True, tag="tier"):
    """The account of a key gets the limits of another tier."""

    api_key: str
    tier: Tier

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account = account_of(exchange, self.api_key)
        _here(exchange).tiers[account.number] = self.tier
        return {}


class AskElsewhere(Action, frozen=True, tag="request"):
    """The account of a key requests something elsewhere, past signature, nonce and counters.

    ``method`` is any private one of REST: AddOrder, CancelOrder and so on.
    """

    api_key: str
    method: str
    parameters: dict[str, str]

    def perform(self, exchange: Host, now_ns: int) -> dict[str, Any]:
        account_of(exchange, self.api_key)
        here, endpoint = _here(exchange), PRIVATE.get(self.method)
        if endpoint is None:
            raise ActionError(f"there is no private method {self.method!r}")
        call = Call(self.parameters, here.keys[self.api_key], Moment.at(now_ns))
        try:
            return {"result": endpoint.handler(here, call)}
        except ApiError as error:
            raise ActionError(error.text) from None


AnyAction = (
    Reset | SetStatus | SetBackground | SetFilters | Deposit | SetAccount | SetKey | SetSystem
    | SetTier | EndSessions | UseNonce | AskElsewhere
)  # fmt: skip
ACTIONS: Final[tuple[type[Action], ...]] = get_args(AnyAction)


def _here(exchange: Host) -> Exchange:
    assert isinstance(exchange, Exchange)  # noqa: S101 - this venue's actions are done to it
    return exchange
