"""What takes part in the race, and how each is started.

A variant is a process that connects to the load generator and answers its ticks. Here live the
commands, environments and configurations; what they measure lives in ``tools.bench.race``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from msgspec import Struct

from core.model.errors import BadParameter
from tools import compiled
from tools.bench import wire
from tools.bench.strategy import Answers

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = Path(__file__).parent / "peers"
ENVIRONMENTS: Final = ROOT / ".peers"

API_KEY: Final = "BenchKeyOfNobody"
SECRET: Final = "bench-secret-of-nobody"  # noqa: S105 - the load generator checks no signature

HMAC: Final = "+hmac"
"""Ends the name of a variant that signs every order, where the others log their session on."""

OURS: Final = ("floor", "hotloop", "hotloop+hmac")
PARTS: Final = ("stamps", "hops", "journal")
"""What hotloop can be raced without, to see what it costs: the kernel's receive stamps, the stamps
and counts of the hops, the journal."""
COLD: Final = "hotloop-warm"
"""hotloop that does not rehearse between ticks."""

STRIPPED: Final = (*(f"hotloop-{part}" for part in PARTS), "hotloop-" + "-".join(PARTS), COLD)
COMPILED: Final = "hotloop+compiled"
"""The same source as machine code, from the copy that ``tools.compiled`` makes."""

CONFIG: Final = """\
venue = "binance"
environment = "sim"
symbols = ["{symbol}"]
streams = ["{stream}"]

[endpoints]
rest = "http{s}://127.0.0.1:{port}"
stream = "ws{s}://127.0.0.1:{port}"
ws_api = "ws{s}://127.0.0.1:{port}/ws-api/v3"
{ca}

[keys]
file = "keys.toml"

[strategy]
name = "tools.bench.strategy:EveryTick"

[strategy.parameters]
least_lots = {least_lots}
replace = {replace}
answers = "{answers}"

[risk]
max_order_size = "10"
max_order_notional = "1000000"
max_position = "1000"
max_daily_loss = "1000000"
max_open_orders = 1000
max_orders_per_second = 10000

[loop]
mode = "{mode}"
warm = "{warm}"
kernel_stamps = {stamps}
{cpu}

[run]
dir = "run"

[journal]
segment_mb = 256
keep_segments = 3
"""


class Place(Struct, frozen=True, kw_only=True):
    """Where a variant is to run, and against what."""

    port: int
    ca: Path | None
    stream: str
    action: str
    cpu: int | None
    folder: Path
    """An empty folder of its own."""


class Start(Struct, frozen=True):
    """A process to be started."""

    command: list[str]
    environment: dict[str, str]
    folder: Path = ROOT
    leaves: bool = False
    """Whether it is to end by itself: it has a run to leave."""


def start(name: str, place: Place) -> Start:
    """Return how to start a variant. Raises ``BadParameter`` for a peer that is not installed."""
    if name == COMPILED:
        return msgspec.structs.replace(_hotloop(place), folder=compiled.FOLDER)
    if name in STRIPPED:
        return _hotloop(place, without=parts_without(name))
    plain = name.removesuffix(HMAC)
    if plain == "floor":
        return _floor(place)
    if plain == "hotloop":
        return _hotloop(place, hmac=name.endswith(HMAC))
    return _peer(name, place)


def parts_without(name: str) -> list[str]:
    """Return the parts of hotloop that a variant lacks."""
    return name.split("-")[1:] if name in STRIPPED else []


def is_ours(name: str) -> bool:
    """Whether a variant is the floor or hotloop in any form."""
    return name in (*OURS, *STRIPPED, COMPILED)


def start_hotloop(
    place: Place, *, spin: bool, answers: Answers = Answers.READ, folder: Path = ROOT
) -> Start:
    """Return how to start hotloop by itself, spinning or waiting; ``folder`` has its source."""
    config = write_configuration(place, spin=spin, answers=answers)
    command = [sys.executable, "-m", "tools", "run", str(config)]
    return Start(command, dict(os.environ), folder, leaves=True)


def known_peers() -> list[str]:
    """Return the peers that have a driver."""
    return sorted(path.parent.name for path in PEERS.glob("*/driver.py"))


def check(names: list[str]) -> None:
    """Raise ``BadParameter`` for a peer without a driver or an environment."""
    known = known_peers()
    for name in names:
        if name in STRIPPED:
            continue
        if name == COMPILED:
            if not compiled.FOLDER.exists():
                raise BadParameter(f"--against {name}: not made; python -m tools.compiled")
            if uncompiled := compiled.pure():
                raise BadParameter(
                    f"--against {name}: {uncompiled[0]} and {len(uncompiled) - 1} others there are "
                    f"not compiled; python -m tools.compiled ({compiled.INSTALL})"
                )
            if changed := compiled.differs():
                raise BadParameter(
                    f"--against {name}: {changed} has changed since; python -m tools.compiled"
                )
            continue
        plain = name.removesuffix(HMAC)
        if plain not in known:
            raise BadParameter(f"--against {name}: no such peer; there are {', '.join(known)}")
        if not python_of(plain).exists():
            raise BadParameter(
                f"--against {name}: not installed; hotloop bench --install-peers {plain}"
            )


def versions(peers: list[str]) -> dict[str, str]:
    """Return the pinned version of each peer and of what it runs on."""
    found = {"hotloop": version("hotloop"), "trio": version("trio"), "msgspec": version("msgspec")}
    for name in peers:
        if is_ours(name):
            continue
        plain = name.removesuffix(HMAC)
        pins = (PEERS / plain / "requirements.txt").read_text(encoding="utf-8").split()
        shown = [pin for pin in pins if _plain(pin) in (_plain(plain), "uvloop")]
        found[plain] = " ".join(shown).replace("==", " ")
    return found


def _plain(requirement: str) -> str:
    return requirement.partition("==")[0].replace("_", "-")


def python_of(peer: str) -> Path:
    """Return the interpreter of a peer's environment."""
    return ENVIRONMENTS / peer / "bin" / "python"


