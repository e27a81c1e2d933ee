"""`mailctl secrets key`."""

import os
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.record import dataclass
from mailctl.errors import ExistsError, SecretError, StorageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines


@dataclass(frozen=True, slots=True)
class SecretsKey:
    """The file that has a new key. dry_run: it was not made."""

    file: str
    dry_run: bool


RESULTS: dict[str, Any] = {"secrets key": SecretsKey}
app = App()


@app.verb()
def key(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="FILE", help="The file to make.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, and make nothing.")] = False,
) -> None:
    """Make a random key for the encrypted file, in a private file of its own.

    It opens an encrypted file that is made with it; for one that is there, it comes too late.
    """
    context = Context.of(ctx)
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise ExistsError(f"There is a file {path} already", hint="A key is never replaced: it may be in use.")
    if context.encrypted.exists:
        raise SecretError(
            f"The encrypted file {context.encrypted.path} has its key already, and a new one would not open it",
            hint="Move everything to the keyring first; or move the file away.",
            code="secrets_key_late",
        )
    if not dry_run:
        _make(path, context.new_secrets_key())
    named = f'MAILCTL_SECRETS_KEY_FILE={path}, or in config.toml: [secrets] key = {{file = "{path}"}}'
    notes = [f"Name it where mailctl runs: {named}"]
    said = f"{'Would make' if dry_run else 'Made'} a key in {path}"
    context.emit(Outcome(SecretsKey(path, dry_run), Lines([said]), notes=notes))


def _make(path: str, value: str) -> None:
    """Write the key durably into a new file that nobody else can read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, value.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise StorageError(f"{path} can't be written: {error.strerror}") from error
