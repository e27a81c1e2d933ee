"""`mailctl test`: prove that IMAP, POP3 and SMTP of gateways, or of a bare address, work, or say exactly why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli import checking
from mailctl.cli import password_options as passwords
from mailctl.cli.checking import CheckOptions, Checks, Planned
from mailctl.cli.chosen import named, side_by_side
from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, MailctlError, NotFoundError, UsageError, combined_exit_code

if TYPE_CHECKING:
    from mailctl.domain.gateway import Gateway, SecretSource

app = App()
RESULTS: dict[str, Any] = {"test": Checks}
DISCOVERY = 10.0
"""Seconds that finding the servers of a bare address may take."""


@dataclass(slots=True)
class _Plan:
    """What is to be tested, with whose secrets, and what there is to say about it."""

    planned: list[Planned]
    gateways: "dict[str, Gateway]"
    given: "dict[str, SecretSource | Secret]"
    warnings: list[str]
    notes: list[str]
    errors: list[MailctlError]
    yes: bool = False


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
    plan = _Plan([], {}, {}, [], [], [], yes)
    gateways, addresses = _chosen(context, list(names or ()), every, plan)
    if (ways.given or login) and not addresses:
        raise UsageError(
            "A password or --login is only given for an address that is no gateway's name",
            hint="A gateway's is changed with `mailctl gateway password set NAME`.",
        )
    for gateway in gateways:
        _plan_gateway(context, gateway, options, plan)
    for address in addresses:
        _plan_address(context, address, login, ways, options, plan)
    reports = checking.run_planned(context, plan.planned, _resolver(context, plan), options.parallel)
    if trace:
        _show_traces(context, reports)
    outcome = checking.check_outcome(reports)
    context.emit(
        outcome._replace(
            error=_joined(outcome.error, plan.errors),
            notes=plan.notes,
            warnings=[*map(str, plan.errors), *plan.warnings, *outcome.warnings],
        )
    )


def _options(
    context: Context, protocols: tuple[Protocol, ...], jobs: int | None, timeout: float | None, trace: bool
) -> CheckOptions:
    jobs = side_by_side(context, jobs)
    timeout = context.config.settings.timeout if timeout is None else timeout
    if not 0.1 <= timeout <= 3600:
        raise UsageError("--timeout must be 0.1 to 3600 seconds")
    return CheckOptions(protocols, timeout, jobs, trace)


def _chosen(context: Context, names: list[str], every: bool, plan: _Plan) -> "tuple[list[Gateway], list[str]]":
    """The gateways and the bare addresses that the command line means; a gateway's name wins over an address."""
    if every:
        if names:
            raise UsageError("--all and names exclude each other")
        found, broken = context.load_gateways()
        plan.errors += [ConfigError(text) for text in broken]
        enabled = [gateway for gateway in found if gateway.enabled]
        if len(enabled) < len(found):
            plan.notes.append(f"Left out, since disabled: {counted(len(found) - len(enabled), 'gateway')}.")
        if not enabled and not broken:
            raise NotFoundError("There is no gateway to test", hint="`mailctl gateway add` makes one.")
        return enabled, []
    names = named(context, names)
    addresses = [name for name in names if "@" in name and not context.config.gateway_exists(name)]
    gateways = [name for name in names if name not in addresses]
    return (context.load_gateways(gateways)[0] if gateways else []), list(dict.fromkeys(addresses))


def _plan_gateway(context: Context, gateway: "Gateway", options: CheckOptions, plan: _Plan) -> None:
    plan.gateways[gateway.name] = gateway
    try:
        server = context.server(gateway.server)
        joined = context.join(gateway, server)
    except ConfigError as error:
        protocol = gateway.inbound.protocol or Protocol.IMAP
        plan.planned.append(checking.not_possible(gateway.name, gateway.email, protocol, error))
        return
    plan.planned += checking.gateway_checks(joined, options, context.provider(server))


def _plan_address(
    context: Context, address: str, login: str, ways: passwords.PasswordWays, options: CheckOptions, plan: _Plan
) -> None:
    from mailctl.domain.gateway import Login, LoginRole, SecretSource, SourceKind
    from mailctl.domain.provider import SignIn

    found = context.discover(address, min(DISCOVERY, options.timeout))
    for warning in found.warnings:  # before the password is asked for
        context.emitter.warn(warning)
    if not found.candidates:
        raise NotFoundError(
            f"Nothing tells where the mail of {found.domain} is served",
            hint=f"`mailctl server discover {address}` shows what was asked.",
        )
    if not context.emitter.json:
        for sentence in found.advice:
            context.emitter.note(sentence)
    hosts = ", ".join(found.unvouched)
    if hosts and not context.confirm(f"Sign in at {hosts}, which DNS alone names?", yes=plan.yes):
        raise UsageError(
            "Nothing was sent", hint=f"`mailctl server discover {address}` shows what was found.", code="no"
        )
    provider = context.provider(found.server("address"))
    needed = {provider.needs(each) for each in options.protocols or (None,)} if provider else set()
    if needed == {SignIn.OAUTH} and not ways.given:  # no password could work: none is asked for
        taken = passwords.TakenPassword(SecretSource(SourceKind.OAUTH))
    else:
        taken = passwords.take_password(context, ways, LoginRole.LOGIN, ask=f"Password for {address}")
    source = taken.source or SecretSource()
    plan.warnings += taken.warnings if taken.secret else ()  # of a source the check itself will tell
    plan.given[found.email] = taken.secret or source
    minimum_tls = context.config.settings.limits.minimum_tls
    plan.planned += checking.address_checks(found, Login(login, source), minimum_tls, options, provider)


def _resolver(context: Context, plan: _Plan) -> Callable[[CheckJob], Secret]:
    from mailctl.domain.gateway import LoginRole

    secrets = context.secrets  # made here, in the main thread

    def resolve(job: CheckJob) -> Secret:
        if job.gateway:
            return secrets.for_login(plan.gateways[job.gateway], job.protocol)
        given = plan.given[job.address]
        return given if isinstance(given, Secret) else secrets.get(job.address, LoginRole.LOGIN, given)

    return resolve


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
