"""Every documented error has a verdict; what is not documented proves nothing."""

import pytest

from core.model.events import Verdict
from venues.binance import verdicts

DOCUMENTED = """
-1000 -1001 -1002 -1003 -1006 -1007 -1008 -1010 -1013 -1014 -1015 -1016 -1020 -1021 -1022 -1033
-1034 -1035 -1100 -1101 -1102 -1103 -1104 -1105 -1106 -1108 -1111 -1112 -1114 -1115 -1116 -1117
-1118 -1119 -1120 -1121 -1122 -1125 -1127 -1128 -1130 -1134 -1135 -1139 -1145 -1151 -1152 -1153
-1155 -1158 -1160 -1161 -1165 -1166 -1168 -1169 -1170 -1171 -1172 -1173 -1174 -1175 -1176 -1177
-1178 -1179 -1180 -1181 -1182 -1183 -1184 -1185 -1186 -1187 -1188 -1189 -1190 -1191 -1194 -1196
-1197 -1198 -1199 -1210 -1211 -1220 -1221 -1222 -1223 -1224 -1225 -2010 -2011 -2013 -2014 -2015
-2016 -2021 -2022 -2026 -2035 -2036 -2038 -2039 -2042 -2043
"""
"""The codes of errors.md at a5e0bc3 (2026-07-21)."""

CODES = DOCUMENTED.split()


def test_every_documented_code_has_a_verdict_and_no_other_has() -> None:
    assert set(verdicts.CODES) == {*CODES, "0", "1", "2", "3"}


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("-1000", Verdict.UNKNOWN),
        ("-1001", Verdict.UNKNOWN),
        ("-1006", Verdict.UNKNOWN),
        ("-1007", Verdict.UNKNOWN),
        ("-1008", Verdict.UNKNOWN),
        ("-1013", Verdict.REFUSED),
        ("-1015", Verdict.OUT_OF_BUDGET),
        ("-1021", Verdict.REFUSED),
        ("-1022", Verdict.FATAL),
        ("-1111", Verdict.REFUSED),
        ("-1121", Verdict.FATAL),
        ("-2010", Verdict.REFUSED),
        ("-2011", Verdict.REFUSED),
        ("-2013", Verdict.ABSENT),
        ("-2014", Verdict.FATAL),
        ("-2015", Verdict.FATAL),
        ("-2026", Verdict.ABSENT),
        ("-2035", Verdict.DONE),
        ("-2038", Verdict.REFUSED),
        ("-2042", Verdict.LOGGED_OUT),
    ],
)
def test_the_codes_that_matter_most(code: str, verdict: Verdict) -> None:
    assert verdicts.of_error(400, code, "") is verdict


def test_a_timeout_is_never_a_rejection() -> None:
    for status in (400, 500, 503, 504, 599):
        assert verdicts.of_error(status, "-1007", "") is Verdict.UNKNOWN


@pytest.mark.parametrize("code", CODES)
def test_a_server_error_leaves_open_what_was_done_whatever_its_code(code: str) -> None:
    assert verdicts.of_error(502, code, "") is Verdict.UNKNOWN


@pytest.mark.parametrize("code", ["-9999", "-1", "4", "17", "1000000000", "words"])
def test_an_unlisted_code_proves_nothing(code: str) -> None:
    assert verdicts.of_error(400, code, "") is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DONE),
        (400, Verdict.UNKNOWN),
        (401, Verdict.UNKNOWN),
        (403, Verdict.THROTTLED),
        (404, Verdict.UNKNOWN),
        (409, Verdict.UNKNOWN),
        (418, Verdict.BANNED),
        (429, Verdict.THROTTLED),
        (500, Verdict.UNKNOWN),
        (503, Verdict.UNKNOWN),
        (0, Verdict.UNKNOWN),
        (302, Verdict.UNKNOWN),
    ],
)
def test_a_status_without_a_code(status: int, verdict: Verdict) -> None:
    assert verdicts.of_status(status) is verdict


def test_a_ban_is_told_by_the_status_and_not_by_the_code() -> None:
    assert verdicts.of_error(418, "-1003", "") is Verdict.BANNED
    assert verdicts.of_error(429, "-1003", "") is Verdict.THROTTLED
    assert verdicts.of_error(400, "-1003", "") is Verdict.THROTTLED


@pytest.mark.parametrize("code", ["-1010", "-2010"])
def test_a_duplicate_order_means_that_one_is_alive(code: str) -> None:
    assert verdicts.of_error(400, code, "Duplicate order sent.") is Verdict.UNKNOWN


@pytest.mark.parametrize("text", sorted(verdicts.FORBIDDEN))
def test_what_an_account_may_not_do_is_fatal(text: str) -> None:
    assert verdicts.of_error(400, "-2010", text) is Verdict.FATAL
    assert verdicts.of_error(400, "-2011", text) is Verdict.FATAL


@pytest.mark.parametrize(
    "text",
    [
        "Account has insufficient balance for requested action.",
        "Order would immediately match and take.",
        "Market is closed.",
        "",
        "anything else",
    ],
)
def test_other_words_of_the_matching_engine_are_a_plain_refusal(text: str) -> None:
    assert verdicts.of_error(400, "-2010", text) is Verdict.REFUSED
