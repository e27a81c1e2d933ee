"""`mailctl auth setup`: an application of one's own, from what to click at the provider to its file."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.auth_options import KeptClientSecret, SetupOptions
from mailctl.cli.auth_service import chosen_service, default_name, users_of, usual_tenant
from mailctl.cli.auth_setup_result import Setup, detail, fields_of
from mailctl.cli.context import Context
from mailctl.cli.lazy import App, spread
from mailctl.cli.password_options import TakenPassword, take_password
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import LoginRole, SecretSource, SourceKind
from mailctl.domain.oauth import Application, Grant
from mailctl.domain.oauth_setup import (
    all_scopes,
    check_client_id,
    check_grant,
    check_tenant,
    doubts_of_secret,
    registration_steps,
)
from mailctl.domain.secret import Secret
from mailctl.errors import ExistsError, MailctlError, SecretError, UsageError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Lines

if TYPE_CHECKING:
    from mailctl.domain.provider import OAuthService

SECONDS = 30.0
"""How long the provider may take to say whether it knows the application."""
TRIES = 3
"""How often a question is put whose answer can't be."""


RESULTS: dict[str, Any] = {"auth setup": Setup}
app = App()


@app.verb()
@spread
def setup(
    ctx: typer.Context,
    provider: Annotated[
        str, typer.Argument(metavar="PROVIDER", help="google, microsoft, a preset, an address; or a name for --issuer.")
    ],
    options: SetupOptions,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the provider afterwards whether it knows the application.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the steps and what would be saved.")] = False,
) -> None:
    """Register an application of your own with a provider: what to click, then what it shows is asked for and checked.

    mailctl brings no application of its own, and uses nobody else's. Every answer can be given by an option.
    """
    context = Context.of(ctx)
    service, preset = chosen_service(context, provider, options.issuer)
    name = options.name or default_name(context, service, provider)
    work = _Setup(context, service, options, name, dry_run, usual_tenant(service, preset))
    work.refuse_settings()
    if check and work.grant is Grant.SERVICE_ACCOUNT:
        raise UsageError("A service account can only be checked with a mailbox", hint="`mailctl test GATEWAY` does it.")
    if not work.in_settings:
        work.explain()
    if options.client_id is None and not work.old and (dry_run or not context.interactive) and work.needs_client_id:
        missing = None if dry_run else UsageError("Nothing was saved: give what the provider shows with --client-id")
        context.emit(Outcome(work.value(None), work.steps_view(), error=missing))
        return
    application, secret = work.application()
    changed = work.save(application, secret)
    said = "Nothing to change" if not changed else "Would save" if dry_run else "Saved"
    recognised, error = _recognised(context, application) if check and not dry_run else (None, None)
    value = work.value(application, changed=changed, recognised=recognised)
    known = [f"{application.service.id} knows the application."] if recognised else []
    if check and not dry_run and recognised is None:
        known = [f"{application.service.id} doesn't tell whether it knows the application; signing in shows it."]
    following = [] if error else [f"Next: {command}" for command in value.next]
    what = f"the client secret of {name}" if work.in_settings else value.path
    notes = [f"{said}: {what}", *known, *following]
    context.emit(Outcome(value, fields_of(value), error=error, notes=notes, warnings=secret.warnings))


def _recognised(context: Context, application: Application) -> tuple[bool | None, MailctlError | None]:
    """Whether the provider knows the application, None if it doesn't tell; why not, or why it can't be asked."""
    try:
        return context.tokens.client(application).recognised(Deadline(SECONDS)) or None, None
    except MailctlError as error:
        error.hint = error.hint or f"`mailctl auth setup {application.name}` again, with what the provider shows."
        return False, error


