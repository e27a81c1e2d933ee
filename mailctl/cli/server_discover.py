"""`mailctl server discover ADDRESS`: what the domain of an address says about its mail service."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.discovery import Answered, Asked, Discovery, Source
from mailctl.domain.names import check_name
from mailctl.domain.server import Protocol, Security
from mailctl.errors import ConfigError, ExistsError, MailctlError, NetworkError, NotFoundError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Styled, Table, columns

app = App()
RESULTS: dict[str, Any] = {"server discover": Discovery}


@app.verb()
def discover(
    ctx: typer.Context,
    address: Annotated[str, typer.Argument(help="The e-mail address. Its local part is told to nobody.")],
    save: Annotated[str, typer.Option(metavar="NAME", help="Make a server of that name from the first answers.")] = "",
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="How long to wait for answers in all.")] = 10.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --save: only say what would be saved.")] = False,
) -> None:
    """Find the mail servers of an address: preset, SRV records, autoconfig, MX."""
    context = Context.of(ctx)
    if not 0.1 <= timeout <= 300:
        raise UsageError("--timeout must be 0.1 to 300 seconds")
    if save and context.config.server_exists(check_name(save, "server")):
        raise ExistsError(f"There is a server named {save!r} already", hint="`mailctl server list` shows all.")
    found = context.discover(address, timeout)
    error = _error(found)
    notes = [*_account(found, error), *found.advice]
    if save and error is None:
        notes.append(_save(context, found, save, dry_run=dry_run))
    context.emit(Outcome(found, _table(found), error=error, notes=notes, warnings=found.warnings))


def _save(context: Context, found: Discovery, name: str, *, dry_run: bool) -> str:
    """Save the server, or only check that it could be; returns what was done."""
    server = found.server(name)
    if not server.endpoints:
        raise ConfigError(
            "Only endpoints without TLS were found; no server is made of them",
            hint=f"If it must be: mailctl server add {name} --imap HOST --imap-security none",
        )
    protocols = ", ".join(protocol.upper() for protocol in server.endpoints)
    if dry_run:
        context.config.check_server(server)
        return f"Would make the server {name} ({protocols})."
    context.config.save_server(server, new=True)
    more = f"Next: mailctl gateway add NAME --server {name} --email {found.email}"
    return f"Made the server {name} ({protocols}). {more}"


def _error(found: Discovery) -> MailctlError | None:
    """Why there is nothing to show, or None if there is something."""
    if found.candidates:
        return None
    if found.provider:
        return NotFoundError(f"Mail at {found.domain} can't be read or sent by mail programs", code="no_mail_service")
    if any(each.source is Source.MX and each.cause == "dns_not_found" for each in found.asked):
        hint = "Check the spelling of the address."
        return NotFoundError(f"There is no domain {found.domain}", hint=hint, cause="dns_not_found")
    failed = [each for each in found.asked if each.answered is Answered.FAILED and each.source is not Source.AUTOCONFIG]
    if failed:
        return NetworkError(
            f"Nothing was found for {found.domain}, since DNS did not answer: {failed[0].failure}",
            hint="Is this machine online? Try again, or give more time with --timeout.",
            cause=failed[0].cause,
        )
    return NotFoundError(
        f"Nothing is known of the mail service of {found.domain}",
        hint="Ask its operator for the hosts, then: mailctl server add NAME --imap HOST --smtp HOST",
        cause="dns_lookup",
    )


def _table(found: Discovery) -> Table:
    return Table(
        columns(
            "protocol", "endpoint", "security", "user", "source", "evidence", fold=("endpoint", "user", "evidence")
        ),
        [
            [
                each.protocol.upper(),
                str(each.endpoint),
                Styled(each.endpoint.security, "bad" if each.endpoint.security is Security.NONE else ""),
                each.user or found.user,
                each.found[0].source,
                "; ".join(finding.evidence for finding in each.found),
            ]
            for each in found.candidates
        ],
    )


def _account(found: Discovery, error: MailctlError | None) -> Iterator[str]:
    """What was asked, as far as it helps: what failed, and everything if nothing was found."""
    if found.provider:
        yield f"Provider: {found.provider} (`mailctl server presets {found.provider}` shows it in full)"
    for protocol in Protocol:
        declined = any(each.answered is Answered.NOT_OFFERED and _about(each, protocol) for each in found.asked)
        if declined and not found.best(protocol):
            yield f"{found.domain} says that it offers no {protocol.upper()}."
    for each in found.asked:
        if error is not None or each.answered is Answered.FAILED:
            why = f": {each.failure}" if each.failure else ""
            yield f"Asked {each.source} {each.question}: {each.answered.replace('_', ' ')} ({each.ms} ms){why}"


def _about(asked: Asked, protocol: Protocol) -> bool:
    names = {Protocol.IMAP: "_imap", Protocol.POP3: "_pop3", Protocol.SMTP: "_submission"}
    return asked.source is Source.SRV and asked.question.startswith(names[protocol])
