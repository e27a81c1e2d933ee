"""Sign-in: AUTHENTICATE by the best mechanism on offer (RFC 9051 section 6.2.2), else LOGIN. One attempt, no second."""

from mailctl.domain.secret import BearerToken, Secret
from mailctl.errors import AuthError, NetworkError, ProtocolError
from mailctl.protocols import sasl
from mailctl.protocols.imap.channel import Answer, Channel, quoted
from mailctl.protocols.mechanism import Mechanism

INITIAL = 8000
"""Octets of an initial response that may go with the command: lines have 8,192 (RFC 7162 section 4)."""
_ID = b'ID ("name" "mailctl" "vendor" "mailctl")'


def sign_in(channel: Channel, user: str, secret: Secret) -> str:
    """Sign in once → the mechanism used (`LOGIN command` for that). The caller saw to privacy.

    Learns the capabilities that hold from then on. Raises AuthError: refused (the server's words in `server_text`), or
    no way that can carry user and password (cause auth_not_offered, encryption_required, charset_password). Raises
    UsageError, with nothing sent, for a user or password with line breaks. A token never goes by LOGIN.
    """
    offered = channel.capabilities
    channel.capabilities = frozenset()
    verified = channel.wire.verified
    mechanisms = {word.removeprefix("AUTH=") for word in offered if word.startswith("AUTH=")}
    if isinstance(secret, BearerToken) or mechanisms & set(sasl.usable(secret, verified=verified)):
        chosen = sasl.choose(mechanisms, user, secret, channel.wire.endpoint, verified=verified)
        name = _authenticate(channel, offered, chosen)
    else:
        sasl.check(user, secret)
        name = _login(channel, offered, user, secret)
    if not channel.capabilities:
        _learn_capabilities(channel)
    if "ID" in channel.capabilities:
        # NOTE: NetEase (163, 126, yeah) refuses SELECT to clients that haven't sent ID (RFC 2971). Nobody waits for the
        # answer: it is read, and passed over, with that of the next command.
        channel.send_along(_ID)
    return name


def _learn_capabilities(channel: Channel) -> None:
    try:
        channel.run(b"CAPABILITY").checked("CAPABILITY")
    except NetworkError as error:
        if error.cause == "connection_lost" and not error.server_text:
            what = "the server took the password, then ended the connection without a word"
            raise NetworkError(what, code="ended_after_sign_in", cause=error.cause) from error
        raise


def _authenticate(channel: Channel, offered: frozenset[str], mechanism: Mechanism) -> str:
    """The AUTHENTICATE command, with the initial response in it where the server takes that (SASL-IR, RFC 4959)."""
    exchange = _Exchange(channel, with_initial="SASL-IR" in offered)
    try:
        sasl.converse(mechanism, exchange.begin, exchange.answer, most=INITIAL)
    except ProtocolError:
        channel.end()
        raise
    return mechanism.name


class _Exchange:
    """One AUTHENTICATE as `sasl.converse` wants it: base64 out, the next challenge in, None when we are in."""

    def __init__(self, channel: Channel, *, with_initial: bool) -> None:
        self._channel, self._with_initial = channel, with_initial
        self._tag = b""
        self._answer = Answer()

    def begin(self, name: str, initial: str | None) -> str | None:
        """Send the command, and the initial response in it or after it."""
        if initial is None or self._with_initial:
            words = name if initial is None else f"{name} {initial}"
            self._tag = self._channel.send(b"AUTHENTICATE " + words.encode())
            return self._next()
        self._tag = self._channel.send(b"AUTHENTICATE " + name.encode())
        if self._next() is None:
            raise ProtocolError("the server let us in before it knew who we are", code="unasked")
        return self.answer("" if initial == "=" else initial)

    def answer(self, response: str) -> str | None:
        """Send a response."""
        self._channel.send_line(response.encode())
        return self._next()

    def _next(self) -> str | None:
        with self._channel.guarded():
            while (response := self._channel.read()).tag == b"*":
                self._channel.note(response, self._answer)
            if response.tag == b"+":
                return response.line[1:].strip().decode("ascii", "replace")
            self._channel.conclude(response, self._answer)
        self._answer.checked("AUTHENTICATE", sign_in=True)
        return None


def _login(channel: Channel, offered: frozenset[str], user: str, secret: Secret) -> str:
    """The LOGIN command (RFC 9051 section 6.2.3)."""
    if "LOGINDISABLED" in offered:
        cause = "auth_not_offered" if channel.wire.encrypted else "encryption_required"
        raise sasl.not_offered(secret, "CAPABILITY " + " ".join(sorted(offered)), cause=cause)
    if not (user.isascii() and secret.reveal().isascii()):
        raise AuthError(
            "the server takes only ASCII user names and passwords",
            hint="Set a password of ASCII characters, or ask the provider for another way of signing in.",
            code="charset_password",
            cause="charset_password",
        )
    command = b"LOGIN %s %s" % (quoted(user, "user name"), quoted(secret.reveal(), "password"))
    channel.run(command, secret=True).checked("LOGIN", sign_in=True)
    return "LOGIN command"