class _Setup:
    """One application on its way to its file."""

    def __init__(
        self,
        context: Context,
        service: "OAuthService",
        options: SetupOptions,
        name: str,
        dry_run: bool,
        usual_tenant: str,
    ) -> None:
        self.context, self.options, self.name, self.dry_run = context, options, name, dry_run
        self.usual_tenant = usual_tenant
        applications = context.config.applications
        self.in_settings = applications.in_settings(name)
        self.path = context.config.root / "config.toml" if self.in_settings else applications.path(name)
        found = {each.name: each for each in applications.listing().objects}.get(name)
        self.old = found if found and found.service.id == service.id else None
        self.service = service
        self.grant = options.grant or (self.old.grant if self.old else Grant.AUTHORIZATION_CODE)
        check_grant(service, self.grant)
        self.redirect = options.redirect or (self.old.redirect if self.old else service.redirect or "http://127.0.0.1")

    @property
    def needs_client_id(self) -> bool:
        """Whether the way of signing in has one."""
        return self.grant is not Grant.SERVICE_ACCOUNT

    def refuse_settings(self) -> None:
        """ExistsError where the user's own config.toml describes the application, and not only a secret is kept."""
        only_secret = replace(self.options, name=None, client_secret_stdin=False) == SetupOptions()
        kept = self.old and self.old.client_secret and self.old.client_secret.store
        if self.in_settings and not (only_secret and kept):
            raise ExistsError(
                f"config.toml describes the OAuth application {self.name!r}, and is yours to change",
                hint=f"Edit [oauth.{self.name}] there; or choose another name with --name.",
            )

    def steps(self) -> Sequence[str]:
        """What to click."""
        return registration_steps(self.service, self.grant, self.redirect)

    def explain(self) -> None:
        """The steps, numbered, for a person who is about to be asked."""
        if self.context.interactive and not self.context.emitter.json and self.options.client_id is None:
            for number, step in enumerate(self.steps(), 1):
                self.context.emitter.note(f"{number}. {step}")

    def steps_view(self) -> Lines:
        """The same as the result."""
        return Lines([f"{number}. {step}" for number, step in enumerate(self.steps(), 1)])

    def application(self) -> tuple[Application, TakenPassword]:
        """The application that the answers describe, proven storable; and its secret."""
        from mailctl.config.oauth import with_tenant

        service, options, old = self.service, self.options, self.old
        if self.in_settings and old:
            return old, self._secret(old.client_secret)
        client_id, tenant = self._client_id(), ""
        if "{tenant}" in service.token_endpoint:
            tenant = self._tenant(client_id)
        kept = old.client_secret if old and old.client_id == client_id else None
        taken = self._secret(kept)
        scopes = {name: tuple(options.scope) for name in ("imap", "pop3", "smtp")} if options.scope else service.scopes
        key = old.key if old else None
        if options.key_file:
            key = SecretSource(SourceKind.FILE, (_full(options.key_file),))
        made = Application(
            self.name,
            replace(with_tenant(service, tenant), scopes=scopes),
            client_id,
            self.grant,
            tenant,
            self.redirect,
            taken.source or kept,
            key,
        )
        if key and (error := self.context.secrets.check("", LoginRole.LOGIN, key).error):
            taken = replace(taken, warnings=(*taken.warnings, error.message))
        return self.context.config.applications.check(made), taken

    def _client_id(self) -> str:
        given, old = self.options.client_id, self.old.client_id if self.old else ""
        if not self.needs_client_id:
            return given or old

        def check(answer: str) -> str:
            return check_client_id(self.service, answer)

        if given is not None:
            return check(given)
        return self._ask("Client id", check, old) if self.context.interactive else old

    def _tenant(self, client_id: str) -> str:
        given = self.options.tenant
        usual = self.old.tenant if self.old else self.usual_tenant if self.grant.by_person else ""

        def check(answer: str) -> str:
            return check_tenant(self.grant, answer, client_id)

        if given is not None or not (self.context.interactive and self.options.client_id is None):
            return check(given or usual)
        if self.grant.by_person and not self.old:
            self.context.emitter.note(
                "The tenant: consumers for Outlook.com and Hotmail, the organisation's id or domain."
            )
        return self._ask("Tenant", check, usual)

    def _secret(self, kept: SecretSource | None) -> TakenPassword:
        """The client secret, or where it is; nothing where one is `kept`, or none is needed."""
        ways = self.options.ways()
        needed = self.grant is Grant.CLIENT_CREDENTIALS or self.service.wants_secret is True
        if self.grant is Grant.SERVICE_ACCOUNT:
            return TakenPassword()
        if self.dry_run and not ways.given:
            return TakenPassword(SecretSource() if needed and not kept else None)
        store = SourceKind(self.options.client_secret_store.value)
        if kept and kept.store and store is SourceKind.KEYRING:
            store = kept.store
        if self.dry_run and ways.stdin:
            return TakenPassword(SecretSource(store))
        asks = self.service.wants_secret is not False or needed
        gone = kept is not None and not ways.given and self._gone(kept)
        needed = needed or gone
        ask = "Client secret" if needed else "Client secret (Enter if there is none)"
        if (kept and not gone) or not (asks or gone) or (not needed and not self.context.interactive):
            ask = ""
        taken = take_password(self.context, ways, "client-secret", ask=ask, optional=not needed, store=store)
        doubts = doubts_of_secret(self.service, taken.secret) if taken.secret else []
        return replace(taken, warnings=(*taken.warnings, *doubts))

    def _gone(self, kept: SecretSource) -> bool:
        """Whether the store that the client secret should be in has none, or another store is named."""
        if kept.store is None or self.old is None:
            return False
        if kept.store is not SourceKind.ENCRYPTED and self.options.client_secret_store is KeptClientSecret.ENCRYPTED:
            return True
        try:
            self.context.secrets.application_secret(self.old, "client_secret", kept)
        except SecretError as error:
            return error.code == "secret_missing"
        return False

    def _ask(self, question: str, check: Callable[[str], str], usual: str) -> str:
        """The checked answer to a question, which is put again if that can't be; Enter takes what is usual."""
        for tried in range(1, TRIES + 1):
            shown = f"{question} [{usual}]:" if usual else f"{question}:"
            answer = self.context.emitter.ask(shown, self.context.stdin)
            if not answer:
                raise UsageError(f"{question}: no answer was given", code="no_input")
            try:
                return check(answer.strip() or usual)
            except UsageError as error:
                if tried == TRIES:
                    raise
                self.context.emitter.error(error)
        raise AssertionError

    def save(self, application: Application, taken: TakenPassword) -> bool:
        """Keep the client secret and write the file; with --dry-run, only say whether something would change."""
        applications = self.context.config.applications
        if self.dry_run:
            return application != self.old or self.options.client_secret_stdin
        store = taken.source.kind if taken.source else SourceKind.KEYRING
        if taken.secret is not None and store is SourceKind.ENCRYPTED:
            self.context.encrypted.unlock()  # others wait for the lock below: not for a person who types
        with self.context.config.locked():
            if taken.secret is not None:
                self._keep(taken.secret, store)
            changed = not self.in_settings and applications.save(application).changed
            return changed or taken.secret is not None

    def _keep(self, secret: Secret, store: SourceKind) -> None:
        try:
            self.context.secrets.set_application_secret(self.name, secret, store)
        except SecretError as error:
            if error.code.startswith("keyring_"):
                error.hint = (
                    "Nothing was saved. Unlock or start a keyring; or add --client-secret-store encrypted, or name "
                    "where it is: --client-secret-command CMD, --client-secret-file PATH."
                )
            raise

    def value(self, application: Application | None, *, changed: bool = False, recognised: bool | None = None) -> Setup:
        """The result."""
        return Setup(
            name=self.name,
            service=self.service.id,
            steps=list(self.steps()),
            scopes=list(all_scopes(application.service if application else self.service)),
            registration_url=self.service.registration_url,
            application=detail(application) if application else None,
            path=str(self.path),
            changed=changed,
            recognised=recognised,
            dry_run=self.dry_run,
            next=self._next() if application else [],
        )

    def _next(self) -> list[str]:
        verb = "auth login" if self.grant.by_person else "test"
        names = dict.fromkeys(gateway.name for gateway, _ in users_of(self.context, self.name))
        if names:
            return [f"mailctl {verb} {name}" for name in names]
        return ["mailctl gateway add GATEWAY --server SERVER --email ADDRESS", f"mailctl {verb} GATEWAY"]


def _full(path: str) -> str:
    import os

    return path if path.startswith(("/", "~/")) else os.path.abspath(path)
