"""The options that describe a gateway, declared once for `add` and `edit`, and what they make of one. Pure."""

from dataclasses import fields, replace
from enum import StrEnum
from typing import Annotated, Any

import typer

from mailctl.cli import password_options as passwords
from mailctl.cli.password_options import PasswordWays
from mailctl.domain.gateway import Gateway, Inbound, Login, Mode, Outbound, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol
from mailctl.domain.units import check_since, seconds_of, size_octets
from mailctl.errors import UsageError


class InboundProtocol(StrEnum):
    """What mail can come in by."""

    IMAP = "imap"
    POP3 = "pop3"


class KeptSecret(StrEnum):
    """Secret sources that need no further word."""

    KEYRING = "keyring"
    ENCRYPTED = "encrypted"
    OAUTH = "oauth"


def _flag(names: str, text: str) -> Any:
    return typer.Option(names, help=text, show_default=False)


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What the command line says of a gateway; None: nothing."""

    server: Annotated[str | None, typer.Option(metavar="SERVER", help="The server it goes through.")] = None
    email: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The mailbox's address.")] = None
    login: Annotated[
        str | None, typer.Option(metavar="USER", help="Sign in as; by default what the provider expects.")
    ] = None
    smtp_login: Annotated[
        str | None, typer.Option(metavar="USER", help="Sign in to SMTP as, where that differs; '' for no difference.")
    ] = None
    secret: Annotated[
        KeptSecret | None, typer.Option(help="Where the password is, or will be, without giving it now.")
    ] = None
    oauth: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Sign in by this OAuth application; '' for that of the server's provider."),
    ] = None
    owner: Annotated[str | None, typer.Option(metavar="WHO", help="Whose mailbox it is.")] = None
    shared: Annotated[bool | None, _flag("--shared/--no-shared", "Whether several people use it.")] = None
    display_name: Annotated[str | None, typer.Option(metavar="NAME", help="The name on mail it sends.")] = None
    reply_to: Annotated[str | None, typer.Option(metavar="ADDRESS", help="Where answers go; '' for nowhere else.")] = (
        None
    )
    order: Annotated[int | None, typer.Option(metavar="N", help="Its place in lists, least first; default 100.")] = None
    enabled: Annotated[bool | None, _flag("--enabled/--disabled", "Whether sync and test --all use it.")] = None
    allow_plaintext: Annotated[
        bool | None, _flag("--allow-plaintext/--no-allow-plaintext", "Whether its password may travel unencrypted.")
    ] = None
    inbound: Annotated[bool | None, _flag("--inbound/--no-inbound", "Whether mail comes in.")] = None
    protocol: Annotated[InboundProtocol | None, typer.Option(help="How mail comes in.")] = None
    mode: Annotated[
        Mode | None,
        typer.Option(help="archive: nothing disappears here; mirror: what changes on one side changes on the other."),
    ] = None
    folder: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Folders to sync; repeatable; default all.")
    ] = None
    keep_on_server: Annotated[
        bool | None, _flag("--keep-on-server/--no-keep-on-server", "Whether mail stays on the server once it is here.")
    ] = None
    delete_after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Remove mail from the server so long after it came here: 14d.")
    ] = None
    mark_seen: Annotated[
        bool | None, _flag("--mark-seen/--no-mark-seen", "Whether fetched mail is marked as read on the server.")
    ] = None
    propagate_deletes: Annotated[
        bool | None,
        _flag("--propagate-deletes/--no-propagate-deletes", "Whether mail deleted here is deleted on the server."),
    ] = None
    since: Annotated[str | None, typer.Option(metavar="DATE|AGE", help="Only mail since 2026-01-31, or 90d.")] = None
    max_per_run: Annotated[int | None, typer.Option(metavar="N", help="At most so many messages a run.")] = None
    max_size: Annotated[str | None, typer.Option(metavar="SIZE", help="Only messages up to this size: 25MB.")] = None
    interval: Annotated[str | None, typer.Option(metavar="TIME", help="How often it is due: 15m.")] = None
    maildir: Annotated[str | None, typer.Option(metavar="DIR", help="Where its mail lies, if not the usual place.")] = (
        None
    )
    outbound: Annotated[bool | None, _flag("--outbound/--no-outbound", "Whether mail goes out.")] = None
    upload_sent: Annotated[
        bool | None, _flag("--upload-sent/--no-upload-sent", "Whether sent mail is filed on the server by mailctl.")
    ] = None
    attachment_limit: Annotated[str | None, typer.Option(metavar="SIZE", help="Largest attachment to send.")] = None
    daily_limit: Annotated[int | None, typer.Option(metavar="N", help="Most messages to send a day.")] = None

    def apply(self, gateway: Gateway) -> Gateway:
        """`gateway` with what the options say, logins' sources apart. Raises UsageError."""
        plain = {
            name: value
            for name in ("server", "email", "owner", "shared", "display_name", "reply_to", "order", "enabled")
            if (value := getattr(self, name)) is not None
        }
        if self.allow_plaintext is not None:
            plain["allow_plaintext"] = self.allow_plaintext
        gateway = replace(gateway, **plain, login=self._login(gateway), smtp_login=self._smtp_login(gateway))
        inbound = {name: value for name, value in self._inbound().items() if value is not None}
        outbound = {name: value for name, value in self._outbound().items() if value is not None}
        return replace(
            gateway,
            inbound=replace(gateway.inbound, **inbound),
            outbound=replace(gateway.outbound, **outbound),
        )

    def _login(self, gateway: Gateway) -> Login:
        login = replace(gateway.login, user=self.login) if self.login is not None else gateway.login
        if self.oauth is not None:
            argument = (self.oauth, SourceKind.KEYRING.value) if self.oauth else ()
            return replace(login, secret=SecretSource(SourceKind.OAUTH, argument))
        return replace(login, secret=SecretSource(SourceKind(self.secret.value))) if self.secret else login

    @property
    def by_token(self) -> bool:
        """Whether they ask for sign-in by OAuth."""
        return self.oauth is not None or self.secret is KeptSecret.OAUTH

    def _smtp_login(self, gateway: Gateway) -> Login | None:
        if self.smtp_login is None:
            return gateway.smtp_login
        if not self.smtp_login:
            return None
        return replace(gateway.smtp_login or Login(""), user=self.smtp_login)

    def _inbound(self) -> dict[str, Any]:
        return {
            "enabled": self.inbound,
            "protocol": Protocol(self.protocol.value) if self.protocol else None,
            "mode": self.mode,
            "folders": tuple(self.folder) if self.folder else None,
            "keep_on_server": self.keep_on_server,
            "delete_after": None if self.delete_after is None else seconds_of(self.delete_after),
            "mark_seen": self.mark_seen,
            "propagate_deletes": self.propagate_deletes,
            "since": None if self.since is None else check_since(self.since),
            "max_per_run": self.max_per_run,
            "max_size": None if self.max_size is None else size_octets(self.max_size),
            "interval": None if self.interval is None else seconds_of(self.interval),
            "maildir": self.maildir,
        }

    def _outbound(self) -> dict[str, Any]:
        return {
            "enabled": self.outbound,
            "upload_sent": self.upload_sent,
            "attachment_limit": None if self.attachment_limit is None else size_octets(self.attachment_limit),
            "daily_limit": self.daily_limit,
        }


