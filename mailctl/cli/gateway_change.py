"""`mailctl gateway add|edit`."""

import re
from collections.abc import Sequence
from dataclasses import field, replace
from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.gateway_checks import check_limits, check_new, named_server
from mailctl.cli.gateway_options import GatewayOptions, PasswordOptions, unset
from mailctl.cli.gateway_passwords import NewSecrets, forget_replaced, keep, take_secrets
from mailctl.cli.gateway_show import GatewayDetail, detail, fields_of
from mailctl.cli.gateway_tokens import carried, would_carry
from mailctl.cli.lazy import App, spread
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.gateway import Gateway, Login, Mode, SourceKind
from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol, Server
from mailctl.errors import UsageError
from mailctl.output.emitter import Outcome


@dataclass(frozen=True, slots=True)
class GatewayChange:
    """What became of a gateway.

    changed: whether its file was (or, with dry_run, would be) written. checks: what --test found. advice: what its
    provider asks for at sign-in, as sentences. next: the commands that come next.
    """

    name: str
    gateway: GatewayDetail
    changed: bool
    dry_run: bool
    checks: list[CheckReport]
    advice: list[str]
    next: list[str]


RESULTS: dict[str, Any] = {"gateway add": GatewayChange, "gateway edit": GatewayChange}
app = App()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be saved; ask for no password, save nothing.")]
Test = Annotated[bool, typer.Option("--test", help="Test first; save nothing if a check fails.")]


@app.verb()
@spread
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.")],
    options: GatewayOptions,
    passwords: PasswordOptions,
    test: Test = False,
    dry_run: DryRun = False,
) -> None:
    """Connect a mailbox through a server."""
    context = Context.of(ctx)
    server = check_new(context, name, options)
    gateway = _complete(context, options.apply(Gateway(name, "", "", Login(""))), server)
    check_limits(context, gateway, None)
    advice = _advice(context, gateway, server)
    if not context.emitter.json:
        for sentence in advice:  # before the password is asked for
            context.emitter.note(sentence)
    gateway, secrets = take_secrets(context, gateway, options, passwords, new=True, dry_run=dry_run)
    change = _Change(context, gateway, server, secrets, advice)
    if test and any(login.secret.kind is SourceKind.OAUTH for login in gateway.logins.values()):
        raise UsageError(
            "It can't be tested before somebody has signed in, and that needs the gateway",
            hint=f"Add it without --test; then: mailctl auth login {name}, and mailctl test {name}",
        )
    if dry_run:
        change.emit(changed=True, dry_run=True)
    elif not test or change.tested():
        with context.config.locked():
            check_limits(context, gateway, None)
            if context.config.gateway_exists(name):
                check_new(context, name, options)
            with keep(context, gateway, secrets, undo=True):
                context.config.save_gateway(gateway, new=True)
        change.emit(changed=True)


@app.verb()
@spread
def edit(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway.")],
    options: GatewayOptions,
    passwords: PasswordOptions,
    forgotten: Annotated[
        list[str] | None,
        typer.Option("--unset", metavar="KEY", help="Forget a value, so that the defaults decide; repeatable."),
    ] = None,
    test: Test = False,
    dry_run: DryRun = False,
) -> None:
    """Change a gateway; what isn't named stays as it is."""
    context = Context.of(ctx)
    old = context.config.gateway(name)
    server = named_server(context, options.server) if options.server else context.server(old.server)
    gateway = _complete(context, options.apply(unset(old, forgotten or [])), server)
    check_limits(context, gateway, old)
    gateway, secrets = take_secrets(context, gateway, options, passwords, new=False, dry_run=dry_run)
    change = _Change(context, gateway, server, secrets, [], old)
    if dry_run:
        notes, warnings = forget_replaced(context, old, gateway, dry_run=True)
        notes += would_carry(context, old, gateway)
        change.emit(changed=gateway != old or bool(secrets.given), dry_run=True, notes=notes, warnings=warnings)
    elif not test or change.tested():
        context.unlock_for([old, gateway])
        with context.config.locked():
            if context.config.gateway(name) != old:
                raise UsageError("Another mailctl changed this gateway meanwhile", hint="Look at it and try again.")
            check_limits(context, gateway, old)
            with keep(context, gateway, secrets, undo=False), carried(context, old, gateway) as carries:
                saved = context.config.save_gateway(gateway)
            notes, warnings = forget_replaced(context, old, gateway)
            notes += carries
        change.emit(changed=saved.changed or bool(secrets.given), notes=notes, warnings=[*saved.warnings, *warnings])


