"""POP3 (RFC 1939, 2449, 5034): signing in, and the check session."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, MailctlError, ProtocolError, RefusedError
from mailctl.protocols import sasl
from mailctl.protocols.buffer import decode
from mailctl.protocols.pop3_reply import read_lines, read_status
from mailctl.protocols.session import Climb, WireSession
from mailctl.protocols.transcript import Transcript
from mailctl.protocols.wire import Wire

if TYPE_CHECKING:
    from mailctl.protocols.pop3_mailbox import Pop3Mailbox

RESPONSE = 1 << 16
"""Octets that a response other than a message or a listing may have."""
CAPABILITIES = 200
"""Lines that CAPA may answer."""
INITIAL = 200
"""Octets of an initial response that may go with AUTH, whose line has 255 (RFC 5034 section 4)."""
BEYOND = 3.0
"""Seconds for what is asked besides."""


def pop3_session(
    job: CheckJob, secret: Secret | None, deadline: Deadline, transcript: Transcript | None = None
) -> Session:
    """A session for `job`; without a secret it ends before signing in. See `domain.check.Session`."""
    return Pop3Session(job, secret, deadline, transcript)


class Pop3Session(WireSession):
    """The ladder of POP3: … greeting, (starttls,) capability, authenticate, stat."""

    protocol = Protocol.POP3
    farewell = b"QUIT"  # nothing was marked for deletion
    capabilities: Mapping[str, str] | None = None
    """What CAPA told (see `ask_capabilities`), from "capability" on."""

    def mailbox(self) -> "Pop3Mailbox":
        """The mailbox; there is one from "authenticate" on."""
        from mailctl.protocols.pop3_mailbox import Pop3Mailbox

        told = self.capabilities or {}
        words = told.get("LOGIN-DELAY", "").split()
        delay = int(words[0][:9]) if words and words[0].isascii() and words[0].isdigit() else 0
        return Pop3Mailbox(self.wire, frozenset(told), delay)

    def rungs(self, security: Security) -> dict[str, Climb]:
        """See `WireSession`."""
        rungs: dict[str, Climb] = {"starttls": self._starttls} if security is Security.STARTTLS else {}
        rungs["capability"] = self._capability
        if self.secret is not None:
            rungs |= {"authenticate": self._authenticate, "stat": self._stat}
        return rungs

    def _starttls(self) -> Mapping[str, object]:
        before = list(self.prefix.capabilities())
        return {"capabilities_before_tls": before} | self.tls_evidence(self.prefix.start_tls())

    def _capability(self) -> Mapping[str, object]:
        self.capabilities = ask_capabilities(self.wire)
        if self.capabilities is None:
            return {"capabilities": None}
        return {"capabilities": _lines(self.capabilities)}

    def _authenticate(self) -> Mapping[str, object]:
        assert self.secret is not None  # else there is no such stage  # noqa: S101
        warnings = self.require_privacy()
        return {"mechanism": sign_in(self.wire, self.capabilities, self.job.login.user, self.secret), **warnings}

    def _stat(self) -> Mapping[str, object]:
        text = command(self.wire, b"STAT", "refuses STAT")
        words = text.split()
        if len(words) < 2 or not all(word.isascii() and word.isdigit() and len(word) < 20 for word in words[:2]):
            raise ProtocolError(f"{self.wire.endpoint} answers STAT in no known way", server_text=text)
        messages = int(words[0])
        return {"messages": messages, "octets": int(words[1])} | self._beyond(messages)

    def _beyond(self, messages: int) -> dict[str, object]:
        """Evidence beyond sign-in; whatever comes of it, the check has passed.

        uidl: whether UIDL works, which servers without CAPA don't say; not there if nothing tells. capabilities: of
        this user, where EXPIRE or LOGIN-DELAY differ from user to user (RFC 2449 sections 6.5, 6.7).
        """
        told = self.capabilities or {}
        learned: dict[str, object] = {}
        try:
            self.wire.deadline = Deadline(self.wire.deadline.remaining(BEYOND))
            if any("USER" in told.get(name, "").upper().split() for name in ("EXPIRE", "LOGIN-DELAY")):
                told = self.capabilities = ask_capabilities(self.wire) or told
                learned["capabilities"] = _lines(told)
            if "UIDL" in told:
                learned["uidl"] = True
            elif messages:
                self.wire.allowance = RESPONSE
                self.wire.send(b"UIDL 1\r\n")
                learned["uidl"] = read_status(self.wire)[0]
        except MailctlError:
            return learned
        return learned


def ask_capabilities(wire: Wire) -> dict[str, str] | None:
    """CAPA → keywords in upper case with their arguments; None from a server that doesn't know it (RFC 2449)."""
    wire.allowance = RESPONSE
    wire.send(b"CAPA\r\n")
    ok, _ = read_status(wire)
    if not ok:
        return None
    lines = (decode(line).strip().partition(" ") for line in read_lines(wire, CAPABILITIES))
    return {keyword.upper(): words.strip() for keyword, _, words in lines if keyword}