@dataclass(frozen=True, slots=True)
class PasswordOptions:
    """How the passwords come."""

    password_stdin: passwords.PasswordStdin = False
    password_command: passwords.PasswordCommand = None
    password_env: passwords.PasswordEnv = None
    password_file: passwords.PasswordFile = None
    encrypted: passwords.Encrypted = False
    smtp_password_stdin: passwords.SmtpPasswordStdin = False
    smtp_password_command: passwords.SmtpPasswordCommand = None
    smtp_password_env: passwords.SmtpPasswordEnv = None
    smtp_password_file: passwords.SmtpPasswordFile = None

    def ways(self) -> PasswordWays:
        """Those of the main login."""
        return PasswordWays(self.password_stdin, self.password_command, self.password_env, self.password_file)

    def smtp_ways(self) -> PasswordWays:
        """Those of SMTP's own login."""
        return PasswordWays(
            self.smtp_password_stdin, self.smtp_password_command, self.smtp_password_env, self.smtp_password_file
        )


def unset(gateway: Gateway, keys: list[str]) -> Gateway:
    """`gateway` with the values of `keys` (`inbound.since`, or `since` where that is clear) forgotten.

    Raises UsageError for a key that isn't one, or that a gateway can't do without.
    """
    for key in keys:
        gateway = _without(gateway, key)
    return gateway


def _without(gateway: Gateway, key: str) -> Gateway:
    plain: dict[str, Any] = {
        each.name: each.default
        for each in fields(Gateway)
        if each.name in ("owner", "shared", "display_name", "reply_to", "order", "enabled", "allow_plaintext")
    }
    nested = {f"{table}.{each.name}" for table, kind in _TABLES.items() for each in fields(kind)}
    if key == "smtp_login":
        return replace(gateway, smtp_login=None)
    if key in plain:
        return replace(gateway, **{key: plain[key]})
    full = [name for name in nested if key in (name, name.partition(".")[2])]
    if len(full) != 1:
        from mailctl.domain.names import nearest

        known = sorted([*plain, *nested, "smtp_login"])
        match = nearest(key, known)
        hint = f"It is {' or '.join(sorted(full))}." if full else f"Did you mean {match!r}?" if match else ""
        raise UsageError(f"--unset {key!r} names no single value that can be forgotten", hint=hint)
    table, _, name = full[0].partition(".")
    return replace(gateway, **{table: replace(getattr(gateway, table), **{name: None})})


_TABLES: dict[str, Any] = {"inbound": Inbound, "outbound": Outbound}
