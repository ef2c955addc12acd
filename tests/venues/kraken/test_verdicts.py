"""Every documented error has a verdict and a remedy; what is not documented proves nothing."""

import pytest

from core.model.events import Verdict
from core.model.venue import Remedy
from venues.kraken import verdicts
from venues.kraken.verdicts import ERRORS, of_error, remedy

SPOT_ERRORS = """EGeneral:Invalid arguments|EGeneral:Invalid arguments:Index unavailable
EGeneral:Temporary lockout|EService:Unavailable|EService:Market in cancel_only mode
EService:Market in post_only mode|EService:Deadline elapsed|EAPI:Invalid key|EAPI:Invalid signature
EAPI:Invalid nonce|EGeneral:Permission denied|EGeneral:Internal error
EOrder:Cannot open opposing position|EOrder:Cannot open position|EOrder:Margin allowance exceeded
EOrder:Margin level too low|EOrder:Margin position size exceeded|EOrder:Insufficient margin
EOrder:Insufficient funds|EOrder:Order minimum not met|EOrder:Cost minimum not met
EOrder:Tick size check failed|EOrder:Orders limit exceeded|EOrder:Rate limit exceeded
EOrder:Invalid price|EOrder:Domain rate limit exceeded|EOrder:Positions limit exceeded
EOrder:Reduce only:Non-PC|EOrder:Reduce only:No position exists
EOrder:Reduce only:Position is closed|EOrder:Scheduled orders limit exceeded
EOrder:Unknown position|EAccount:Invalid permissions|EAuth:Account temporary disabled
EAuth:Account unconfirmed|EAuth:Rate limit exceeded|EAuth:Too many requests|ETrade:Invalid request
EBM:limit exceeded:CAL|EFunding:Max fee exceeded"""
"""The page "Spot Error Messages" of 2026-05-27, every row."""


@pytest.mark.parametrize("error", SPOT_ERRORS.replace("\n", "|").split("|"))
def test_every_documented_error_has_a_verdict_of_its_own(error: str) -> None:
    assert ERRORS[error].source == "S1"


@pytest.mark.parametrize(
    ("error", "verdict", "asked"),
    [
        ("EOrder:Insufficient funds", Verdict.REFUSED, Remedy.PAUSE),
        ("EOrder:Insufficient funds (insufficient user funds)", Verdict.REFUSED, Remedy.PAUSE),
        ("EOrder:Rate limit exceeded", Verdict.OUT_OF_BUDGET, Remedy.PAUSE),
        ("EAPI:Rate limit exceeded", Verdict.THROTTLED, Remedy.PAUSE),
        ("EAPI:Invalid signature", Verdict.FATAL, Remedy.HALT),
        ("EGeneral:Temporary lockout", Verdict.BANNED, Remedy.PAUSE),
        ("ESession:Invalid session", Verdict.LOGGED_OUT, Remedy.PAUSE),
        ("EQuery:Unknown asset pair", Verdict.FATAL, Remedy.HALT_INSTRUMENT),
        ("Currency pair not supported XBT/USD", Verdict.FATAL, Remedy.HALT_INSTRUMENT),
        ("EGeneral:Invalid arguments:volume", Verdict.REFUSED, Remedy.COUNT),
        ("EGeneral:Invalid arguments:ordertype", Verdict.FATAL, Remedy.HALT),
    ],
)
def test_the_errors_that_matter_most(error: str, verdict: Verdict, asked: Remedy) -> None:
    assert (of_error(error), remedy(error)) == (verdict, asked)


@pytest.mark.parametrize(
    "error",
    [
        *("EGeneral:Internal error", "EGeneral:Internal error:1001", "EService:Unavailable"),
        *("EService:Busy", "EService:Deadline elapsed", "EOrder:Reduce only:Position is closed"),
    ],
)
def test_trouble_of_the_venue_leaves_open_what_was_done(error: str) -> None:
    assert of_error(error) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "error",
    ["", "E", "EOrder", "EOrder:Insufficient fund", "EOrder:Insufficient fundsX", "nonsense"],
)
def test_what_is_not_documented_proves_nothing(error: str) -> None:
    assert (of_error(error), remedy(error)) == (Verdict.UNKNOWN, Remedy.COUNT)


def test_each_entry_names_its_source() -> None:
    assert {one.source for one in ERRORS.values()} == {"S1", "S2", "S3", "S4", "S5", "C"}


def test_a_remedy_of_its_own_is_for_refusals() -> None:
    for error, meaning in ERRORS.items():
        if meaning.verdict is Verdict.FATAL:
            assert meaning.remedy in (Remedy.HALT, Remedy.HALT_INSTRUMENT), error


def test_the_status_decides_only_where_there_is_no_error() -> None:
    assert verdicts.of_status(200) is Verdict.DONE
    assert verdicts.of_status(502) is Verdict.UNKNOWN