def sign_in(wire: Wire, capabilities: Mapping[str, str] | None, user: str, secret: Secret) -> str:
    """Sign in, once, by the best way on offer → its name (`USER` for USER and PASS). The caller saw to privacy.

    Raises AuthError with the server's words if it refuses, with a cause if nothing was sent. A token never goes by
    USER and PASS, and waits to be asked: Exchange takes no initial response.
    """
    offered = (capabilities or {}).get("SASL", "").split()
    token = isinstance(secret, BearerToken)
    if token or {name.upper() for name in offered} & set(sasl.usable(secret, verified=wire.verified)):
        chosen = sasl.choose(offered, user, secret, wire.endpoint, verified=wire.verified)
        sasl.converse(
            chosen,
            lambda name, initial: _challenge(wire, f"AUTH {name}" + ("" if initial is None else f" {initial}")),
            lambda response: _challenge(wire, response),
            most=0 if token else INITIAL,
        )
        return chosen.name
    sasl.check(user, secret)
    if capabilities is not None and "USER" not in capabilities:
        cause = "auth_not_offered" if wire.encrypted or "STLS" not in capabilities else "encryption_required"
        raise sasl.not_offered(secret, "\n".join(_lines(capabilities)), cause=cause)
    _user_and_pass(wire, capabilities, user, secret)
    return "USER"


def _user_and_pass(wire: Wire, capabilities: Mapping[str, str] | None, user: str, secret: Secret) -> None:
    if not (user.isascii() and secret.reveal().isascii()):
        if "USER" not in (capabilities or {}).get("UTF8", "").upper().split():
            raise AuthError(
                f"{wire.endpoint} takes only ASCII user names and passwords",
                hint="Set a password of ASCII characters, or ask the provider for another way of signing in.",
                code="charset_password",
                cause="charset_password",
            )
        command(wire, b"UTF8", "refuses UTF8")  # RFC 6856 section 2.1
    for name, value in (("USER", user), ("PASS", secret.reveal())):
        wire.allowance = RESPONSE
        wire.send(f"{name} {value}\r\n".encode(), secret=name == "PASS")
        ok, text = read_status(wire)
        if not ok:
            raise _refused(wire, text)


def _challenge(wire: Wire, line: str) -> str | None:
    """Send a line of AUTH → the challenge, or None when we are in (RFC 5034 section 4)."""
    wire.allowance = RESPONSE
    wire.send(line.encode() + b"\r\n", secret=not line.startswith("AUTH "))
    answer = wire.readline()
    if answer.startswith(b"+ ") or answer.rstrip() == b"+":
        return decode(answer[1:]).strip()
    word, _, text = decode(answer).partition(" ")
    if word.upper() == "+OK":
        return None
    if word.upper() == "-ERR":
        raise _refused(wire, text)
    raise ProtocolError(f"{wire.endpoint} sent something that is no POP3 response", server_text=decode(answer))


def command(wire: Wire, line: bytes, refusal: str) -> str:
    """Send `line` (already checked), take a single-line response → the server's words. RefusedError for -ERR."""
    wire.allowance = RESPONSE
    wire.send(line + b"\r\n")
    ok, text = read_status(wire)
    if not ok:
        raise RefusedError(f"{wire.endpoint} {refusal}", server_text=f"-ERR {text}")
    return text


def _lines(capabilities: Mapping[str, str]) -> list[str]:
    return [f"{name} {words}".strip() for name, words in capabilities.items()]


def _refused(wire: Wire, text: str) -> AuthError:
    return AuthError(f"{wire.endpoint} refuses the sign-in", server_text=f"-ERR {text}")
