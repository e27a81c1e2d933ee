"""Signing in (SASL, RFC 4422), for all three protocols: client mechanisms without a socket, and which one to take.

Only one mechanism is tried, once: a second attempt can lock an account.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable

from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Endpoint
from mailctl.errors import AuthError, NetworkError, ProtocolError, SecretError
from mailctl.protocols.arguments import argument
from mailctl.protocols.mechanism import Mechanism, senseless

STEPS = 10
"""Challenges that one exchange may have; SCRAM has three."""
INITIAL = 400
"""Octets of an initial response that may go with the command in SMTP, whose lines have 512 (RFC 4954 section 4)."""
TOKEN_MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
"""What a token goes by, see `sasl_oauth`; where nothing is preferred, the one that is a standard first."""
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-1")
_PLAIN = ("PLAIN", "LOGIN")
_CRAM = ("CRAM-MD5",)


def order(*, verified: bool) -> tuple[str, ...]:
    """Mechanisms in the order in which they are preferred.

    Inside TLS with the right peer (`verified`) the password itself comes first: CRAM-MD5 and SCRAM protect little there
    that TLS does not, while they fail for an account whose password is stored as another kind of hash, offered or not;
    and there is only one attempt. Elsewhere the password itself comes last.
    """
    return _PLAIN + _SCRAM + _CRAM if verified else _SCRAM + _CRAM + _PLAIN


def choose(offered: Iterable[str], user: str, secret: Secret, endpoint: Endpoint, *, verified: bool) -> Mechanism:
    """The best mechanism among those `offered` (any case) that can carry this user name and password or token.

    endpoint: the one that was dialed, which a token's mechanism tells. Raises AuthError with cause auth_not_offered, or
    charset_password if none can carry them; see `mechanism` too.
    """
    names = {name.upper() for name in offered}
    refusal: AuthError | None = None
    for name in usable(secret, verified=verified):
        if name in names:
            try:
                return mechanism(name, user, secret, endpoint)
            except AuthError as error:
                refusal = error
    raise refusal or not_offered(secret, " ".join(sorted(names)))


def usable(secret: Secret, *, verified: bool) -> tuple[str, ...]:
    """The mechanisms that may carry `secret`, the preferred one first. None carries both kinds."""
    if not isinstance(secret, BearerToken):
        return order(verified=verified)
    preferred = [name for name in secret.mechanisms if name in TOKEN_MECHANISMS]
    return tuple(dict.fromkeys((*preferred, *TOKEN_MECHANISMS)))


def not_offered(secret: Secret, offered: str, *, cause: str = "auth_not_offered") -> AuthError:
    """The error where nothing that can carry `secret` is on offer. offered: in the server's words."""
    what = "an OAuth token" if isinstance(secret, BearerToken) else "a password"
    return AuthError(
        f"The server offers no way of signing in with {what} that mailctl knows",
        code="no_mechanism",
        cause=cause,
        server_text=offered,
    )


def mechanism(name: str, user: str, secret: Secret, endpoint: Endpoint) -> Mechanism:
    """The mechanism `name`, ready to begin. Raises AuthError (charset_password) if it can't carry user or password.

    UsageError for what may not be sent at all (line breaks, NUL, length); SecretError for an empty secret.
    """
    if isinstance(secret, BearerToken):
        from mailctl.protocols import sasl_oauth

        return sasl_oauth.mechanism(name, user, secret, endpoint)
    check(user, secret)
    if name in _SCRAM:
        return Scram(name, user, secret)
    makers: dict[str, Callable[[str, Secret], Mechanism]] = {
        "PLAIN": Plain,
        "LOGIN": LoginMechanism,
        "CRAM-MD5": CramMd5,
    }
    return makers[name](user, secret)


def check(user: str, secret: Secret) -> None:
    """UsageError unless both may be sent at all (line breaks, NUL, length); SecretError for an empty password."""
    argument(user, "user name")
    argument(secret.reveal(), "password")
    if not secret:
        raise SecretError("The password is empty", hint="`mailctl gateway password set` keeps another.", code="empty")


class Plain(Mechanism):
    """RFC 4616."""

    name, client_first = "PLAIN", True

    def __init__(self, user: str, secret: Secret) -> None:
        self._user, self._secret = user, secret

    def step(self, challenge: bytes) -> bytes:
        if challenge:
            raise senseless(self.name)
        return f"\0{self._user}\0{self._secret.reveal()}".encode()


