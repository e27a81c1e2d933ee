"""A command line as Typer reads it."""

from typer._click.exceptions import ClickException
from typer.exceptions import Abort, Exit
from typer.main import get_command

from mailctl.cli.app import app
from mailctl.cli.context import Context
from mailctl.errors import ExitCode, UsageError


def run_parsed(context: Context, argv: list[str]) -> int:
    """Parse `argv` and run its command; returns the exit code. What the command raises goes through.

    Raises:
        UsageError: the words are none of ours.
        KeyboardInterrupt: a question was answered with Ctrl-C or Ctrl-D.
    """
    command = get_command(app)  # not its main(), which makes its own mind up on Ctrl-C and closed pipes
    try:
        with command.make_context("mailctl", argv, obj=context) as parsed:
            command.invoke(parsed)
        return int(context.exit_code)
    except Exit as end:
        return int(end.exit_code)
    except Abort:
        raise KeyboardInterrupt from None
    except ClickException as error:
        place = getattr(error, "ctx", None)
        if place is not None:
            context.command = place.command_path.removeprefix("mailctl").strip()
        if type(error).__name__ == "NoArgsIsHelpError":
            context.stderr.write(error.format_message() + "\n")
            return int(ExitCode.USAGE)
        raise _usage(error) from None


def _usage(error: ClickException) -> UsageError:
    context = getattr(error, "ctx", None)
    hint = f"`{context.command_path} --help` shows how it is used." if context else ""
    leads_on = "did you mean" in error.message or "lists them" in error.message
    return UsageError(error.format_message().rstrip("."), hint="" if leads_on else hint)
