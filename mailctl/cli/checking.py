"""Checks as operations, for `test` and for whoever tests a gateway before it is saved: plan, run, outcome."""

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.domain.record import dataclass
from mailctl.domain.report import Summary, summarize
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.errors import ConfigError, MailctlError, combined_exit_code

if TYPE_CHECKING:
    from mailctl.cli.context import Context
    from mailctl.diagnosis.ladder import Climb
    from mailctl.domain.discovery import Discovery
    from mailctl.domain.effective import EffectiveGateway
    from mailctl.domain.gateway import Gateway, Login
    from mailctl.domain.provider import Provider
    from mailctl.domain.server import Server
    from mailctl.output.emitter import Outcome


@dataclass(frozen=True, slots=True)
class Checks:
    """Result of `test`: one report a check, in the order in which they were asked for; summary: them in numbers.

    probes: with --send, one report for each gateway or address that sent itself a message.
    """

    checks: list[CheckReport]
    summary: Summary
    probes: list[ProbeReport] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What holds for all checks of a command. protocols: exactly these; none: those in use. timeout: of one check.

    relaying: whether to ask if mail is passed on elsewhere, which may have a recipient refused: nothing for monitors to
    do every few minutes, since programs that ban hosts count refusals.
    """

    protocols: tuple[Protocol, ...] = ()
    timeout: float = 30.0
    parallel: int = 8
    trace: bool = False
    relaying: bool = True


_TOLD = 2
"""How many checks under way are named at a time."""

Planned = CheckJob | CheckReport
"""A check to be carried out, or the report on one that can't be, since something is not configured."""


def gateway_checks(
    joined: "EffectiveGateway", options: CheckOptions, provider: "Provider | None" = None
) -> list[Planned]:
    """The checks of a gateway as it works, saved or not: inbound protocol and SMTP if in use, or those asked for.

    provider: the facts on its provider, if known.
    """
    gateway = joined.gateway
    planned: list[Planned] = []
    for protocol in options.protocols or joined.protocols:
        try:
            endpoint = joined.endpoint(protocol)
        except ConfigError as error:
            planned.append(not_possible(gateway.name, gateway.email, protocol, error))
            continue
        job = CheckJob(
            gateway=gateway.name,
            address=gateway.email,
            protocol=protocol,
            endpoint=endpoint,
            login=gateway.login_for(protocol),
            provider=joined.provider,
            allow_plaintext=gateway.allow_plaintext,
            timeout=options.timeout,
            trace=options.trace,
            server=joined.server.name,
            facts=_wants(provider, protocol),
            attachment_limit=joined.outbound.attachment_limit,
            relaying=options.relaying,
        )
        planned.append(job)
    if not planned:
        protocol = joined.inbound.protocol or Protocol.IMAP
        unused = ConfigError(
            f"The gateway {gateway.name!r} uses no protocol that its server offers",
            hint=f"`mailctl gateway show {gateway.name}` shows what is switched on.",
            code="no_endpoint",
        )
        planned.append(not_possible(gateway.name, gateway.email, protocol, unused))
    return planned


def address_checks(
    found: "Discovery", login: "Login", minimum_tls: str, options: CheckOptions, provider: "Provider | None" = None
) -> list[Planned]:
    """The checks of a bare address: IMAP, else POP3, and SMTP, where discovery found them; or those asked for.

    login: its user "" stands for what discovery says. minimum_tls: the settings' limit.
    """
    inbound = Protocol.IMAP if found.best(Protocol.IMAP) else Protocol.POP3
    usual = tuple(protocol for protocol in (inbound, Protocol.SMTP) if found.best(protocol))
    planned: list[Planned] = []
    for protocol in options.protocols or usual:
        best = found.best(protocol)
        if best is None:
            error = ConfigError(
                f"Nothing tells where {protocol.upper()} of {found.domain} is served", code="no_endpoint"
            )
            planned.append(not_possible("", found.email, protocol, error))
            continue
        policy = best.endpoint.certificate
        policy = replace(policy, minimum_tls=max(policy.minimum_tls, minimum_tls))
        job = CheckJob(
            gateway="",
            address=found.email,
            protocol=protocol,
            endpoint=replace(best.endpoint, certificate=policy),
            login=replace(login, user=login.user or best.user or found.user or found.email),
            provider=found.provider,
            timeout=options.timeout,
            trace=options.trace,
            facts=_wants(provider, protocol),
            relaying=options.relaying,
        )
        planned.append(job)
    return planned


def _wants(provider: "Provider | None", protocol: Protocol) -> frozenset[str]:
    """What the provider takes to sign in by `protocol`, as a fact."""
    return frozenset({f"wants:{provider.needs(protocol).value}"}) if provider else frozenset()


