"""What Authlib sends its requests by, over an `HttpPoster`; and the ways in which a client proves itself."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from mailctl.domain.deadline import Deadline
from mailctl.domain.oauth import HttpAnswer, HttpPoster
from mailctl.domain.secret import Secret
from mailctl.errors import NetworkError, ProtocolError, TlsError
from mailctl.secrets.oauth.answers import RefusalError, facts_of

Read = Callable[[HttpAnswer, str, str], dict[str, Any]]
"""Reads an answer, as `answers.facts_of` does."""
HEADERS = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
_ISSUERS = frozenset({"tls_unknown_issuer", "tls_self_signed"})
_AUTHORITY = (
    "If it is of an organisation's own authority, add that to those that this machine trusts (Debian: "
    "/usr/local/share/ca-certificates, then update-ca-certificates), or name its file in SSL_CERT_FILE."
)
"""A server's `ca_file` is for its mail protocols alone."""
_AWAY = "Try again later; if it goes on, see whether a proxy or firewall keeps this machine from it."


def revoked(answer: HttpAnswer, url: str, doing: str) -> dict[str, Any]:
    """RFC 7009 section 2.2: status 200 is all that counts, the body is ignored."""
    return {} if answer.status == 200 else facts_of(answer, url, doing)


def by_basic(client_id: str, secret: Secret | None) -> Secret | None:
    """The header with which a client proves itself by HTTP Basic (RFC 6749 section 2.3.1); None without a secret."""
    if secret is None:
        return None
    # the form's encoding, which Authlib leaves out; a space as %20, which all understand
    both = f"{quote(client_id, safe='')}:{quote(secret.reveal(), safe='')}"
    return Secret(f"Basic {b64encode(both.encode('ascii')).decode('ascii')}")


class NoClient:
    """For a request that proves itself: nothing is said of the client."""

    @staticmethod
    def prepare(method: str, url: str, headers: dict[str, str], body: str) -> tuple[str, dict[str, str], str]:
        return url, headers, body


class Session:
    """What Authlib asks of a session of the library requests.

    doing: what is asked for, for messages. basic: see `by_basic`; with it a client is shown once more that was not
    believed by the form: some services take only one way, and each of the two is somebody's only one.

    facts: what the last answer said. Authlib itself is told that all is well and nothing else: it takes numbers and
    types as they come.
    """

    status_code = 200

    def __init__(self, post: HttpPoster, deadline: Deadline, doing: str, read: Read, basic: Secret | None) -> None:
        self._post, self._deadline, self._doing, self._read, self._basic = post, deadline, doing, read, basic
        self.facts: dict[str, Any] = {}

    def post(self, url: str, *, data: Mapping[str, str], headers: Mapping[str, str] | None, auth: Any) -> Self:
        plain = {**HEADERS, **(headers or {})}
        try:
            self._send(*auth.prepare("POST", url, dict(plain), urlencode(data)))
        except RefusalError as refusal:
            if refusal.error != "invalid_client" or self._basic is None:
                raise
            self._send(url, {**plain, "Authorization": self._basic.reveal()}, urlencode(data))
        return self

    def _send(self, url: str, headers: Mapping[str, str], body: str) -> None:
        try:
            answer = self._post(url, body.encode("ascii"), headers, self._deadline)
        except ProtocolError as error:
            error.cause = error.cause or "protocol_violation"
            raise
        except TlsError as error:
            if error.cause in _ISSUERS:
                error.hint = error.hint or _AUTHORITY
            raise
        except NetworkError as error:
            if error.cause.startswith(("tcp_", "connection_")):
                error.hint = error.hint or _AWAY
            raise
        self.facts = self._read(answer, url, self._doing)

    @staticmethod
    def json() -> dict[str, Any]:
        return {}
