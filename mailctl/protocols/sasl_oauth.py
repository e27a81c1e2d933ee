"""Signing in with an OAuth access token, without a socket: OAUTHBEARER (RFC 7628), XOAUTH2 (Google's, Microsoft's).

A token goes by these mechanisms and no other, a password never by them. Both begin with the client's words; a server
that refuses tells why in a challenge, as JSON, and waits for an answer that says nothing before it says so as well.
"""

from mailctl.domain.record import dataclass
from mailctl.domain.secret import BearerToken, mask_own
from mailctl.domain.server import Endpoint
from mailctl.errors import AuthError, MailctlError, ProtocolError, SecretError, UsageError
from mailctl.protocols import arguments
from mailctl.protocols.idn import a_labels
from mailctl.protocols.mechanism import Mechanism, senseless

TOKEN = 1 << 15
"""Octets that a token may have. Each server has a bound of its own and tells it: 9,200 by RFC 4954, section 4."""
CHALLENGE = 1 << 13
"""Octets of a refusal that are read; they have about a hundred."""
TOLD = 300
"""Characters that are kept of each thing that a refusal tells."""
SURE = 4096
"""Octets of a client's message that no server is known to find too many; Dovecot 2.3 hangs up beyond 6,144."""
_LENGTH = "5.5.6"
"""RFC 4954 section 6: the exchange has too long a line."""
_SEPARATOR = "\x01"
_SCOPES = frozenset({"insufficient_scope", "403"})
"""What says that another right is needed: a new token of the same sign-in would have the same ones."""
_TOKENS = frozenset({"invalid_token", "400", "401"})
"""What says that the token is no good: invalid, expired, revoked, or somebody else's; RFC 6750 section 3.1, HTTP."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server tells of a token that it doesn't take (RFC 7628 section 3.2.2). "" for what it leaves out.

    status: an error of RFC 6750 section 3.1 such as `invalid_token`, or a status of HTTP. scope: what is needed.
    configuration: where the authorization server describes itself. raw: all of it, in the server's words.
    """

    status: str = ""
    scope: str = ""
    configuration: str = ""
    raw: str = ""


def mechanism(name: str, user: str, token: BearerToken, endpoint: Endpoint) -> Mechanism:
    """The mechanism `name`, `OAUTHBEARER` or `XOAUTH2`, ready to begin.

    Raises UsageError for a user name or token that it can't carry, SecretError for an empty token.
    """
    if not token:
        raise SecretError("The access token is empty", code="empty")
    arguments.argument(user, "user name")
    arguments.word(token.reveal(), "access token", most=TOKEN)  # RFC 6750 section 2.1 has fewer letters still
    if _SEPARATOR in user:
        raise UsageError("The user name has a control character in it", hint="Nothing was sent.", code="bad_argument")
    return OAuthBearer(user, token, endpoint) if name == "OAUTHBEARER" else XOAuth2(user, token)


class _Bearer(Mechanism):
    """What both have in common: one message, and the refusal in a challenge. farewell: the answer to that."""

    client_first = True
    farewell = b""

    def __init__(self, user: str, token: BearerToken) -> None:
        self._user, self._token = user, token
        self._begun, self._size = False, 0
        self._refusal: Refusal | None = None

    def first(self) -> str:
        """The client's message."""
        raise NotImplementedError

    def step(self, challenge: bytes) -> bytes:
        if not self._begun:
            self._begun = True
            first = self.first().encode()
            self._size = len(first)
            return first
        if self._refusal is not None:
            raise senseless(self.name)
        self._refusal = read_refusal(challenge)
        return self.farewell

    def finish(self) -> None:
        if self._refusal is not None:
            raise ProtocolError("The server refused the access token, then let us in", code="unproven")

    def refused(self, error: MailctlError) -> MailctlError:
        """With cause, code (`token_refused`: another token may do) and words of the refusal."""
        if not isinstance(error, AuthError):
            cut = error.cause in ("connection_lost", "tcp_reset")
            return self._too_long(error) if cut and self._size > SURE else error
        told = self._refusal or Refusal()
        if told.raw:
            error.server_text = f"{error.server_text}\n{told.raw}"
        if told.status in _SCOPES:
            error.cause = "scope_missing"
        elif told.status in _TOKENS:
            error.cause, error.code = "token_rejected", "token_refused"
        elif _LENGTH in error.server_text:
            return self._too_long(error)
        elif not told.status and not _passing(error.server_text):
            error.code = "token_refused"
        facts = {"status": told.status, "scope": told.scope, "openid_configuration": told.configuration}
        error.detail |= {name: value for name, value in facts.items() if value}
        return error

    def _too_long(self, error: MailctlError) -> AuthError:
        return AuthError(
            f"The access token has {len(self._token.reveal())} characters, more than the server takes",
            code="token_too_long",
            cause="token_too_long",
            server_text=error.server_text,
        )


class OAuthBearer(_Bearer):
    """RFC 7628 section 3.1: the GS2 header, then key and value pairs."""

    name, farewell = "OAUTHBEARER", b"\x01"

    def __init__(self, user: str, token: BearerToken, endpoint: Endpoint) -> None:
        super().__init__(user, token)
        self._endpoint = endpoint

    def first(self) -> str:
        """The client's message; in the user name, `=` and `,` are written as RFC 5801 section 4 has them."""
        user = self._user.replace("=", "=3D").replace(",", "=2C")
        pairs = (
            f"host={a_labels(self._endpoint.host)}",
            f"port={self._endpoint.port}",
            f"auth=Bearer {self._token.reveal()}",
        )
        return _SEPARATOR.join((f"n,a={user},", *pairs, "", ""))


class XOAuth2(_Bearer):
    """https://developers.google.com/workspace/gmail/imap/xoauth2-protocol, which Microsoft took over."""

    name = "XOAUTH2"

    def first(self) -> str:
        """The client's message."""
        return _SEPARATOR.join((f"user={self._user}", f"auth=Bearer {self._token.reveal()}", "", ""))


def read_refusal(challenge: bytes) -> Refusal:
    """The challenge by which a server refuses; whatever it is, it is a refusal. Never raises."""
    import json

    raw = mask_own(challenge[:CHALLENGE].decode("utf-8", "backslashreplace"))  # half a token would not be recognised
    shown = raw if len(raw) <= 3 * TOLD else f"{raw[: 3 * TOLD]}…"
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):  # no JSON, or numbers and brackets beyond all sense
        return Refusal(raw=shown)
    if not isinstance(told, dict):
        return Refusal(raw=shown)
    found = {key: _text(told.get(key)) for key in ("status", "scope", "openid-configuration")}
    return Refusal(found["status"].lower(), found["scope"], found["openid-configuration"], shown)


def _text(value: object) -> str:
    """A JSON string, or a number (some servers send the status as one), as text."""
    return str(value)[:TOLD] if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _passing(text: str) -> bool:
    """Whether a refusal in words alone is not about the token: it says that it passes, or what else it is about.

    RFC 5530 section 3, RFC 2449 section 8.1, RFC 3206: any response code but those of a wrong secret. SMTP: 4yz.
    """
    code = text.removeprefix("-ERR ").removeprefix("NO ").removeprefix("BAD ").lstrip()
    if code.startswith("["):
        return not code.upper().startswith(("[AUTHENTICATIONFAILED", "[EXPIRED", "[AUTH]"))
    return text.startswith("4")
