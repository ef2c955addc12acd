"""What faults and drills of both rings have the exchange say."""

from __future__ import annotations

import msgspec
import pytest

from tools.world.of_binance import BINANCE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("BTC", "2.5")], [("BTC", "3.00000000")]),
        ([("ETH", "1")], [("ETH", "1"), ("BTC", "0.50000000")]),
        ([], [("BTC", "0.50000000")]),
    ],
    ids=["some", "none, and some of another", "nothing at all"],
)
def test_an_account_is_lied_about_also_in_what_it_has_nothing_of(
    before: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    def told(balances: list[tuple[str, str]]) -> list[dict[str, str]]:
        return [{"asset": asset, "free": free, "locked": "0"} for asset, free in balances]

    said = BINANCE.with_more(msgspec.json.encode({"balances": told(before)}), "BTC", 5 * 10**7)
    assert msgspec.json.decode(said)["balances"] == told(after)
