"""A run of `mailctl test` from what was asked to what is said: plan, checks, probes, reports, output."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from mailctl.cli import checking
from mailctl.cli.check_plan import Asked, Plan, make_plan, resolver
from mailctl.cli.checking import CheckOptions, Checks
from mailctl.cli.context import Context
from mailctl.domain.check import CheckReport
from mailctl.domain.record import dataclass
from mailctl.domain.report import Tested
from mailctl.errors import MailctlError, SafetyError, StorageError, UsageError, combined_exit_code
from mailctl.output.emitter import Outcome


class Form(StrEnum):
    """What else can be printed."""

    NAGIOS = "nagios"
    PROMETHEUS = "prometheus"


@dataclass(frozen=True, slots=True)
class Presented:
    """How a run is told. files: of reports. send: whether messages are sent; patience: seconds for them, if said."""

    form: Form | None
    files: tuple[str, ...]
    send: bool
    patience: float | None


def run(context: Context, asked: Asked, make_options: Callable[[], CheckOptions], how: Presented) -> None:
    """Carry out what was asked and tell it, to a monitor in the monitor's way even if it can't be carried out.

    make_options: gives the options, or raises UsageError.
    """
    if how.form and context.emitter.json:
        raise UsageError("--json and --format exclude each other")
    if how.form is Form.NAGIOS:
        try:
            plan, outcome, unwritten = _carried_out(context, asked, make_options(), how)
        except MailctlError as error:
            _tell_nagios(context, None, [error])
        _tell_nagios(context, outcome.value, [*plan.errors, *unwritten])
    plan, outcome, unwritten = _carried_out(context, asked, make_options(), how)
    if how.form:
        from mailctl.output.prometheus import render

        checks = _checks(outcome.value)
        outcome = replace(outcome, view=None, verdict=None, told=(), text=render(checks.checks, checks.probes))
    for warning in (*map(str, plan.errors), *plan.warnings):
        context.emitter.warn(warning)
    wrote = [f"Wrote the report: {', '.join(how.files)}"] if how.files and not unwritten else []
    outcome = replace(outcome, error=_joined(outcome.error, plan.errors), notes=[*plan.notes, *wrote])
    for problem in unwritten:  # what was asked for was not done, whatever the checks say
        before = [outcome.error.message] if outcome.error else []
        outcome = replace(outcome, error=problem, warnings=[*outcome.warnings, *before], told=())
    context.emit(outcome)


def _carried_out(
    context: Context, asked: Asked, options: CheckOptions, how: Presented
) -> tuple[Plan, Outcome, list[MailctlError]]:
    """The plan, what there is to say of it, and why a report could not be written."""
    from mailctl.cli.check_report import report_targets

    targets = report_targets(how.files)  # what can't be written is told before anything is sent
    plan = make_plan(context, asked, replace(options, trace=options.trace or bool(targets), relaying=how.form is None))
    secret = resolver(context, plan)
    if how.send:
        from mailctl.cli import probing

        probing.agree(context, plan, options, every=asked.every, yes=asked.yes)
    reports = checking.run_planned(context, plan.planned, secret, options.parallel)
    if options.trace:
        _show_traces(context, reports)
    outcome = checking.check_outcome(reports)
    if how.send:
        outcome = probing.probe(context, plan, reports, secret, options, how.patience, outcome)
    unwritten = _written(context, targets, _checks(outcome.value), plan)
    return plan, outcome if options.trace else replace(outcome, value=_untraced(outcome.value)), unwritten


def _written(context: Context, targets: Sequence[Path], checks: Checks, plan: Plan) -> list[MailctlError]:
    """Write the reports, if any are wanted; what kept them from being written."""
    from mailctl.cli.check_report import write_reports

    try:
        if targets:
            write_reports(context, targets, checks, plan)
    except (SafetyError, StorageError) as error:
        return [error]
    return []


def _checks(value: object) -> Checks:
    assert isinstance(value, Checks)  # check_outcome makes it  # noqa: S101
    return value


def _untraced(value: object) -> Checks:
    """The result without the conversations, which a report has asked for and nobody else."""
    checks = _checks(value)
    return replace(
        checks,
        checks=[replace(each, transcript=()) for each in checks.checks],
        probes=[replace(each, transcript=()) for each in checks.probes],
    )


def _tell_nagios(context: Context, value: object, errors: Sequence[MailctlError]) -> NoReturn:
    """Print what the plugin API asks for, and end with its exit code."""
    from typer import Exit

    from mailctl.output.nagios import render

    tested: list[Tested] = [*_checks(value).checks, *_checks(value).probes] if value else []
    text, state = render(tested, [error.message for error in errors])
    context.stdout.write(text + "\n")
    raise Exit(int(state))


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