def not_possible(gateway: str, address: str, protocol: Protocol, error: MailctlError) -> CheckReport:
    """The report on a check that can't be tried, since `error` tells that something is not configured."""
    return CheckReport(
        gateway=gateway,
        address=address,
        protocol=protocol,
        ok=False,
        stage="config",
        cause="not_configured",
        confidence="high",
        explanation=error.message,
        remedy=(error.hint,) if error.hint else (),
        fixer="user",
        retry="after-fix",
        message=error.message,
        exit_code=error.exit_code,
    )


def run_planned(
    context: "Context",
    planned: Sequence[Planned],
    secret: Callable[[CheckJob], Secret],
    parallel: int,
) -> list[CheckReport]:
    """Carry out what was planned, side by side, and log each outcome → reports in the order of `planned`.

    secret: of a job's login; raises SecretError. It is called from several threads.
    """
    from mailctl.diagnosis.batch import run_checks

    jobs = [entry for entry in planned if isinstance(entry, CheckJob)]
    with context.emitter.count("checks", len(jobs)) as count:

        def ended(report: CheckReport) -> None:
            count.advance()
            _log(context, report)

        def waiting(climbs: "Sequence[Climb]") -> None:
            at = [f"{each.job.gateway or each.job.address} {each.job.protocol.upper()} {each.stage}" for each in climbs]
            count.say(", ".join([*at[:_TOLD], *(["…"] if at[_TOLD:] else [])]))

        for entry in planned:
            if isinstance(entry, CheckReport):
                _log(context, entry)
        opened, looks = context.open_session, context.looks  # made here, in the main thread
        done = iter(run_checks(jobs, opened, secret, lambda: context.knowledge, parallel, ended, looks, waiting))
    return [next(done) if isinstance(entry, CheckJob) else entry for entry in planned]


def check_gateway(
    context: "Context",
    gateway: "Gateway",
    server: "Server",
    *,
    secret: Callable[[CheckJob], Secret] | None = None,
    options: CheckOptions | None = None,
) -> list[CheckReport]:
    """Test one gateway, saved or not, on `server`.

    secret: of a job's login, also one that is not saved yet; by default from where the gateway's login says.
    """
    options = options or CheckOptions(timeout=context.config.settings.timeout, parallel=context.config.settings.jobs)
    secrets = context.secrets
    planned = gateway_checks(context.join(gateway, server), options, context.provider(server))
    return run_planned(
        context,
        planned,
        secret or (lambda job: secrets.for_login(gateway, job.protocol, refused=job.token_refused)),
        options.parallel,
    )


def check_error(reports: Sequence[CheckReport]) -> MailctlError | None:
    """The error of a command whose checks these were, with the exit code of them all; None if all passed.

    Its hint is the first step of the remedy, where that is the same for all that failed.
    """
    failed = [report for report in reports if not report.ok]
    if not failed:
        return None
    summary = summarize(reports)
    if len(reports) == 1:
        message = failed[0].message or failed[0].explanation
    else:
        causes = summary.failures if len(summary.causes) > 1 else summary.causes
        message = f"{len(failed)} of {len(reports)} checks failed: {', '.join(causes)}"
    steps = {report.remedy[:1] for report in failed}
    hint = "".join(steps.pop()) if len(steps) == 1 else ""
    error = MailctlError(
        message, hint=hint, code="check_failed", cause="".join(summary.causes) if len(summary.causes) == 1 else ""
    )
    error.exit_code = combined_exit_code([report.exit_code for report in failed])
    return error


def check_outcome(reports: "list[CheckReport]") -> "Outcome":
    """What a command says of its checks: result, views, warnings of each check, and the error if one failed."""
    from mailctl.cli.check_view import FEW, checks_records, checks_view, verdicts_view
    from mailctl.output.emitter import Outcome

    warnings = [
        f"{report.gateway or report.address} {report.protocol.upper()}: {text}"
        for report in reports
        for text in report.warnings
    ]
    return Outcome(
        Checks(reports, summarize(reports)),
        checks_view(reports),
        checks_records(reports),
        error=check_error(reports),
        warnings=warnings,
        verdict=verdicts_view(reports),
        told=("hint", "warnings") if 1 < len(reports) <= FEW else ("message", "hint", "warnings"),
    )


def _log(context: "Context", report: CheckReport) -> None:
    from mailctl.domain.event import Level

    place = f" at {report.endpoint}" if report.endpoint else ""
    what = f"{report.protocol.upper()} of {report.gateway or report.address}{place}"
    context.recorder.record(
        "check.passed" if report.ok else "check.failed",
        f"{what} works" if report.ok else f"{what} failed at {report.stage}: {report.message}",
        level=Level.INFO if report.ok else Level.ERROR,
        gateway=report.gateway,
        protocol=report.protocol.value,
        cause=report.cause,
        stage=report.stage,
        ms=round(sum(stage.ms for stage in report.stages)),
        address=report.address,
        endpoint=report.endpoint,
        exit_code=int(report.exit_code),
    )
