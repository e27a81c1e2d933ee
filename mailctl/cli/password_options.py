"""How a command takes a password: a prompt without echo, one line of stdin, or a source that will be asked later.

The options are declared here once; a password itself is never an option.
"""

from typing import Annotated

import typer

from mailctl.cli.context import Context
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.home import home_folder
from mailctl.domain.record import dataclass
from mailctl.domain.secret import MAX_SECRET, Secret, accept
from mailctl.errors import SecretError, UsageError

_STDIN = "Take the password{} from the first line of stdin."
_COMMAND = "Have this command print the password{} whenever it is needed; split like a shell would, run without one."
_ENV = "Take the password{} from this environment variable whenever it is needed."
_FILE = "Take the password{} from this file whenever it is needed; it must be private (0600)."

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help=_STDIN.format(""))]
PasswordCommand = Annotated[str | None, typer.Option("--password-command", metavar="CMD", help=_COMMAND.format(""))]
PasswordEnv = Annotated[str | None, typer.Option("--password-env", metavar="VAR", help=_ENV.format(""))]
PasswordFile = Annotated[str | None, typer.Option("--password-file", metavar="PATH", help=_FILE.format(""))]
Encrypted = Annotated[
    bool, typer.Option("--encrypted", help="Keep the password in mailctl's encrypted file, not in the keyring.")
]

SmtpPasswordStdin = Annotated[
    bool, typer.Option("--smtp-password-stdin", help="Likewise for SMTP; after --password-stdin, the next line.")
]
SmtpPasswordCommand = Annotated[
    str | None, typer.Option("--smtp-password-command", metavar="CMD", help=_COMMAND.format(" for SMTP"))
]
SmtpPasswordEnv = Annotated[
    str | None, typer.Option("--smtp-password-env", metavar="VAR", help=_ENV.format(" for SMTP"))
]
SmtpPasswordFile = Annotated[
    str | None, typer.Option("--smtp-password-file", metavar="PATH", help=_FILE.format(" for SMTP"))
]


@dataclass(frozen=True, slots=True)
class PasswordWays:
    """What the options of one login say; UsageError if they say two things, or an unusable one."""

    stdin: bool = False
    command: str | None = None
    env: str | None = None
    file: str | None = None

    def __post_init__(self) -> None:
        if sum((self.stdin, self.command is not None, self.env is not None, self.file is not None)) > 1:
            raise UsageError(
                "The password can come from one place only",
                hint="Give one of --password-stdin, --password-command, --password-env and --password-file.",
                code="password_twice",
            )

    @property
    def given(self) -> bool:
        """Whether any of the options was used."""
        return self != PasswordWays()


@dataclass(frozen=True, slots=True)
class TakenPassword:
    """What came of it. source: what the login's `secret` becomes, or None to leave it. secret: for the store."""

    source: SecretSource | None = None
    secret: Secret | None = None
    warnings: tuple[str, ...] = ()


def take_password(
    context: Context,
    ways: PasswordWays,
    role: str,
    *,
    ask: str = "",
    optional: bool = False,
    store: SourceKind = SourceKind.KEYRING,
) -> TakenPassword:
    """Take the password in the way that the options say, or else ask for it.

    role: a LoginRole; or, for what is no login's, how its options begin ("client-secret").
    ask: the prompt ("Password for alice@example.org"); "" asks nothing and gives TakenPassword() if no option was used.
    optional: so does an empty answer to the prompt. store: where it is to be kept.
    Raises UsageError if nobody can be asked, SecretError if what was given can't be a password.
    """
    source = _source(context, ways, role)
    if source is not None:
        return TakenPassword(source, warnings=tuple(_doubts(context, source, role)))
    if ways.stdin:
        secret = _from_stdin(context, role)
    elif not ask:
        return TakenPassword()
    elif context.interactive:
        value = _typed(context, ask)
        if optional and not value:
            return TakenPassword()
        secret = accept(value, "the prompt")
    else:
        options = [_option(role, way) for way in ("stdin", "command", "env", "file")]
        raise UsageError(
            f"{ask}: there is nobody to ask", hint=f"Give {', '.join(options[:3])} or {options[3]}.", code="no_input"
        )
    return TakenPassword(SecretSource(store), secret, tuple(remarks(secret)))


def ask_passphrase(context: Context, *, new: bool) -> Secret:
    """Ask for the passphrase of the encrypted file; twice if it is to be made with it. SecretError, nobody to ask."""
    if not context.interactive:
        raise SecretError(
            "The encrypted file needs its key, and there is nobody to ask",
            hint="Set MAILCTL_SECRETS_KEY or MAILCTL_SECRETS_KEY_FILE, or [secrets] key in config.toml.",
            code="secrets_key_missing",
        )
    if not new:
        return _prompt(context, "Passphrase of the encrypted file")
    secret = _prompt(context, "New passphrase for the encrypted file")
    if _prompt(context, "The same again") != secret:
        raise UsageError("The two passphrases differ; nothing was kept", code="passphrases_differ")
    return secret


