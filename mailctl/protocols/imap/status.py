"""Status responses: OK, NO, BAD, BYE, PREAUTH (RFC 9051 section 7.1), and the error that each refusal becomes."""

import re

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.errors import AuthError, MailctlError, NetworkError, ProtocolError, RefusedError

_STATUS = pattern(rb"(OK|NO|BAD|BYE|PREAUTH)(?: (.*)| *)", re.IGNORECASE | re.DOTALL)
_CODE = pattern(rb"\[([A-Za-z][A-Za-z0-9-]*)(?: ([^\x00\r\n]*?))?\] ?")
_FULL = pattern(r"\bover ?quota\b|\bquota (?:is )?exceeded\b", re.IGNORECASE)

CAUSES: dict[str, str] = {
    # RFC 5530 section 3, RFC 9051 section 7.1 and RFC 4469 (TOOBIG): the code alone tells why
    "UNAVAILABLE": "temp_unavailable",
    "AUTHENTICATIONFAILED": "bad_credentials",
    "AUTHORIZATIONFAILED": "no_permission",
    "EXPIRED": "password_expired",
    "PRIVACYREQUIRED": "encryption_required",
    "CONTACTADMIN": "contact_admin",
    "NOPERM": "no_permission",
    "INUSE": "mailbox_in_use",
    "EXPUNGEISSUED": "expunged_meanwhile",
    "CORRUPTION": "server_corruption",
    "SERVERBUG": "server_bug",
    "CLIENTBUG": "client_bug",
    "CANNOT": "not_possible",
    "LIMIT": "limit_reached",
    "OVERQUOTA": "quota_full",
    "TOOBIG": "size_limit",
    "ALREADYEXISTS": "already_exists",
    "NONEXISTENT": "no_such_mailbox",
    "TRYCREATE": "no_such_mailbox",
    "UNKNOWN-CTE": "unknown_encoding",
    "READ-ONLY": "read_only",
}
"""Response code to cause, for operations. A sign-in's cause is left to the failure knowledge: its text tells more."""


@dataclass(frozen=True, slots=True)
class Status:
    """One status response. kind: upper case. code: upper case, without brackets, or "". text: raw, may be empty."""

    kind: str
    code: str = ""
    argument: bytes = b""
    text: str = ""
    raw: str = ""

    @property
    def ok(self) -> bool:
        """Whether it says OK."""
        return self.kind == "OK"


def parse_status_response(line: bytes) -> Status | None:
    """`OK [CODE argument] text` (what follows the tag or `*`), or None if it is no status response.

    OK without any text is tolerated (servers send it, though the grammar asks for one).
    """
    found = _STATUS.fullmatch(line)
    if not found:
        return None
    kind, rest = found[1].decode().upper(), found[2] or b""
    code = _CODE.match(rest)
    raw = line.decode("utf-8", "replace").rstrip()
    if not code:
        return Status(kind, text=rest.decode("utf-8", "replace").strip(), raw=raw)
    text = rest[code.end() :].decode("utf-8", "replace").strip()
    return Status(kind, code[1].decode().upper(), code[2] or b"", text, raw)


def refusal(status: Status, command: str, *, sign_in: bool = False) -> MailctlError:
    """The error that a tagged NO or BAD, or a BYE, of `command` becomes; the server's words are kept raw."""
    if status.kind == "BYE":
        cause = _cause(status) or ("" if status.text else "connection_lost")
        return NetworkError("the server ended the connection", code="bye", cause=cause, server_text=status.raw)
    if sign_in:
        # NOTE: some servers answer BAD to a wrong password (or to a mechanism they offer), so BAD is a refusal here
        return AuthError("the server refused the sign-in", server_text=status.raw)
    if status.kind == "NO":
        return RefusedError(f"the server refused {command}", cause=_cause(status), server_text=status.raw)
    return ProtocolError(f"the server did not understand {command}", cause=_cause(status), server_text=status.raw)


def _cause(status: Status) -> str:
    if not status.code and _FULL.search(status.text):
        return "quota_full"  # NOTE: Cyrus 3.6 tells it in words only, to APPEND
    return CAUSES.get(status.code, "")
