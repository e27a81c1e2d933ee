"""Passwords while a gateway is added or changed: taken, kept with its file or not at all, forgotten when replaced."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace

from mailctl.cli.context import Context
from mailctl.cli.gateway_options import GatewayOptions, KeptSecret, PasswordOptions
from mailctl.cli.gateway_tokens import NOTHING_KEPT, forget_tokens
from mailctl.cli.password_options import PasswordWays, take_password
from mailctl.domain.gateway import STORES, Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.errors import SecretError, UsageError

ADD_AGAIN = (
    "The gateway was not added. Unlock or start a keyring; or add it with --encrypted, which keeps the password in "
    "mailctl's encrypted file, with --password-command COMMAND, which asks a password manager, or with "
    "--password-file PATH or --password-env VAR."
)


@dataclass(frozen=True, slots=True)
class NewSecrets:
    """Passwords that were given and are to be kept in the stores that the gateway's logins name."""

    given: Mapping[LoginRole, Secret] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def take_secrets(
    context: Context, gateway: Gateway, options: GatewayOptions, passwords: PasswordOptions, *, new: bool, dry_run: bool
) -> tuple[Gateway, NewSecrets]:
    """The gateway with the sources that the options name, and the passwords that were given.

    new: ask for what isn't given. UsageError if nobody can be asked.
    """
    ways, smtp_ways = passwords.ways(), passwords.smtp_ways()
    if options.oauth is not None and options.secret not in (None, KeptSecret.OAUTH):
        raise UsageError("--oauth and --secret say different things")
    by_token = options.by_token or (new and not ways.given and not options.secret and _only_oauth(context, gateway))
    if (ways.given or (passwords.encrypted and not by_token)) and (options.secret or by_token):
        option = "--oauth" if options.oauth is not None else "--secret"
        raise UsageError(f"{option} says where the password is; leave the --password options out")
    if passwords.encrypted and not (new or by_token or ways.stdin or smtp_ways.stdin):
        raise UsageError(
            "--encrypted says where a password that is given is kept, and none is given",
            hint=f"`mailctl secrets move --to encrypted {gateway.name}` moves the one that there is.",
        )
    if dry_run:  # a password is neither asked for nor read
        ways, smtp_ways = replace(ways, stdin=False), replace(smtp_ways, stdin=False)
    if smtp_ways.given and gateway.smtp_login is None:
        gateway = replace(gateway, smtp_login=Login(gateway.login.user))
    given: dict[LoginRole, Secret] = {}
    warnings: list[str] = []
    asks = new and not dry_run and options.secret is None and not by_token

    def take(role: LoginRole, ways: PasswordWays, user: str, *, ask: bool) -> SecretSource | None:
        had = gateway.logins[role].secret.kind
        store = SourceKind.ENCRYPTED if passwords.encrypted else had if had in STORES else SourceKind.KEYRING
        what = "SMTP password" if role is LoginRole.SMTP_LOGIN else "Password"
        try:
            taken = take_password(context, ways, role, ask=f"{what} for {user}" if ask else "", store=store)
        except UsageError as error:
            if error.code == "no_input":
                error.hint += " To give it later: --secret keyring."
            raise
        warnings.extend(taken.warnings)
        if taken.secret is not None:
            given[role] = taken.secret
        return taken.source

    source = take(LoginRole.LOGIN, ways, gateway.login.user, ask=asks)
    if by_token:
        source = _token_source(gateway.login.secret, encrypted=passwords.encrypted)
    gateway = _with_source(gateway, LoginRole.LOGIN, source)
    if gateway.smtp_login is not None:
        fresh = asks and not smtp_ways.given and options.smtp_login is not None
        smtp_source = take(LoginRole.SMTP_LOGIN, smtp_ways, gateway.smtp_login.user, ask=fresh and context.interactive)
        if smtp_source is None and by_token and not smtp_ways.given and options.smtp_login is not None:
            smtp_source = gateway.login.secret
        if smtp_source is None and fresh:  # nobody to ask: the same password serves both
            smtp_source = gateway.login.secret
            if LoginRole.LOGIN in given:
                given[LoginRole.SMTP_LOGIN] = given[LoginRole.LOGIN]
        gateway = _with_source(gateway, LoginRole.SMTP_LOGIN, smtp_source)
    return context.config.check_gateway(gateway), NewSecrets(given, warnings)


@contextmanager
def keep(context: Context, gateway: Gateway, secrets: NewSecrets, *, undo: bool) -> Iterator[None]:
    """Put the passwords into their stores, then let the file be written.

    undo: take them out again if that fails, so that a gateway that was not added leaves nothing behind.
    """
    try:
        for role, secret in secrets.given.items():
            context.secrets.set(gateway.name, role, secret, gateway.logins[role].secret.kind)
        yield
    except BaseException as error:
        if undo:
            for role in secrets.given:
                with suppress(SecretError):  # the first error is the one to report
                    context.secrets.clear(gateway.name, role, gateway.logins[role].secret.kind)
            if isinstance(error, SecretError) and error.code in NOTHING_KEPT:
                error.hint = ADD_AGAIN
        raise


def forget_replaced(
    context: Context, old: Gateway, new: Gateway, *, dry_run: bool = False
) -> tuple[list[str], list[str]]:
    """Remove kept passwords that `old` needed and `new` doesn't; notes on those, warnings on what couldn't be removed.

    dry_run: only say so.
    """
    notes, warnings = [], []
    for role, login in old.logins.items():
        after = new.logins.get(role)
        store = login.secret.kind
        if store is SourceKind.OAUTH:
            if not (after and after.secret.kind is store):
                notes += forget_tokens(context, old, role, dry_run=dry_run)
            continue
        if store not in STORES or (after and after.secret.kind is store):
            continue
        if after and after.secret.kind in STORES and not context.secrets.check(new.name, role, after.secret).available:
            if context.secrets.check(old.name, role, login.secret).available:
                where = context.secrets.where(old.name, role, login.secret)
                warnings.append(f"The password stays in the {where}: there is none where the gateway looks for it now")
            continue
        try:
            if dry_run:
                removed = context.secrets.check(old.name, role, login.secret).available
            else:
                removed = context.secrets.clear(old.name, role, store)
        except SecretError as error:
            if error.code not in NOTHING_KEPT:
                warnings.append(f"The old password may still be kept: {error.message}")
        else:
            if removed:
                where = context.secrets.where(old.name, role, login.secret)
                notes.append(f"The password in the {where}, {'would be' if dry_run else 'was'} removed")
    return notes, warnings


def _token_source(source: SecretSource, *, encrypted: bool) -> SecretSource:
    """The source of a login by token: as the options have named it already, with the tokens where they say."""
    name, store = (source.argument if source.kind is SourceKind.OAUTH else ()) or ("", SourceKind.KEYRING.value)
    if encrypted:
        store = SourceKind.ENCRYPTED.value
    return SecretSource(SourceKind.OAUTH, () if (name, store) == ("", SourceKind.KEYRING) else (name, store))


def _with_source(gateway: Gateway, role: LoginRole, source: SecretSource | None) -> Gateway:
    if source is None:
        return gateway
    login = replace(gateway.logins[role], secret=source)
    return replace(gateway, login=login) if role is LoginRole.LOGIN else replace(gateway, smtp_login=login)


def _only_oauth(context: Context, gateway: Gateway) -> bool:
    """Whether its provider takes nothing but OAuth, so that asking for a password would only mislead."""
    from mailctl.domain.provider import SignIn

    provider = context.provider(context.server(gateway.server))
    return provider is not None and provider.needs() is SignIn.OAUTH
