"""Sign-in: AUTHENTICATE by the best mechanism on offer (RFC 9051 section 6.2.2), else LOGIN. One attempt, no second."""

from mailctl.domain.secret import Secret
from mailctl.errors import AuthError
from mailctl.protocols import arguments
from mailctl.protocols.imap.channel import Channel, quoted


def sign_in(channel: Channel, user: str, secret: Secret, *, allow_plaintext: bool) -> str:
    """Sign in once → the mechanism used (`LOGIN` for the command). Learns the capabilities that hold from then on.

    Raises AuthError: refused (the server's words in `server_text`), or no safe way (cause encryption_required,
    auth_not_offered, charset_password). Raises UsageError, with nothing sent, for a user or password with line breaks.
    """
    arguments.argument(user, "user name")
    arguments.argument(secret.reveal(), "password")
    if not channel.wire.secret_allowed(allow_plaintext=allow_plaintext):
        raise AuthError(
            "the connection is not encrypted, so the password was not sent",
            hint="Use tls or starttls; `allow_plaintext` of the gateway permits it all the same.",
            code="plaintext_refused",
            cause="encryption_required",
        )
    before = channel.capabilities
    channel.capabilities = frozenset()
    mechanism = _login(channel, before, user, secret)
    if not channel.capabilities:
        channel.run(b"CAPABILITY").checked("CAPABILITY")
    if "ID" in channel.capabilities:
        # NOTE: NetEase (163, 126, yeah) refuses SELECT to clients that haven't sent ID (RFC 2971). Nobody waits for the
        # answer: it is read, and passed over, with that of the next command.
        channel.send(b'ID ("name" "mailctl" "version" "1" "vendor" "mailctl")')
    return mechanism


def _login(channel: Channel, offered: frozenset[str], user: str, secret: Secret) -> str:
    """The LOGIN command (RFC 9051 section 6.2.3)."""
    if "LOGINDISABLED" in offered:
        encrypted = channel.wire.encrypted
        raise AuthError(
            "the server offers no way to sign in that mailctl knows",
            code="no_mechanism",
            cause="auth_not_offered" if encrypted else "encryption_required",
            server_text="CAPABILITY " + " ".join(sorted(offered)),
        )
    if not (user.isascii() and secret.reveal().isascii()):
        raise AuthError(
            "the server offers only ways to sign in that can't carry a password or user name outside ASCII",
            hint="Set a password of plain letters, digits and signs.",
            code="charset",
            cause="charset_password",
        )
    command = b"LOGIN %s %s" % (quoted(user, "user name"), quoted(secret.reveal(), "password"))
    answer = channel.run(command, secret=True).checked("LOGIN", sign_in=True)
    if answer.status.code == "CAPABILITY":
        channel.learn(answer.status.argument)
    return "LOGIN"
