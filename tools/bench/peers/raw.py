"""What the drivers over bare WebSocket libraries share: decoding ticks, and the texts of orders.

Each of them adds the library's own way to receive a message and to send one.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import msgspec
from plain import best


def market_url(asked: dict[str, Any]) -> str:
    name = "depth@100ms" if asked["stream"] == "depth" else "bookTicker"
    return f"{asked['stream_url']}/stream?streams=btcusdt@{name}"


class Top(msgspec.Struct, gc=False):
    bid: str = msgspec.field(name="b")
    bid_size: str = msgspec.field(name="B")


class TopFrame(msgspec.Struct, gc=False):
    data: Top


class Depth(msgspec.Struct, gc=False):
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class DepthFrame(msgspec.Struct, gc=False):
    data: Depth


def reader(asked: dict[str, Any]) -> Callable[[Any], tuple[str, str]]:
    """Return what reads a message into the best bid and its size."""
    if asked["stream"] == "depth":
        decode_depth = msgspec.json.Decoder(DepthFrame).decode
        return lambda message: best(decode_depth(message).data.bids)
    decode_top = msgspec.json.Decoder(TopFrame).decode

    def top(message: Any) -> tuple[str, str]:
        data = decode_top(message).data
        return data.bid, data.bid_size

    return top


def order_maker(asked: dict[str, Any]) -> Callable[[str, str], bytes]:
    """Return what makes the text of an order, signed if the race asks for it."""
    key, secret, signs = asked["api_key"], asked["secret"].encode(), asked["hmac"]
    number = 0

    def order(price: str, size: str) -> bytes:
        nonlocal number
        number += 1
        stamp = int(time.time() * 1000)
        if not signs:
            return (
                f'{{"id":"{number}","method":"order.place","params":{{"newClientOrderId":"o{number}",'
                f'"newOrderRespType":"FULL","price":"{price}","quantity":"{size}","side":"BUY",'
                f'"symbol":"BTCUSDT","timeInForce":"IOC","timestamp":{stamp},"type":"LIMIT"}}}}'
            ).encode()
        payload = (
            f"apiKey={key}&newClientOrderId=o{number}&newOrderRespType=FULL&price={price}"
            f"&quantity={size}&side=BUY&symbol=BTCUSDT&timeInForce=IOC&timestamp={stamp}&type=LIMIT"
        )
        signature = hmac.digest(secret, payload.encode(), sha256).hex()
        return (
            f'{{"id":"{number}","method":"order.place","params":{{"apiKey":"{key}",'
            f'"newClientOrderId":"o{number}","newOrderRespType":"FULL","price":"{price}",'
            f'"quantity":"{size}","side":"BUY","signature":"{signature}","symbol":"BTCUSDT",'
            f'"timeInForce":"IOC","timestamp":{stamp},"type":"LIMIT"}}}}'
        ).encode()

    return order
