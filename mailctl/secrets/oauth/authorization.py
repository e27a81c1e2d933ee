"""The authorization code grant's first half: the request that a person takes to the browser, and the answer to it.

RFC 6749 section 4.1, with PKCE (RFC 7636, S256 alone) and the issuer of the answer (RFC 9207).
"""

import hmac
from secrets import token_urlsafe
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from mailctl.domain.oauth import Application
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.errors import AuthError, ConfigError
from mailctl.secrets.oauth.answers import RefusalError

MOST_ANSWER = 16 * 1024
"""Characters that a redirected address may have."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXTRA = {"google": {"access_type": "offline", "prompt": "consent"}}
"""What services want besides, so that a refresh token comes with the first one."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """One authorization request. url: where the browser goes; it holds the state, so it isn't logged.

    redirect: the redirect URI in it. issuer: who must have answered, "" if nothing tells. any_tenant: it answers as the
    user's own tenant, so that only its host is known. names_issuer: an answer without its issuer is another's.
    """

    url: Secret
    redirect: str
    state: Secret
    verifier: Secret
    service: str
    issuer: str = ""
    any_tenant: bool = False
    names_issuer: bool = False

    @classmethod
    def begin(cls, application: Application, redirect: str, user: str, library: Any) -> Self:
        """A request with state and verifier of its own; `library`: Authlib's OAuth2Client."""
        service = application.service
        state, verifier = Secret(token_urlsafe(32)), Secret(token_urlsafe(64))
        client = library(
            None,
            application.client_id,
            redirect_uri=redirect,
            scope=" ".join(application.wanted_scopes),
            code_challenge_method="S256",
        )
        extra = dict(_EXTRA.get(service.id, {}))
        if user:
            extra["login_hint"] = user
        url, _ = client.create_authorization_url(
            service.authorization_endpoint, state=state.reveal(), code_verifier=verifier.reveal(), **extra
        )
        return cls(
            Secret(url),
            redirect,
            state,
            verifier,
            service.id,
            service.issuer,
            bool(application.tenant),
            service.names_issuer,
        )

    def answered_by(self, address: str) -> bool:
        """Whether a redirected address answers this request: its state, once in it, is ours."""
        try:
            pairs = parse_qsl(address.partition("?")[2], keep_blank_values=True, max_num_fields=50)
        except ValueError:
            return False
        states = [value for name, value in pairs if name == "state"]
        return len(states) == 1 and self._has_state(states[0])

    def code(self, answer: str) -> Secret:
        """The code in a redirected address (or its query alone).

        Raises AuthError: oauth_state for an answer to another request, oauth_redirect for what is no answer;
        RefusalError for the server's no.
        """
        text = "".join(answer.split()).strip("<>\"'`")  # as it stands in a mail, a shell or a chat
        head = text.partition("=")[0]
        if head.find("?") > 0 and "://" not in head:  # as browsers show it
            text = f"{urlsplit(self.redirect).scheme}://{text}"
        if not text or len(text) > MOST_ANSWER:
            raise _no_answer("is empty" if not text else "is too long")
        whole = ":" in text.partition("=")[0]
        address, _, query = text.partition("?") if whole else ("", "", text)
        if whole and not self._leads_here(address):
            raise _no_answer(f"doesn't begin with {self.redirect}")
        pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True, max_num_fields=50)
        found = dict(pairs)
        for name in ("code", "state"):
            if name in found:
                Secret(found[name])  # masked from here on, whatever comes of it
        if not found.keys() & {"code", "error"}:
            raise _no_answer("holds neither a code nor an error")
        if len(found) < len(pairs):
            raise _no_answer("says something twice")
        if not self._has_state(found.get("state", "")):
            raise AuthError(
                "What came back answers another sign-in than this one: its state is not ours. It was not used",
                hint="Start the sign-in again, and follow the new link to the end.",
                code="oauth_state",
                cause="sign_in_mixed_up",
            )
        if not self._issued(found.get("iss", "")):
            raise AuthError(
                "What came back is from another authorization server than the one that was asked",
                hint="Start the sign-in again.",
                code="oauth_issuer",
                cause="sign_in_mixed_up",
            )
        if "error" in found:
            raise RefusalError(found["error"], found.get("error_description", ""), self.service, "the sign-in")
        if not found["code"]:
            raise _no_answer("holds an empty code")
        return Secret(found["code"])

    def _has_state(self, state: str) -> bool:
        return hmac.compare_digest(state.encode(errors="replace"), self.state.reveal().encode())

    def _leads_here(self, address: str) -> bool:
        """Whether it is the redirect URI, of which a loopback one's port may differ (RFC 8252 section 7.3)."""
        try:
            came, asked = urlsplit(address), urlsplit(self.redirect)
            same_port = came.port == asked.port or came.hostname in _LOOPBACK
        except ValueError:
            return False
        paths = came.path or "/", asked.path or "/"
        return same_port and (came.scheme, came.hostname) == (asked.scheme, asked.hostname) and paths[0] == paths[1]

    def _issued(self, issuer: str) -> bool:
        """RFC 9207 section 2.4: simple string comparison."""
        if not issuer or not self.issuer:
            return not (self.names_issuer and not issuer)
        if not self.any_tenant:
            return issuer == self.issuer
        try:
            return urlsplit(issuer).hostname == urlsplit(self.issuer).hostname
        except ValueError:
            return False


def _no_answer(fault: str) -> AuthError:
    return AuthError(
        f"The redirected address {fault}",
        hint="Copy the whole address from the browser's address bar after agreeing; the page itself may show an error.",
        code="oauth_redirect",
    )


def check_loopback(redirect: str) -> tuple[int, str]:
    """The port (0: any) and path of a redirect URI to this machine (RFC 8252 section 7.3); ConfigError for others."""
    try:
        parts = urlsplit(redirect)
        port = parts.port or 0
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or parts.username or parts.query:
        raise ConfigError(
            f"The redirect {redirect!r} doesn't lead to this machine",
            hint="Use http://127.0.0.1 or http://localhost, as registered; or sign in with --no-browser.",
            code="oauth_redirect",
            cause="redirect_mismatch",
        )
    return port, parts.path or "/"


def with_port(redirect: str, port: int) -> str:
    """A loopback redirect URI with the port that is listened on, as the request has it."""
    parts = urlsplit(redirect)
    return f"http://{parts.hostname}:{port}{parts.path}"
