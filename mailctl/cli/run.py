"""Runs one command line in a context and turns what comes out into output and an exit code."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from mailctl.cli.context import Context
from mailctl.cli.quick import run_quickly
from mailctl.errors import MailctlError, StoppedError, StorageError

if TYPE_CHECKING:
    from mailctl.cli.context_secrets import KeyringFactory


def run_command(
    argv: list[str],
    stdin: TextIO,
    stdout: TextIO,
    stderr: TextIO,
    env: Mapping[str, str],
    *,
    keyring: "KeyringFactory | None" = None,
) -> int:
    """Run `argv` (words after `mailctl`); returns the exit code. BrokenPipeError on stdout is the caller's.

    keyring: makes the keyring to use instead of the system's.
    """
    context = Context(stdin, stdout, stderr, env, keyring=keyring)
    if "--json" in argv:  # known before parsing, so that a usage error is JSON too
        context.set_option("json", True)
    if "--debug" in argv:
        context.set_option("debug", True)
    try:
        if not run_quickly(context, argv):
            from mailctl.cli.parsed import run_parsed

            return run_parsed(context, argv)
        return int(context.exit_code)
    except KeyboardInterrupt:
        return _fail(context, argv, StoppedError("interrupted"))
    except BrokenPipeError:
        raise
    except MailctlError as error:
        _debug(context)
        if error.server_text:
            from mailctl.cli.explained import explain_refusal

            explain_refusal(context, error)
        return _fail(context, argv, error)
    except OSError as error:  # what no room turned into its own error: the disk, mostly
        _debug(context)
        where = f"{error.filename}: " if error.filename else ""
        return _fail(context, argv, StorageError(f"{where}{error.strerror or error}", code="os_error"))
    except Exception as error:  # noqa: BLE001 - the last resort: a bug still ends in one sentence and exit code 1
        _debug(context)
        bug = MailctlError(
            f"this is a bug in mailctl ({type(error).__name__}: {error})",
            hint="" if context.debug else "Run it again with --debug and report what it prints.",
        )
        return _fail(context, argv, bug)


def _fail(context: Context, argv: list[str], error: MailctlError) -> int:
    return int(context.emitter.failure(context.command or _command_of(argv), error))


def _command_of(argv: list[str]) -> str:
    """The command's name as far as the words tell, for errors found before a command ran."""
    from mailctl.cli.app import Root

    words = [word for word in argv if not word.startswith("-")]
    return words[0] if words and words[0] in Root.table else ""


def _debug(context: Context) -> None:
    """The traceback on stderr, secrets masked, if --debug asks for it; frames' locals are never shown."""
    if context.debug:
        import traceback

        from mailctl.domain.secret import mask
        from mailctl.output.escape import visible

        for line in mask(traceback.format_exc()).splitlines():
            context.stderr.write(visible(line) + "\n")
