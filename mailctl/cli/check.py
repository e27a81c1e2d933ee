"""`mailctl test`: prove that IMAP, POP3 and SMTP of gateways, or of a bare address, work, or say exactly why not."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mailctl.cli import checking
from mailctl.cli import password_options as passwords
from mailctl.cli.check_plan import Asked, make_plan, resolver
from mailctl.cli.checking import CheckOptions, Checks
from mailctl.cli.chosen import side_by_side
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.check import CheckReport
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, UsageError, combined_exit_code

app = App()
RESULTS: dict[str, Any] = {"test": Checks}


@app.verb("test")
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY|ADDRESS]...", help="What to test; the default gateway.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Test every gateway that is enabled.")] = False,
    imap: Annotated[bool, typer.Option("--imap", help="Test IMAP; these three may be combined.")] = False,
    smtp: Annotated[bool, typer.Option("--smtp", help="Test SMTP.")] = False,
    pop3: Annotated[bool, typer.Option("--pop3", help="Test POP3.")] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Checks at a time; by default `jobs` of config.toml, or 8.")
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="How long one check may take in all; by default `timeout` of config.toml, or 30."
        ),
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show the conversations, secrets masked, on stderr.")] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="For an address: sign in without asking where DNS alone names the server.")
    ] = False,
    login: Annotated[str, typer.Option(metavar="USER", help="For an address: the user name to sign in with.")] = "",
    password_stdin: passwords.PasswordStdin = False,
    password_command: passwords.PasswordCommand = None,
    password_env: passwords.PasswordEnv = None,
    password_file: passwords.PasswordFile = None,
) -> None:
    """Climb from DNS to an open mailbox, stage by stage, and say what works and what doesn't.

    Without a name it tests the default gateway. An address that is no gateway's name is looked up, its password is
    asked for, and nothing is saved.
    """
    context = Context.of(ctx)
    flags = ((imap, Protocol.IMAP), (pop3, Protocol.POP3), (smtp, Protocol.SMTP))
    options = _options(context, tuple(protocol for on, protocol in flags if on), jobs, timeout, trace)
    ways = passwords.PasswordWays(password_stdin, password_command, password_env, password_file)
    plan = make_plan(context, Asked(tuple(names or ()), every, login, ways, yes), options)
    reports = checking.run_planned(context, plan.planned, resolver(context, plan), options.parallel)
    if trace:
        _show_traces(context, reports)
    outcome = checking.check_outcome(reports)
    for warning in (*map(str, plan.errors), *plan.warnings):
        context.emitter.warn(warning)
    context.emit(outcome._replace(error=_joined(outcome.error, plan.errors), notes=plan.notes))


def _options(
    context: Context, protocols: tuple[Protocol, ...], jobs: int | None, timeout: float | None, trace: bool
) -> CheckOptions:
    jobs = side_by_side(context, jobs)
    timeout = context.config.settings.timeout if timeout is None else timeout
    if not 0.1 <= timeout <= 3600:
        raise UsageError("--timeout must be 0.1 to 3600 seconds")
    return CheckOptions(protocols, timeout, jobs, trace)


def _show_traces(context: Context, reports: Sequence[CheckReport]) -> None:
    from mailctl.output.escape import visible

    for report in reports:
        context.stderr.write(visible(f"--- {report.gateway or report.address} {report.protocol.upper()}") + "\n")
        for line in report.transcript:
            context.stderr.write(visible(line) + "\n")


def _joined(error: MailctlError | None, broken: Sequence[MailctlError]) -> MailctlError | None:
    """The error of the checks together with those of files that can't be read."""
    if error is None or not broken:
        return error or next(iter(broken), None)
    error.exit_code = combined_exit_code([error.exit_code, *(each.exit_code for each in broken)])
    return error