def _floor(place: Place) -> Start:
    command = [sys.executable, "-m", "tools.bench.floor", "--port", str(place.port)]
    command += ["--stream", place.stream]
    if place.ca is not None:
        command += ["--ca", str(place.ca)]
    if place.cpu is not None:
        command += ["--cpu", str(place.cpu)]
    return Start(command, dict(os.environ))


def _hotloop(place: Place, *, hmac: bool = False, without: Sequence[str] = ()) -> Start:
    config = write_configuration(
        place, hmac=hmac, stamps="stamps" not in without, warm="warm" not in without
    )
    command = [sys.executable, "-m", "tools", "run", str(config)]
    if set(without) - {"stamps", "warm"}:
        command = [sys.executable, "-m", "tools.bench.stripped", str(config), ",".join(without)]
    return Start(command, dict(os.environ), leaves=True)


def write_configuration(
    place: Place,
    *,
    hmac: bool = False,
    stamps: bool = True,
    spin: bool = True,
    warm: bool = True,
    answers: Answers = Answers.READ,
) -> Path:
    """Write the configuration and keys that hotloop races with; return the path of the former."""
    keys = place.folder / "keys.toml"
    keys.touch(mode=0o600)
    if hmac:
        keys.write_text(f'api_key = "{API_KEY}"\napi_secret = "{SECRET}"\n', encoding="utf-8")
    else:
        pem = place.folder / "key.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(
            Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            )
        )
        keys.write_text(f'api_key = "{API_KEY}"\nprivate_key = "key.pem"\n', encoding="utf-8")
    config = place.folder / "bench.toml"
    config.write_text(
        configuration(
            port=place.port,
            ca=place.ca,
            stream=place.stream,
            action=place.action,
            cpu=place.cpu,
            stamps=stamps,
            spin=spin,
            warm=warm,
            answers=answers,
        ),
        encoding="utf-8",
    )
    return config


def configuration(
    *,
    port: int,
    ca: Path | None,
    stream: str,
    action: str,
    cpu: int | None,
    stamps: bool,
    spin: bool = True,
    warm: bool = True,
    answers: Answers = Answers.READ,
) -> str:
    """Return the configuration that hotloop races with."""
    return CONFIG.format(
        symbol=wire.SYMBOL,
        stream="depth" if stream == "depth" else "top",
        s="s" if ca else "",
        port=port,
        ca=f'ca_file = "{ca}"' if ca else "",
        least_lots=wire.LEAST_LOTS,
        replace=str(action == "cancel_replace").lower(),
        answers=answers,
        stamps=str(stamps).lower(),
        mode="spin" if spin else "wait",
        warm="auto" if warm else "off",
        cpu="" if cpu is None else f"cpu = {cpu}",
    )


def _peer(name: str, place: Place) -> Start:
    """Return how to start a driver: its settings are one argument, in JSON."""
    plain = name.removesuffix(HMAC)
    s = "s" if place.ca else ""
    settings = {
        "rest": f"http{s}://127.0.0.1:{place.port}",
        "stream_url": f"ws{s}://127.0.0.1:{place.port}",
        "ws_api": f"ws{s}://127.0.0.1:{place.port}/ws-api/v3",
        "stream": place.stream,
        "least_size": wire.size_text(wire.LEAST_LOTS),
        "hmac": name.endswith(HMAC),
        "api_key": API_KEY,
        "secret": SECRET,
        "ca": str(place.ca) if place.ca else None,
        "cpu": place.cpu,
    }
    environment = {**os.environ, "PYTHONPATH": str(PEERS)}
    if place.ca is not None:
        # One of them is what each client library trusts by.
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            environment[variable] = str(place.ca)
    driver = PEERS / plain / "driver.py"
    return Start([str(python_of(plain)), str(driver), json.dumps(settings)], environment)
