"""`mailctl secrets list|prune`: what mailctl keeps in keyring and encrypted file, and what of it nobody uses."""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.gateway_tokens import NOTHING_KEPT
from mailctl.cli.lazy import App
from mailctl.domain.gateway import STORES, Gateway, SourceKind
from mailctl.domain.kept import KeptKind, KeptSecret, is_used, kept_secret, users_of
from mailctl.domain.record import dataclass
from mailctl.domain.when import counted
from mailctl.errors import SecretError
from mailctl.output.emitter import Outcome
from mailctl.output.view import Cell, Styled, Table, columns


@dataclass(frozen=True, slots=True)
class SecretEntry:
    """One entry of a store. owner: a gateway, or of kind application an OAuth application. used: by whom it names."""

    store: SourceKind
    kind: KeptKind
    owner: str
    entry: str
    service: str
    used: bool


@dataclass(frozen=True, slots=True)
class SecretsPruned:
    """What nobody used. removed: False with dry_run, or where the user said no."""

    entries: list[SecretEntry]
    removed: bool
    dry_run: bool


RESULTS: dict[str, Any] = {"secrets list": list[SecretEntry], "secrets prune": SecretsPruned}
app = App()


@app.verb("list")
def list_kept(ctx: typer.Context) -> None:
    """What mailctl keeps in the keyring and in the encrypted file, and for whom; never a value."""
    context = Context.of(ctx)
    kept, notes, error = _all_kept(context)
    entries = [entry for _, entry in kept]
    context.emit(Outcome(entries, _table(entries, error), notes=notes, error=error))


@app.verb()
def prune(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask; needed where nobody can be asked.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
) -> None:
    """Remove what mailctl keeps for gateways that are gone, or whose secret is elsewhere now.

    What the configuration can't be read for stays, and so does what belongs to another configuration folder.
    """
    context = Context.of(ctx)
    orphans, notes, error = _orphans(context)
    entries = [entry for _, entry in orphans]
    many = f"{counted(len(orphans), 'secret')} that nobody uses"
    removed = False
    if orphans and not dry_run and context.confirm(f"Remove {many}?", yes=yes):
        with context.config.locked():  # a gateway that is being added has its secret before its file
            orphans, _, _ = _orphans(context)
            entries = [entry for _, entry in orphans]
            for kept, _ in orphans:
                context.secrets.remove(kept)
        removed = True
    said = "Removed" if removed else "Would remove" if dry_run else "Not removed:"
    all_used = f"Everything that {'was found' if error or notes else 'is kept'} is used."
    notes = [*notes, f"{said} {many}." if orphans else all_used]
    context.emit(Outcome(SecretsPruned(entries, removed, dry_run), _table(entries, error), notes=notes, error=error))


def _orphans(context: Context) -> tuple[list[tuple[KeptSecret, SecretEntry]], list[str], SecretError | None]:
    kept, notes, error = _all_kept(context)
    return [each for each in kept if not each[1].used], notes, error


def _all_kept(context: Context) -> tuple[list[tuple[KeptSecret, SecretEntry]], list[str], SecretError | None]:
    """What both stores keep; notes on a store that isn't there; and why one that is there can't be looked into."""
    listing = context.config.gateways()
    gateways: dict[str, Gateway | None] = dict.fromkeys(context.config.gateway_names())
    gateways |= {gateway.name: gateway for gateway in listing.objects}
    gateways |= dict.fromkeys(context.config.unfinished_rename() or ())
    applications = set(context.config.applications.names())
    found: list[tuple[KeptSecret, SecretEntry]] = []
    notes: list[str] = []
    error: SecretError | None = None
    for store in STORES:
        if store is SourceKind.ENCRYPTED and not context.encrypted.exists:
            continue
        try:
            kept = {*context.secrets.kept(store), *_probed(context, store, listing.objects)}
        except SecretError as failure:
            if failure.code in NOTHING_KEPT:
                notes.append(f"No keyring was looked into: {failure.message}.")
            else:
                error = error or failure
            continue
        for each in sorted(kept, key=lambda one: (one.owner, one.user)):
            used = is_used(each, gateways, applications)
            found.append((each, SecretEntry(store, each.kind, each.owner, each.user, each.service, used)))
    return found, notes, error


def _probed(context: Context, store: SourceKind, gateways: list[Gateway]) -> list[KeptSecret]:
    """What a keyring has for known logins: one that can't be listed may be older than the list of its names."""
    if store is not SourceKind.KEYRING:
        return []
    realm = context.paths.realm(context.env)
    found = []
    for gateway in gateways:
        service = context.secrets.service(gateway.name)
        for role, login in gateway.logins.items():
            if login.secret.store is store:
                user = users_of(role, login.secret)[0]
                try:
                    there = context.secrets.keeper(store).get(service, user).secret is not None
                except SecretError as error:
                    there = error.code == "secret_torn"
                    if not there:
                        raise
                if there:
                    found.append(kept_secret(store, service, user, realm))
    return [each for each in found if each is not None]


def _table(entries: list[SecretEntry], error: SecretError | None) -> Table:
    rows: list[list[Cell]] = [
        [
            each.store,
            each.owner,
            each.kind,
            each.entry,
            Styled("used", "good") if each.used else Styled("unused", "warn"),
        ]
        for each in entries
    ]
    return Table(
        columns("store", "owner", "kind", "entry", "state"),
        rows,
        empty="Nothing was found." if error else "Nothing is kept.",
    )
