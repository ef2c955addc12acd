"""What answers on the private connection prove, each order of a batch by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.model.errors import Drifted
from core.model.events import Verdict
from tests.venues.kraken import world
from venues.kraken.answers import Named, Proved, read

FIXTURES = world.SHARED / "fixtures" / "nautilus" / "kraken"
here = pytest.mark.skipif(not FIXTURES.exists(), reason="the recorded answers are not here")

ORDER, OTHER = "OLUMT4-UTEGU-ZYM7E9", "OM5CRX-N2HAL-GFGWE9"


def answer(method: str, result: object = None, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "method": method,
        "req_id": 42,
        "result": result,
        "success": True,
        "time_in": "2023-09-21T14:36:57.428972Z",
        "time_out": "2023-09-21T14:36:57.437952Z",
    }
    return fields | changes


ONE_EACH = [
    answer("add_order", {"order_id": ORDER, "cl_ord_id": "hl-1"}),
    answer("amend_order", {"amend_id": "TTW6PD-RC36L-ZZSWNU", "cl_ord_id": "hl-1"}),
    answer("cancel_order", {"order_id": ORDER}),
    answer("cancel_all", {"count": 1}),
    answer("batch_add", [{"order_id": ORDER, "order_userref": 1}, {"order_id": OTHER}]),
    answer("batch_cancel", {"count": 3}),
    answer(
        "cancel_all_orders_after",
        {"currentTime": "2023-09-21T15:49:29Z", "triggerTime": "2023-09-21T15:51:09Z"},
    ),
    answer("subscribe", {"channel": "executions", "maxratecount": 125, "snap_orders": True}),
]


def told(message: object) -> Proved:
    return read(json.dumps(message).encode())


def test_an_answer_names_the_order_it_gave() -> None:
    assert told(ONE_EACH[0]) == Proved(
        method="add_order",
        request_id=42,
        verdict=Verdict.DONE,
        orders=(Named(ORDER, "hl-1", Verdict.DONE, ""),),
    )
    assert told(ONE_EACH[1]).orders == (Named("", "hl-1", Verdict.DONE, ""),)
    assert told(ONE_EACH[2]).orders == (Named(ORDER, "", Verdict.DONE, ""),)


def test_an_answer_to_many_tells_how_many() -> None:
    assert [told(ONE_EACH[at]).count for at in (3, 5)] == [1, 3]


def test_a_batch_is_answered_in_the_order_of_its_orders() -> None:
    assert [one.order_id for one in told(ONE_EACH[4]).orders] == [ORDER, OTHER]


def test_an_order_of_a_batch_is_refused_by_itself() -> None:
    entries = [
        {"order_id": "O1", "cl_ord_id": "O-A", "success": True},
        {"cl_ord_id": "O-B", "success": False, "error": "EOrder:Insufficient funds"},
        {"cl_ord_id": "O-C", "success": False},
    ]
    found = told(answer("batch_add", {"orders": entries}))
    assert [one.verdict for one in found.orders] == [
        Verdict.DONE,
        Verdict.REFUSED,
        Verdict.UNKNOWN,
    ]


def test_the_dead_man_switch_tells_when_it_fires() -> None:
    assert told(ONE_EACH[6]).fires_ns == 1_695_311_469_000_000_000
    off = {"currentTime": "2023-09-21T15:49:29Z", "triggerTime": "0"}
    assert told(answer("cancel_all_orders_after", off)).fires_ns == 0


def test_the_subscription_tells_the_tier() -> None:
    assert told(ONE_EACH[7]).threshold == 125


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ("EOrder:Insufficient funds", Verdict.REFUSED),
        ("EOrder:Rate limit exceeded", Verdict.OUT_OF_BUDGET),
        ("ESession:Invalid session", Verdict.LOGGED_OUT),
        ("EService:Unavailable", Verdict.UNKNOWN),
        ("whatever is to come", Verdict.UNKNOWN),
    ],
)
def test_a_refusal(error: str, verdict: Verdict) -> None:
    refusal = answer("add_order", success=False, error=error)
    del refusal["result"]
    assert told(refusal) == Proved(method="add_order", request_id=42, verdict=verdict, error=error)


def test_a_success_without_what_it_gave_is_drift() -> None:
    for message in ONE_EACH:
        bare = {name: value for name, value in message.items() if name != "result"}
        with pytest.raises(Drifted):
            told(bare)


@here
def test_the_recorded_answers() -> None:
    found = read((FIXTURES / "ws_add_order_response_success.json").read_bytes())
    assert found.orders == (Named("OABCDE-12345-FGHIJ", "O-20260505-000001", Verdict.DONE, ""),)
    found = read((FIXTURES / "ws_add_order_response_failure.json").read_bytes())
    assert (found.request_id, found.verdict) == (99, Verdict.REFUSED)
    found = read((FIXTURES / "ws_batch_add_response_partial.json").read_bytes())
    assert [(one.client_order_id, one.verdict) for one in found.orders] == [
        ("O-A", Verdict.DONE),
        ("O-B", Verdict.REFUSED),
    ]
