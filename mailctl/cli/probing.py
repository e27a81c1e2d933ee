"""`mailctl test --send`: which gateways send themselves a message, and what is said of it. The view is `probe_view`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mailctl.cli.checking import Checks, not_possible
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.probe import ProbeReport
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, MailctlError, UsageError, combined_exit_code

if TYPE_CHECKING:
    from mailctl.cli.check_plan import Plan
    from mailctl.cli.checking import CheckOptions
    from mailctl.cli.context import Context
    from mailctl.output.emitter import Outcome

PATIENCE = 60.0
"""Seconds that the message is looked for, unless --timeout says otherwise."""


def agree(context: "Context", plan: "Plan", options: "CheckOptions", *, every: bool, yes: bool) -> None:
    """See that a message may be sent for everything in `plan`, before anything is done. Raises UsageError if not."""
    if options.protocols and not (Protocol.SMTP in options.protocols and {*options.protocols} - {Protocol.SMTP}):
        raise UsageError(
            "--send needs SMTP and one of IMAP and POP3",
            hint="Leave --imap, --pop3 and --smtp out: both are tested then.",
        )
    if every:
        names = {entry.gateway for entry in plan.planned}
        if not context.confirm(f"Send a message to {counted(len(names), 'gateway')}, each to itself?", yes=yes):
            raise UsageError("Nothing was sent", code="no")


def probe(
    context: "Context",
    plan: "Plan",
    reports: Sequence[CheckReport],
    secret: Callable[[CheckJob], Secret],
    options: "CheckOptions",
    timeout: float | None,
    outcome: "Outcome",
) -> "Outcome":
    """Send the probes of all whose checks passed → `outcome` with what became of them. timeout: --timeout, or None."""
    from secrets import token_hex

    from mailctl.diagnosis.probes.message import probe_message
    from mailctl.diagnosis.probes.run import run_probes
    from mailctl.domain.probe import ProbeJob

    tools = context.probe_tools()
    jobs: list[ProbeJob] = []
    probes: list[ProbeReport] = []
    keys = dict.fromkeys((report.gateway, report.address) for report in reports)
    for key in keys:
        name = key[0] or key[1]
        if not all(report.ok for report in reports if (report.gateway, report.address) == key):
            plan.notes.append(f"No message was sent to {name}: its checks did not all pass.")
            continue
        found = [job for job in plan.planned if isinstance(job, CheckJob) and (job.gateway, job.address) == key]
        ways = {job.protocol: job for job in found}
        inbound = ways.get(Protocol.IMAP) or ways.get(Protocol.POP3)
        if Protocol.SMTP not in ways or inbound is None:
            missing = "SMTP" if inbound else "IMAP or POP3"
            if len(keys) > 1:
                plan.notes.append(f"No message was sent to {name}: it has no {missing}.")
            else:
                probes.append(_impossible(*key, missing=missing))
            continue
        local, _, domain = key[1].rpartition("@")
        message = probe_message(f"{local}@{tools.a_labels(domain)}", context.now(), token_hex(16))
        jobs.append(ProbeJob(ways[Protocol.SMTP], inbound, message, PATIENCE if timeout is None else timeout))
    if not jobs:
        return extend(outcome, probes)
    with context.emitter.count("messages", len(jobs)) as count:

        def ended(report: ProbeReport) -> None:
            count.advance()
            _log(context, report)

        probes += run_probes(
            jobs,
            tools,
            secret,
            lambda: context.knowledge,
            options.parallel,
            ended,
        )
    if options.trace:
        _show_traces(context, probes)
    return extend(outcome, probes)


def extend(outcome: "Outcome", probes: "list[ProbeReport]") -> "Outcome":
    """What a command says of its checks, and now of its probes too."""
    from mailctl.cli.probe_view import probe_rows, probe_verdicts, probes_view
    from mailctl.output.view import Lines, Stack

    checks, view, records, verdict = outcome.value, outcome.view, outcome.records, outcome.verdict
    assert isinstance(checks, Checks)  # check_outcome makes it  # noqa: S101
    warnings = [f"{report.gateway or report.address} PROBE: {text}" for report in probes for text in report.warnings]
    return replace(
        outcome,
        value=replace(checks, probes=probes),
        view=Stack([*([view] if view else []), *probes_view(probes)]),
        records=records and replace(records, rows=[*records.rows, *probe_rows(probes)]),
        verdict=Stack([*([verdict] if verdict else []), Lines(probe_verdicts(probes))]),
        error=_error(outcome.error, probes),
        warnings=[*outcome.warnings, *warnings],
    )


def _error(error: MailctlError | None, probes: Sequence[ProbeReport]) -> MailctlError | None:
    failed = [report for report in probes if not report.ok]
    if not failed:
        return error
    said = "; ".join(dict.fromkeys(f"{report.gateway or report.address}: {report.message}" for report in failed[:3]))
    steps = {report.remedy[:1] for report in failed}
    message = said if len(failed) <= 3 else f"{len(failed)} of {len(probes)} messages failed: {said}; …"
    both = MailctlError(
        message if error is None else f"{error.message}; {message}",
        hint="".join(steps.pop()) if len(steps) == 1 and error is None else "",
        code="check_failed",
        cause=failed[0].cause if len({report.cause for report in failed}) == 1 and error is None else "",
    )
    codes = [report.exit_code for report in failed]
    both.exit_code = combined_exit_code([error.exit_code, *codes] if error else codes)
    return both


def _impossible(gateway: str, address: str, missing: str) -> ProbeReport:
    error = ConfigError(
        f"A message can't be sent and found again without {missing}",
        hint=f"`mailctl gateway show {gateway}` shows what is switched on." if gateway else "",
        code="no_endpoint",
    )
    check = not_possible(gateway, address, Protocol.SMTP, error)
    from mailctl.diagnosis.probes.report import verdict_of

    return ProbeReport(gateway, address, ok=False, **verdict_of(check))


def _log(context: "Context", report: ProbeReport) -> None:
    from mailctl.domain.event import Level

    name = report.gateway or report.address
    arrived = f"a message of {name} to itself arrived in {report.folder or 'its mailbox'}"
    context.recorder.record(
        "probe.passed" if report.ok else "probe.failed",
        arrived if report.ok else f"a message of {name} to itself failed at {report.stage}: {report.message}",
        level=Level.INFO if report.ok else Level.ERROR,
        gateway=report.gateway,
        cause=report.cause,
        stage=report.stage,
        ms=round(report.delay_ms or 0),
        address=report.address,
        message_id=report.message_id,
        folder=report.folder,
        sent=report.sent,
        removed=report.removed,
        exit_code=int(report.exit_code),
    )


def _show_traces(context: "Context", probes: Sequence[ProbeReport]) -> None:
    from mailctl.output.escape import visible

    for report in probes:
        for line in (f"--- {report.gateway or report.address} PROBE", *report.transcript):
            context.stderr.write(visible(line) + "\n")
