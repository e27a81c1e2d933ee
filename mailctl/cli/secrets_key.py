"""`mailctl secrets key`."""

import os
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.gateway import SecretSource, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.errors import ExistsError, SecretError, StorageError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines


@dataclass(frozen=True, slots=True)
class SecretsKey:
    """The file that has a new key, "" for a passphrase. changed: whether the encrypted file opens with it now."""

    file: str
    changed: bool
    dry_run: bool


RESULTS: dict[str, Any] = {"secrets key": SecretsKey}
app = App()


@app.verb()
def key(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="[FILE]", help="The file to make; a passphrase if left out.")] = "",
    change: Annotated[
        bool, typer.Option("--change", help="Let the encrypted file that is there open with it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Make a random key for the encrypted file, in a private file of its own; or change its key or passphrase.

    With --change, what is there is opened with its old key, and closed with the new one.
    """
    context = Context.of(ctx)
    path = os.path.abspath(path) if path else ""
    there = context.encrypted.exists
    _check(context, path, change=change)
    if not dry_run:
        new = Secret(context.new_secrets_key()) if path else None
        if change:
            context.encrypted.unlock()  # with the old key, which may be asked for first
        if new is None:
            from mailctl.cli.password_options import ask_passphrase

            new = ask_passphrase(context, new=True)
        else:
            _make(context, path, new)
        if change:
            context.encrypted.change_key(new)
    done = "Would make" if dry_run else "Made"
    said = [f"{done} a key in {path}"] if path else []
    said += [f"{'Would change' if dry_run else 'Changed'} the key of {context.encrypted.path}"] if there else []
    context.emit(Outcome(SecretsKey(path, there and not dry_run, dry_run), Lines(said), notes=_notes(context, path)))


def _check(context: Context, path: str, *, change: bool) -> None:
    if path and os.path.lexists(path):
        raise ExistsError(f"There is a file {path} already", hint="A key is never replaced: it may be in use.")
    if context.encrypted.exists and not change:
        raise SecretError(
            f"The encrypted file {context.encrypted.path} has its key already, and a new one would not open it",
            hint="Add --change to let it open with the new one instead.",
            code="secrets_key_late",
        )
    if change and not context.encrypted.exists:
        raise UsageError("There is no encrypted file of which to change the key", hint="Leave out --change.")
    if not path and not change:
        raise UsageError("Name the file to make", hint="A passphrase is asked for when the encrypted file is made.")


def _notes(context: Context, path: str) -> list[str]:
    """Where the new key has to be named; or is named, and isn't any more."""
    if path:
        named = f'MAILCTL_SECRETS_KEY_FILE={path}, or in config.toml: [secrets] key = {{file = "{path}"}}'
        return [f"Name it where mailctl runs: {named}"]
    source = context.secrets_key
    return [f"Change it, too, where mailctl takes it from: {source.kind} {source.argument[0]}"] if source else []


def _make(context: Context, path: str, value: Secret) -> None:
    """Write the key durably into a new file that nobody else can read; SecretError if it would be refused there."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(handle, "wb") as file:
                file.write(value.reveal().encode() + b"\n")
                file.flush()
                os.fsync(handle)
            _keep_name(path)
            context.secrets.read(SecretSource(SourceKind.FILE, (path,)), what="key")
        except (OSError, SecretError):
            os.unlink(path)  # nothing is closed with it yet
            raise
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}") from error


def _keep_name(path: str) -> None:
    """Make the file's name durable as well: what is closed with the key must not outlive it."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
