"""`mailctl secrets doctor`: which sources of secrets are usable here, and which answer for which gateway."""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.gateway import Gateway, LoginRole, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import SecretError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Stack, Styled, Table, columns

PROGRAMS = ("pass", "gopass", "op", "bw", "rbw", "keepassxc-cli", "lpass", "secret-tool", "security", "vault")
"""Password managers that print a password on a command line."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A kind of source on this machine. where: what was found. code, message, hint: why it is not usable, else ""."""

    source: SourceKind
    usable: bool
    where: str
    code: str = ""
    message: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class LoginSecret:
    """Whether the source of a login's secret answered; of OAuth, whether a token is kept. code, message: why not."""

    gateway: str
    login: LoginRole
    source: SourceKind
    where: str
    backend: str
    available: bool
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SecretsDoctor:
    """The sources of this machine, what each login's answered, and which source fits here best."""

    sources: list[SourceState]
    logins: list[LoginSecret]
    fits: SourceKind
    advice: str


RESULTS: dict[str, Any] = {"secrets doctor": SecretsDoctor}
app = App()


@app.verb()
def doctor(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="Gateways; all if left out.")
    ] = None,
) -> None:
    """Which sources of secrets are usable here, and which answered for which gateway; never a value.

    Exit code 4 if one of the logins has no secret now. Password commands are run; no server is asked.
    """
    context = Context.of(ctx)
    gateways, warnings = context.load_gateways(names or [])
    sources = [_keyring(context), _encrypted(context), _command(context), _env(context), _file(context), _oauth()]
    logins, errors = _logins(context, gateways)
    fits, advice = _advice(context, {state.source: state for state in sources}, logins)
    found = SecretsDoctor(sources, logins, fits, advice)
    error = None
    if errors:
        message = f"{counted(len(errors), 'login')} of {len(logins)} {'have' if errors[1:] else 'has'} no secret now"
        error = SecretError(message, hint=errors[0].hint, code=errors[0].code)
    view = Stack([_sources_table(sources), *([_logins_table(logins)] if logins else [])])
    context.emit(Outcome(found, view, error=error, notes=[advice], warnings=warnings))


def _state(source: SourceKind, where: str, error: SecretError | None = None) -> SourceState:
    if error is None:
        return SourceState(source, True, where)
    return SourceState(source, False, where, error.code, error.message, error.hint)


def _keyring(context: Context) -> SourceState:
    """Asked for an entry that isn't there: a locked or missing keyring shows at any question."""
    try:
        entry = context.secrets.keeper(SourceKind.KEYRING).get("mailctl:", "doctor")
    except SecretError as error:
        return _state(SourceKind.KEYRING, "", error)
    return _state(SourceKind.KEYRING, entry.backend)


def _encrypted(context: Context) -> SourceState:
    file = context.encrypted
    key = context.secrets_key
    by = context.secrets.where("", LoginRole.LOGIN, key) if key else "a passphrase that is asked for"
    where = f"{file.path}, {'opened' if file.exists else 'to be made'} by {by}"
    try:
        _try_encrypted(context)
    except SecretError as error:
        return _state(SourceKind.ENCRYPTED, where, error)
    return _state(SourceKind.ENCRYPTED, where)


def _try_encrypted(context: Context) -> None:
    """Open the file, or have the key with which it would be made; SecretError if that can't be."""
    if context.encrypted.exists or context.secrets_key is not None:
        context.encrypted.unlock()
    elif not context.interactive:
        raise SecretError(
            "Nothing gives a key for the encrypted file, and there is nobody to ask",
            hint="Set MAILCTL_SECRETS_KEY or MAILCTL_SECRETS_KEY_FILE, or [secrets] key in config.toml.",
            code="secrets_key_missing",
        )


def _command(context: Context) -> SourceState:
    import shutil

    found = [name for name in PROGRAMS if shutil.which(name, path=context.env.get("PATH"))]
    return _state(SourceKind.COMMAND, ", ".join(found) or "any program that prints a password; no known one is here")


def _env(context: Context) -> SourceState:
    return _state(SourceKind.ENV, "any variable of this process")


def _file(context: Context) -> SourceState:
    folder = context.env.get("CREDENTIALS_DIRECTORY", "")
    return _state(SourceKind.FILE, f"any private file; credentials in {folder}" if folder else "any private file")


def _oauth() -> SourceState:
    from importlib.util import find_spec

    if find_spec("authlib"):
        return _state(SourceKind.OAUTH, "tokens in the keyring, or in the encrypted file")
    error = SecretError(
        "Sign-in by OAuth needs the library Authlib", hint="Install mailctl[oauth].", code="oauth_library"
    )
    return _state(SourceKind.OAUTH, "", error)


def _logins(context: Context, gateways: list[Gateway]) -> tuple[list[LoginSecret], list[SecretError]]:
    rows, errors = [], []
    for gateway in gateways:
        for role, login in gateway.logins.items():
            found = context.secrets.peek(gateway.name, role, login.secret)
            code, message = (found.error.code, found.error.message) if found.error else ("", "")
            errors += [found.error] if found.error else []
            kind = login.secret.kind
            rows.append(
                LoginSecret(gateway.name, role, kind, found.where, found.backend, found.available, code, message)
            )
    return rows, errors


def _advice(
    context: Context, sources: dict[SourceKind, SourceState], logins: list[LoginSecret]
) -> tuple[SourceKind, str]:
    """The source that fits this machine best; and why, and the next command, in a sentence or two."""
    keyring = sources[SourceKind.KEYRING]
    if context.env.get("CREDENTIALS_DIRECTORY"):
        return SourceKind.FILE, "This is a service of systemd: its credentials fit best (--password-file NAME)."
    if keyring.usable:
        return SourceKind.KEYRING, "The keyring is usable: nothing else is needed."
    closed = keyring.code in ("keyring_locked", "keyring_timeout")
    why = "The keyring doesn't open: unlock it; or" if closed else "There is no usable keyring:"
    if context.secrets_key is not None:
        how = ", and its key is named already." if sources[SourceKind.ENCRYPTED].usable else "; see to its key first."
    else:
        change = " --change" if context.encrypted.exists else ""
        how = (
            ". Where nobody is there to type its passphrase, it needs a key: "
            f"`mailctl secrets key ~/.mailctl.key{change}`, then in config.toml: "
            '[secrets] key = {file = "~/.mailctl.key"}.'
        )
    missing = [each.gateway for each in logins if each.source is SourceKind.KEYRING and not each.available]
    if missing:
        how += f" `mailctl gateway password set {missing[0]} --encrypted` puts there what no keyring gives."
    return SourceKind.ENCRYPTED, f"{why} the encrypted file fits best{how}"


def _sources_table(sources: list[SourceState]) -> Table:
    rows: list[list[Cell]] = [
        [
            each.source,
            Styled("usable", "good") if each.usable else Styled("not usable", "bad"),
            each.message or each.where,
        ]
        for each in sources
    ]
    return Table(columns("source", "here", "what was found", fold=["what was found"]), rows)


def _logins_table(logins: list[LoginSecret]) -> Table:
    rows: list[list[Cell]] = [
        [
            *(each.gateway, each.login, each.source),
            Styled("answers", "good") if each.available else Styled("not available", "bad"),
            each.message or (f"{each.where} ({each.backend})" if each.backend else each.where),
        ]
        for each in logins
    ]
    return Table(columns("gateway", "login", "source", "state", "where", fold=["where"]), rows)
