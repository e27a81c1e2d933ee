"""`mailctl test`: prove that IMAP, POP3 and SMTP of gateways, or of a bare address, work, or say exactly why not."""

from typing import Annotated, Any

import typer

from mailctl.cli import password_options as passwords
from mailctl.cli.check_plan import Asked
from mailctl.cli.check_run import Form, Presented, run
from mailctl.cli.checking import CheckOptions, Checks
from mailctl.cli.chosen import side_by_side
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.server import Protocol
from mailctl.errors import UsageError

app = App()
RESULTS: dict[str, Any] = {"test": Checks}


@app.verb("test")
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[GATEWAY|ADDRESS]...", help="What to test; the default, or only, gateway."),
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
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="FILE",
            help="Write all that was found, for whoever is to help, to FILE.html, FILE.md or FILE.json; no secrets.",
        ),
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="Print what a monitor reads; nagios has exit codes of its own.")
    ] = None,
    send: Annotated[
        bool,
        typer.Option(
            "--send", help="Then send a message to itself, find it, and remove it; --timeout bounds that too."
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="For an address: sign in though DNS alone names the server; with --all: --send without asking.",
        ),
    ] = False,
    login: Annotated[str, typer.Option(metavar="USER", help="For an address: the user name to sign in with.")] = "",
    password_stdin: passwords.PasswordStdin = False,
    password_command: passwords.PasswordCommand = None,
    password_env: passwords.PasswordEnv = None,
    password_file: passwords.PasswordFile = None,
) -> None:
    """Climb from DNS to an open mailbox, stage by stage, and say what works and what doesn't.

    Without a name it tests the default gateway, or the only one. An address that is no gateway's name is looked up,
    its password is asked for, and nothing is saved. --quiet prints the verdicts alone. A report takes the place of an
    older report, never of another file. With --format nagios the exit codes are those of monitoring plugins: 0 OK,
    1 WARNING, 2 CRITICAL, 3 UNKNOWN.
    """
    context = Context.of(ctx)
    flags = ((imap, Protocol.IMAP), (pop3, Protocol.POP3), (smtp, Protocol.SMTP))
    protocols = tuple(protocol for on, protocol in flags if on)
    ways = passwords.PasswordWays(password_stdin, password_command, password_env, password_file)
    asked = Asked(tuple(names or ()), every, login, ways, yes)
    how = Presented(form, tuple(dict.fromkeys(report or ())), send, timeout)
    run(context, asked, lambda: _options(context, protocols, jobs, timeout, trace), how)


def _options(
    context: Context, protocols: tuple[Protocol, ...], jobs: int | None, timeout: float | None, trace: bool
) -> CheckOptions:
    jobs = side_by_side(context, jobs)
    timeout = context.config.settings.timeout if timeout is None else timeout
    if not 0.1 <= timeout <= 3600:
        raise UsageError("--timeout must be 0.1 to 3600 seconds")
    return CheckOptions(protocols, timeout, jobs, trace)