class LoginMechanism(Mechanism):
    """The LOGIN mechanism: never standardised, asked for by many (draft-murchison-sasl-login)."""

    name, client_first = "LOGIN", False

    def __init__(self, user: str, secret: Secret) -> None:
        self._user, self._secret, self._asked = user, secret, 0

    def step(self, challenge: bytes) -> bytes:
        self._asked += 1
        if self._asked > 2:
            raise senseless(self.name)
        return (self._user if self._asked == 1 else self._secret.reveal()).encode()


class CramMd5(Mechanism):
    """RFC 2195; user and password in UTF-8."""

    name, client_first = "CRAM-MD5", False

    def __init__(self, user: str, secret: Secret) -> None:
        self._user, self._secret, self._asked = user, secret, False

    def step(self, challenge: bytes) -> bytes:
        if self._asked or not challenge:
            raise senseless(self.name)
        self._asked = True
        import hmac

        digest = hmac.new(self._secret.reveal().encode(), challenge, "md5").hexdigest()
        return f"{self._user} {digest}".encode()


class Scram(Mechanism):
    """RFC 5802 and RFC 7677, without channel binding, by the scramp library; the server proves itself too."""

    client_first = True

    def __init__(self, name: str, user: str, secret: Secret) -> None:
        from scramp import ScramClient, ScramException

        self.name, self._asked, self._proven = name, 0, False
        try:
            self._client = ScramClient([name], user, secret.reveal())
        except ScramException:
            raise AuthError(
                f"The user name or password has characters that {name} does not allow (SASLprep)",
                code="charset_password",
                cause="charset_password",
            ) from None  # the library's words may quote the password

    def step(self, challenge: bytes) -> bytes:
        from scramp import ScramException

        self._asked += 1
        try:
            message = challenge.decode()
            if self._asked == 1:
                return str(self._client.get_client_first()).encode()
            if self._asked == 2:
                self._client.set_server_first(message)
                return str(self._client.get_client_final()).encode()
            if self._asked == 3 and not message.startswith("e="):
                self._client.set_server_final(message)
                self._proven = True
        except (ScramException, UnicodeDecodeError):
            raise senseless(self.name) from None  # as above
        return b""  # after e=… the refusal itself follows

    def finish(self) -> None:
        if not self._proven:
            raise ProtocolError("The server let us in without proving that it knows the password", code="unproven")


def converse(
    mechanism: Mechanism,
    begin: Callable[[str, str | None], str | None],
    answer: Callable[[str], str | None],
    *,
    most: int = INITIAL,
) -> None:
    """Carry `mechanism` out: the one base64 exchange of AUTH and AUTHENTICATE.

    begin(name, initial response or None) and answer(response) send base64 text and give back the next challenge as it
    came, or None when the server says that we are in; they raise AuthError when it refuses. most: octets of an initial
    response that may go with the command; a longer one waits to be asked. Raises ProtocolError when the server leaves
    the script; the caller then ends the connection.
    """
    initial = _encoded(mechanism.step(b"")) if mechanism.client_first else None
    waiting = initial if initial is not None and len(initial) > most else None
    try:
        challenge = begin(mechanism.name, None if waiting else "=" if initial == "" else initial)
        for _ in range(STEPS):
            if challenge is None:
                mechanism.finish()
                return
            if waiting is not None:
                response, waiting = waiting, None
            else:
                response = _encoded(mechanism.step(_decoded(challenge)))
            challenge = answer(response)
    except (AuthError, NetworkError) as error:
        told = mechanism.refused(error)
        raise told from (error if told is not error else error.__cause__)
    raise ProtocolError("The server does not come to the end of the sign-in", code="too_much")


def _encoded(response: bytes) -> str:
    """`response` in base64, known as a secret from now on: servers quote what they don't understand."""
    text = b64encode(response).decode()
    return Secret(text).reveal() if len(response) > 1 else text  # shorter ones say nothing but "go on"


def _decoded(challenge: str) -> bytes:
    try:
        return b64decode(challenge, validate=True)
    except (Base64Error, ValueError):
        raise ProtocolError("The server sent a challenge that is no base64", code="bad_challenge") from None
