"""Findings beyond sign-in, read off what stages report."""

from collections.abc import Mapping

import pytest

from mailctl.diagnosis.beyond import beyond
from mailctl.domain.check import CheckJob, Finding, Level, StageReport, StageStatus
from mailctl.domain.gateway import Login
from mailctl.domain.server import Endpoint, Protocol, Security

ALL = ["CONDSTORE", "COMPRESS=DEFLATE", "IDLE", "IMAP4REV1", "MOVE", "QRESYNC", "UIDPLUS"]
USES = {"sent": "Sent", "drafts": "Drafts", "trash": "Trash", "junk": "Junk", "archive": "Archive"}
WELL = {"folders": 3, "readable": 3, "unread": 0, "unreadable": [], "set_aside": [], "special_use": USES}


def found(protocol: Protocol, stages: Mapping[str, Mapping[str, object]], **job: object) -> dict[str, Finding]:
    check = CheckJob(
        "work",
        "a@b.test",
        protocol,
        Endpoint("b.test", 1, Security.TLS),
        Login("a"),
        **job,  # type: ignore[arg-type]
    )
    reports = [StageReport(name, StageStatus.PASSED, 1.0, detail) for name, detail in stages.items()]
    return {finding.name: finding for finding in beyond(check, reports)}


def imap(folders: Mapping[str, object] = WELL, capabilities: list[str] = ALL) -> dict[str, Finding]:
    return found(Protocol.IMAP, {"authenticate": {"capabilities": capabilities}, "folders": folders})


def smtp(extensions: list[str], size: int | None, relay: Mapping[str, object], **job: object) -> dict[str, Finding]:
    stages = {"ehlo": {"extensions": extensions, "size": size}, "authenticate": {}, "relay": relay}
    return found(Protocol.SMTP, stages, **job)


def test_nothing_is_said_of_what_lacks_nothing() -> None:
    assert imap() == {}
    assert smtp(["DSN", "SMTPUTF8", "PIPELINING"], 50_000_000, {"relay": "relays"}) == {}
    assert found(Protocol.POP3, {"capability": {"capabilities": ["TOP", "UIDL", "EXPIRE NEVER"]}}) == {}
    assert found(Protocol.IMAP, {}) == {}


@pytest.mark.parametrize("missing", [word for word in ALL if word != "IMAP4REV1"])
def test_each_lack_of_imap_is_a_note_with_its_cost(missing: str) -> None:
    (finding,) = imap(capabilities=[word for word in ALL if word != missing]).values()
    assert finding.name == f"no_{missing.partition('=')[0].lower()}"
    assert finding.level is Level.NOTE
    assert ": " in finding.text


def test_IMAP4rev2_has_some_of_them_in_it() -> None:
    assert set(imap(capabilities=["IMAP4REV2"])) == {"no_condstore", "no_qresync", "no_compress"}


@pytest.mark.parametrize(
    ("used", "limit", "name"),
    [(89, 100, ""), (90, 100, "quota_nearly_full"), (100, 100, "quota_full"), (120, 100, "quota_full"), (5, 0, "")],
)
@pytest.mark.parametrize("key", ["quota", "quota_messages"])
def test_a_quota_is_warned_of_from_ninety_percent_on(key: str, used: int, limit: int, name: str) -> None:
    findings = imap({**WELL, key: {"used": used, "limit": limit}})
    assert list(findings) == ([name] if name else [])
    assert all(finding.level is Level.WARNING for finding in findings.values())


def test_a_quota_says_its_unit_once() -> None:
    (finding,) = imap({**WELL, "quota_messages": {"used": 95, "limit": 100}}).values()
    assert "(95 of 100 messages)" in finding.text


def test_folders_that_do_not_open_are_named_with_the_servers_words() -> None:
    refused = [{"folder": f"f{n}", "reply": 'NO [NOPERM] "no"\r\nway'} for n in range(7)]
    check = imap({**WELL, "unreadable": refused, "set_aside": ["b&d"]})
    assert check["folder_unreadable"].text == "2 more folders can't be opened"
    assert "'b&d'" in check["folder_name_undecodable"].text
    text = imap({**WELL, "unreadable": refused[:1]})["folder_unreadable"].text
    assert text == "the folder 'f0' does not open: \"NO [NOPERM] 'no' way\""


def test_what_was_not_looked_into_is_told() -> None:
    assert imap({**WELL, "folders": 400, "unread": 100})["folders_not_tried"].level is Level.NOTE
    nothing = imap({**WELL, "folders": 2, "unread": 2})["folders_not_tried"].text
    assert nothing == "no folder was looked into, since the server took too long"
    assert imap({"interrupted": "gone"})["folders_not_told"].level is Level.WARNING


def test_special_use_that_is_missing_is_one_note() -> None:
    (finding,) = imap({**WELL, "special_use": {"junk": "Spam", "trash": "Bin", "all": "All"}}).values()
    assert finding.text.startswith("no folder is marked as Sent, Drafts or Archive: ")


@pytest.mark.parametrize(
    ("size", "limit", "name"),
    [
        (None, 25_000_000, ""),
        (0, 25_000_000, ""),
        (35_000_000, 25_000_000, ""),
        (30_000_000, 25_000_000, "attachment_limit_too_high"),
        (500_000, None, "message_size_small"),
        (2_000_000, None, ""),
    ],
)
def test_the_size_of_messages(size: int | None, limit: int | None, name: str) -> None:
    findings = smtp(["DSN", "SMTPUTF8", "PIPELINING"], size, {}, attachment_limit=limit)
    assert list(findings) == ([name] if name else [])


def test_relaying_denied_is_a_warning_and_unknown_is_nothing() -> None:
    lacks = {"no_dsn", "no_smtputf8", "no_pipelining"}
    assert set(smtp([], None, {"relay": "unknown", "reply": "550 5.1.2 null MX"})) == lacks
    denied = smtp([], None, {"relay": "relay_denied", "reply": "554 5.7.1 Relay access denied"})["relay_denied"]
    assert denied.level is Level.WARNING
    assert "Relay access denied" in denied.text


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (["UIDL", "TOP", "EXPIRE 0", "LOGIN-DELAY 300"], {"pop3_expire", "pop3_login_delay"}),
        (["UIDL", "TOP", "EXPIRE 30 USER"], {"pop3_expire"}),
        (["UIDL", "EXPIRE NEVER", "LOGIN-DELAY 0"], {"no_top"}),
        (["UIDL", "TOP", "EXPIRE soon", "LOGIN-DELAY"], set()),
        ([], set()),
    ],
)
def test_what_pop3_tells_of_itself(lines: list[str], names: set[str]) -> None:
    assert set(found(Protocol.POP3, {"capability": {"capabilities": lines}, "stat": {"uidl": True}})) == names


def test_pop3_without_uidl_is_a_warning() -> None:
    assert found(Protocol.POP3, {"stat": {"uidl": False}})["no_uidl"].level is Level.WARNING