def _complete(context: Context, gateway: Gateway, server: Server) -> Gateway:
    """The gateway with its user name and full paths, proven storable. Raises UsageError."""
    from mailctl.domain.provider import UsernameForm, user_name

    provider = context.provider(server)
    if not gateway.login.user and gateway.email:
        form = provider.username if provider else UsernameForm.EMAIL
        gateway = replace(gateway, login=replace(gateway.login, user=user_name(form, gateway.email)))
    maildir = gateway.inbound.maildir
    if maildir and not maildir.startswith(("/", "~/")):
        import os

        gateway = replace(gateway, inbound=replace(gateway.inbound, maildir=os.path.abspath(maildir)))
    return context.config.check_gateway(gateway)


def _advice(context: Context, gateway: Gateway, server: Server) -> list[str]:
    """What the provider asks for at sign-in, for the protocols that the gateway uses."""
    from mailctl.domain.provider import sign_in_advice

    provider = context.provider(server)
    if provider is None:
        return []
    protocols = context.join(gateway, server).protocols
    return list(sign_in_advice(provider, protocols[0] if len(protocols) == 1 else None))


@dataclass
class _Change:
    """A gateway on its way to its file."""

    context: Context
    gateway: Gateway
    server: Server
    secrets: NewSecrets
    advice: list[str]
    old: Gateway | None = None
    reports: list[CheckReport] = field(default_factory=list)

    def tested(self) -> bool:
        """Run the checks; if one fails, that is the command's result."""
        from mailctl.cli.checking import check_error, check_gateway, check_outcome

        self.reports = check_gateway(self.context, self.gateway, self.server, secret=self._secret)
        error = check_error(self.reports)
        if error is not None:
            outcome = check_outcome(self.reports)
            value = self._value(changed=False, dry_run=False)
            notes = [*outcome.notes, "Nothing was saved"]
            self.context.emit(replace(outcome, value=value, error=error, notes=notes))
        return error is None

    def emit(
        self, *, changed: bool, dry_run: bool = False, notes: Sequence[str] = (), warnings: Sequence[str] = ()
    ) -> None:
        """Say what was, or would be, saved."""
        said = "Nothing to change" if not changed else "Would save" if dry_run else "Saved"
        value = self._value(changed=changed, dry_run=dry_run)
        self.context.emit(
            Outcome(
                value,
                fields_of(value.gateway, short=self.old is None),
                notes=[*notes, f"{said}: gateway {self.gateway.name}", *(f"Next: {each}" for each in value.next)],
                warnings=[*self.secrets.warnings, *self._not_yet(), *warnings],
            )
        )

    def _not_yet(self) -> list[str]:
        """What the gateway asks for and this version of mailctl doesn't do."""
        found = []
        inbound = self.gateway.inbound
        if inbound.mode is Mode.MIRROR and inbound.protocol is Protocol.POP3:
            found.append("POP3 has no mirror mode; `mailctl sync` refuses this gateway until it is `archive`")
        leaving = inbound.keep_on_server is False
        if inbound.mode is Mode.MIRROR and (leaving or inbound.mark_seen or inbound.delete_after):
            found.append("In mirror mode both sides are alike: keep_on_server, delete_after and mark_seen mean nothing")
        elif leaving and inbound.delete_after:
            found.append("With keep_on_server = false, mail goes from the server at once; delete_after means nothing")
        return found

    def _next(self) -> list[str]:
        """The commands that come next, where somebody has to sign in first."""
        from mailctl.errors import SecretError

        found: dict[str, None] = {}
        for role, login in self.gateway.logins.items():
            if login.secret.kind is not SourceKind.OAUTH or (self.old and self.old.logins.get(role) == login):
                continue
            try:
                application = self.context.application(login.secret, self.server, self.gateway.name)
            except SecretError as error:
                found |= dict.fromkeys(re.findall("mailctl [^`]+", error.hint))
            else:
                if not application.grant.by_person:
                    continue
            found[f"mailctl auth login {self.gateway.name}"] = None
        return list(found)

    def _value(self, *, changed: bool, dry_run: bool) -> GatewayChange:
        joined = self.context.join(self.gateway, self.server)
        return GatewayChange(
            self.gateway.name,
            detail(self.context, joined),
            changed,
            dry_run,
            self.reports,
            self.advice,
            self._next(),
        )

    def _secret(self, job: CheckJob) -> Secret:
        """The password just given, or the one that is kept."""
        given = self.secrets.given.get(self.gateway.role_for(job.protocol))
        return given or self.context.secrets.for_login(self.gateway, job.protocol, refused=job.token_refused)
