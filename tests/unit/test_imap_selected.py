"""SELECT data, and status responses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.mailbox import FolderStatus
from mailctl.errors import AuthError, NetworkError, ProtocolError, RefusedError
from mailctl.protocols.imap.selected import parse_selected
from mailctl.protocols.imap.status import Status, parse_status_response, refusal

LINES = [
    b"* FLAGS (\\Answered \\Seen $a)",
    b"* OK [PERMANENTFLAGS (\\Seen $a \\*)] Flags permitted.",
    b"* 3 EXISTS",
    b"* 0 RECENT",
    b"* OK [UIDVALIDITY 1700000000] UIDs valid",
    b"* OK [UIDNEXT 42] Predicted",
    b"* OK [HIGHESTMODSEQ 9] Highest",
]


def test_selected_state() -> None:
    expected = FolderStatus(3, 1700000000, 42, 9, False, frozenset({"\\Seen", "$a", "\\*"}))
    assert parse_selected(LINES, b"READ-WRITE", False) == expected
    assert parse_selected(LINES, b"read-only", False).read_only
    assert parse_selected(LINES, b"", True).read_only


def test_H2_without_UIDVALIDITY_or_UIDNEXT_they_are_none() -> None:
    assert parse_selected([b"* 7 EXISTS "], b"", False) == FolderStatus(7, None, None)


@pytest.mark.parametrize(
    "line", [b"* OK [UIDVALIDITY 0] x", b"* OK [UIDNEXT 99999999999] x", b"* 99999999999 EXISTS", b"* 1 RECENT"]
)
def test_numbers_that_cannot_be_are_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        parse_selected([line], b"", False)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"OK done", Status("OK", text="done", raw="OK done")),
        (b"ok [READ-ONLY] done", Status("OK", "READ-ONLY", b"", "done", "ok [READ-ONLY] done")),
        (b"NO [overquota] full", Status("NO", "OVERQUOTA", b"", "full", "NO [overquota] full")),
        (b"OK [COPYUID 1 2:3 4:5]", Status("OK", "COPYUID", b"1 2:3 4:5", "", "OK [COPYUID 1 2:3 4:5]")),
        (b"NO [not a code", Status("NO", text="[not a code", raw="NO [not a code")),
    ],
)
def test_status_responses(line: bytes, status: Status) -> None:
    assert parse_status_response(line) == status


@pytest.mark.parametrize("line", [b"OK", b"OK ", b"ok  "])
def test_B18_ok_without_text_is_tolerated(line: bytes) -> None:
    status = parse_status_response(line)
    assert status is not None
    assert status.ok


@given(st.binary(max_size=80))
def test_status_junk_never_raises(line: bytes) -> None:
    for each in (line, b"NO " + line, b"OK [" + line):
        parse_status_response(each)
    assert parse_status_response(b"OKAY x") is None


def test_refusals() -> None:
    full = refusal(Status("NO", "OVERQUOTA", raw="NO [OVERQUOTA] full"), "STORE")
    assert isinstance(full, RefusedError)
    assert (full.cause, full.server_text) == ("quota_full", "NO [OVERQUOTA] full")
    assert isinstance(refusal(Status("BAD"), "STORE"), ProtocolError)
    assert isinstance(refusal(Status("BYE"), "STORE"), NetworkError)
    wrong = refusal(Status("BAD", "AUTHENTICATIONFAILED", raw="NO [AUTHENTICATIONFAILED] x"), "LOGIN", sign_in=True)
    assert isinstance(wrong, AuthError)
    assert (wrong.cause, wrong.server_text) == ("", "NO [AUTHENTICATIONFAILED] x")