def remarks(secret: Secret) -> list[str]:
    """What looks unintended about a password, as sentences that don't show it."""
    import re

    value = secret.reveal()
    if re.fullmatch(r"[a-z]{4}( [a-z]{4}){3}", value):
        return [
            "This looks like an app password as Google shows it, in groups of four; the spaces were kept. "
            "If sign-in fails, give it without them."
        ]
    if value != value.strip():
        return ["The password begins or ends with white space, which was kept."]
    return []


def _doubts(context: Context, source: SecretSource, role: str) -> list[str]:
    """Why a source that was just named would not work now, as sentences. A command is looked for, not run."""
    if source.kind is SourceKind.COMMAND:
        import shutil

        if shutil.which(source.argument[0], path=context.env.get("PATH")):
            return []
        return [f"The program that {_option(role, 'command')} names can't be found: {source.argument[0]}"]
    error = context.secrets.check("", LoginRole.LOGIN, source).error
    return [error.message] if error else []


def _option(role: str, way: str) -> str:
    return f"--{_OPTIONS.get(role, role)}-{way}"


_OPTIONS: dict[str, str] = {LoginRole.LOGIN: "password", LoginRole.SMTP_LOGIN: "smtp-password"}


def _source(context: Context, ways: PasswordWays, role: str) -> SecretSource | None:
    """The source that an option names, or None."""
    if ways.command is not None:
        return SecretSource(SourceKind.COMMAND, _split(context, ways.command, _option(role, "command")))
    if ways.env is not None:
        if not ways.env or "=" in ways.env or not ways.env.isprintable():
            # the text is not quoted: a password put here by mistake must not be shown
            raise UsageError(f"What {_option(role, 'env')} says is not the name of a variable", code="bad_variable")
        return SecretSource(SourceKind.ENV, (ways.env,))
    if ways.file is not None:
        return SecretSource(SourceKind.FILE, (_full_path(context, ways.file, _option(role, "file")),))
    return None


def _split(context: Context, command: str, option: str) -> tuple[str, ...]:
    """The words of a command; a program named by a path is named in full, since no shell will do it later."""
    import shlex
    from pathlib import Path

    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="Close the quotation.", code="bad_command") from None
    if not words or not words[0]:
        raise UsageError(f"{option} names no command", code="bad_command")
    if any("\0" in word for word in words):
        raise UsageError(f"{option} holds a NUL character", code="bad_command")
    program, *rest = words
    if program.startswith("~/"):
        program = str(home_folder(context.env) / program[2:])
    elif "/" in program:
        program = str(Path.cwd() / program)
    return program, *rest


def _full_path(context: Context, path: str, option: str) -> str:
    """A path that means the same wherever mailctl is run next; a bare name that isn't here is a systemd credential."""
    from pathlib import Path

    if not path or "\0" in path:
        raise UsageError(f"{option} names no file", code="bad_path")
    if path.startswith(("/", "~/")) or (context.env.get("CREDENTIALS_DIRECTORY") and "/" not in path):
        return path
    if "/" not in path and not Path(path).exists():
        return path
    return str(Path.cwd() / path)


def _from_stdin(context: Context, role: str) -> Secret:
    option = _option(role, "stdin")
    if context.stdin.isatty():
        raise UsageError(
            f"{option} reads from a pipe or file, and stdin is a terminal, which would show the password",
            hint=f"Leave {option} out to be asked without echo.",
            code="stdin_terminal",
        )
    try:
        line = context.stdin.readline(MAX_SECRET + 3)
    except UnicodeDecodeError:
        raise UsageError("What stdin holds is not UTF-8", code="secret_invalid") from None
    return accept(line.removesuffix("\n").removesuffix("\r"), "stdin")


def _prompt(context: Context, question: str) -> Secret:
    """Ask on the terminal without echo, once: a test tells more about a password than typing it twice."""
    return accept(_typed(context, question), "the prompt")


def _typed(context: Context, question: str) -> str:
    """What is typed behind a question, without echo; it may be a secret or nothing."""
    import getpass
    import termios
    import warnings

    from mailctl.cli.unseen import unseen
    from mailctl.output.escape import visible

    shown = f"{visible(question)}: "
    with warnings.catch_warnings(), unseen(shown, termios.ECHO):
        warnings.simplefilter("error", getpass.GetPassWarning)  # rather no password than one shown on the screen
        try:
            value = getpass.getpass(shown, stream=context.stderr)
        except getpass.GetPassWarning:
            raise UsageError(
                "The terminal can't hide what is typed", hint="Use --password-stdin.", code="no_input"
            ) from None
        except EOFError:
            context.stderr.write("\n")
            raise UsageError("No password was given", code="no_input") from None
        except KeyboardInterrupt:
            context.stderr.write("\n")  # the prompt's line ends before anything else is said
            raise
    return value
