"""What Binance Spot shows of itself to the suite that every venue passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.model.commands import (
    Cancel,
    FetchBbos,
    FetchBook,
    FetchOpenOrders,
    FetchTime,
    QueryOrder,
)
from core.model.events import (
    BalanceMoved,
    Bbo,
    BbosReport,
    BookSnapshot,
    VenueTime,
    Verdict,
)
from core.model.venue import Credentials, HttpRequest, Remedy
from tests.venues.binance import test_decode_market as public
from tests.venues.binance import test_decode_trade as private
from tests.venues.binance import world
from tests.venues.binance.frames import BODIES, LINES
from tests.venues.conformance.samples import Answered, Heard, Refused, Samples, Sent, Told, Traded
from venues.binance import VENUE, decode, verdicts

MS = 1_000_000

TRADED = {"subscriptionId": 0, "event": private.REPORT}
MOVED = {
    "subscriptionId": 0,
    "event": {
        "e": "balanceUpdate",
        "E": 1573200697110,
        "a": "BTC",
        "d": "100.00000000",
        "T": 1573200697068,
    },
}


PEM = (
    Ed25519PrivateKey.from_private_bytes(b"visibly fake, and 32 bytes long.")
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def history(trades: Sequence[Traded]) -> Callable[[HttpRequest], bytes]:
    """Answer myTrades: ascending from an id on, or the newest ("Account trade list")."""

    def answer(request: HttpRequest) -> bytes:
        assert request.path == "/api/v3/myTrades"
        asked = {name: value[0] for name, value in parse_qs(request.query).items()}
        most, first = int(asked["limit"]), asked.get("fromId")
        order = int(asked.get("orderId", 0))
        found = [one for one in trades if order in (0, one.order)]
        if first is None:
            found = found[-most:]
        else:
            found = [one for one in found if one.number >= int(first)][:most]
        return world.frame([_own(one) for one in found])

    return answer


def _own(trade: Traded) -> dict[str, object]:
    return {
        "symbol": world.BTC.symbol,
        "id": trade.number,
        "orderId": trade.order,
        "price": world.BTC.tick.text(trade.ticks),
        "qty": world.BTC.lot.text(trade.lots),
        "commission": "0.00000000",
        "commissionAsset": "USDT",
        "time": trade.at_ns // MS,
        "isBuyer": True,
        "isMaker": True,
    }


SAMPLES = Samples(
    venue=VENUE,
    adapter=world.adapter,
    instruments=(world.BTC, world.LTC),
    keys=(world.DOC_KEYS, Credentials({"api_key": "FAKEKEY", "private_key": PEM})),
    told=(
        *(
            Told(connection=decode.MARKET, payload=world.frame(message), events=(event,))
            for message, event in public.EXPECTED
        ),
        Told(
            connection=decode.TRADE,
            payload=world.frame(TRADED),
            events=(private.event(**private.REPORT)[0],),
            words=("x", "X", "S"),
        ),
        Told(
            connection=decode.TRADE,
            payload=world.frame(MOVED),
            events=(BalanceMoved("BTC", 100 * 10**18, 1573200697068 * MS),),
        ),
    ),
    answered=(
        Answered(
            command=FetchTime(),
            body=b'{"serverTime":1499827319559}',
            events=(VenueTime(1499827319559 * MS),),
        ),
        Answered(
            command=FetchBook(0),
            body=b'{"lastUpdateId":1027024,"bids":[["4.00000000","431.00000000"]],'
            b'"asks":[["4.00000200","12.00000000"]]}'.replace(b"4.00000200", b"4.02000000"),
            events=(BookSnapshot(0, 1027024, [(400, 43_100_000)], [(402, 1_200_000)]),),
        ),
        Answered(
            command=FetchBbos((0,)),
            body=b'[{"symbol":"BTCUSDT","bidPrice":"4.00000000","bidQty":"431.00000000",'
            b'"askPrice":"4.02000000","askQty":"9.00000000"}]',
            events=(BbosReport((Bbo(0, -1, 400, 43_100_000, 402, 900_000),)),),
        ),
    ),
    sent=(
        Sent(command=FetchTime(), message=HttpRequest("GET", "/api/v3/time")),
        Sent(
            command=FetchBook(0),
            message=HttpRequest("GET", "/api/v3/depth", "symbol=BTCUSDT&limit=1000"),
        ),
        Sent(
            command=FetchOpenOrders(0),
            message=HttpRequest(
                "GET",
                "/api/v3/openOrders",
                "symbol=BTCUSDT&recvWindow=5000&timestamp=1700000000000",
                signed=True,
            ),
        ),
        Sent(command=world.place(), message={"method": "order.place"}),
        Sent(command=Cancel(0, "hl-1", ""), message={"method": "order.cancel"}),
        Sent(command=QueryOrder(0, "hl-1"), message={"method": "order.status"}),
    ),
    refused=tuple(
        Refused(code=code, text=text, verdict=verdict, remedy=remedy)
        for code, text, verdict, remedy in (
            (
                "-1000",
                "An unknown error occurred while processing the request.",
                Verdict.UNKNOWN,
                None,
            ),
            ("-1003", "Too many requests queued.", Verdict.THROTTLED, None),
            ("-1006", "An unexpected response was received.", Verdict.UNKNOWN, Remedy.PAUSE),
            ("-1007", "Timeout waiting for response from backend server.", Verdict.UNKNOWN, None),
            ("-1015", "Too many new orders.", Verdict.OUT_OF_BUDGET, None),
            (
                "-1021",
                "Timestamp for this request is outside of the recvWindow.",
                Verdict.REFUSED,
                None,
            ),
            ("-1022", "Signature for this request is not valid.", Verdict.FATAL, Remedy.HALT),
            ("-1121", "Invalid symbol.", Verdict.FATAL, Remedy.HALT_INSTRUMENT),
            ("-2010", "Duplicate order sent.", Verdict.UNKNOWN, None),
            ("-2010", "Market is closed.", Verdict.REFUSED, Remedy.PAUSE),
            ("-2010", "This account may not place or cancel orders.", Verdict.FATAL, Remedy.HALT),
            ("-2011", "Unknown order sent.", Verdict.REFUSED, Remedy.PAUSE),
            ("-2013", "Order does not exist.", Verdict.ABSENT, None),
            (
                "-2015",
                "Invalid API-key, IP, or permissions for action.",
                Verdict.FATAL,
                Remedy.HALT,
            ),
        )
    ),
    heard=(
        *(Heard(connection=connection, payload=world.frame(one)) for connection, one in LINES),
        *(Heard(command=command, payload=world.frame(one)) for command, one in BODIES),
    ),
    history=history,
    judged=verdicts.of_code,
)
