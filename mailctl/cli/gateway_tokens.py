"""Tokens while a gateway is changed: carried into the store where its login looks for them now, or forgotten."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mailctl.cli.context import Context
from mailctl.domain.gateway import Gateway, LoginRole, SecretSource, SourceKind
from mailctl.domain.kept import users_of
from mailctl.errors import MailctlError

NOTHING_KEPT = ("keyring_none", "keyring_refused")
"""Codes of SecretError where there is no keyring that could hold anything."""


@contextmanager
def carried(context: Context, old: Gateway, new: Gateway) -> Iterator[list[str]]:
    """Copy the tokens whose store changes, let the file be written, then remove the old copies; notes on them.

    Killed anywhere, a whole copy is where the file says. Raises, before the file is written, what the new store does.
    """
    notes: list[str] = []
    with ExitStack() as held:
        copied = []
        for role, was, now in _moving(old, new):
            held.enter_context(context.tokens.held(old.name, role))
            found = _found(context, old.name, role, was)
            notes += found if isinstance(found, list) else []
            if found is True and was.store and now.store:
                context.secrets.transfer(old.name, users_of(role, was), was.store, now.store)
                copied.append((role, was, now.store))
                notes.append(f"The tokens went along, into {_called(now)}")
        yield notes
        for role, was, store in copied:
            try:
                context.secrets.drop(old.name, users_of(role, was), was.store or store, store)
            except MailctlError as error:
                notes.append(f"The tokens may still be in {_called(was)} as well: {error.message}")


def would_carry(context: Context, old: Gateway, new: Gateway) -> list[str]:
    """What `carried` would say."""
    notes: list[str] = []
    for role, was, now in _moving(old, new):
        found = _found(context, old.name, role, was)
        notes += found if isinstance(found, list) else [f"The tokens would go along, into {_called(now)}"] * found
    return notes


def forget_tokens(context: Context, old: Gateway, role: LoginRole, *, dry_run: bool) -> list[str]:
    """Forget the tokens of a login that doesn't sign in by them any more."""
    source = old.logins[role].secret
    try:
        there = context.tokens.kept(old.name, role, source) is not None
        if there and not dry_run:
            context.tokens.forget(old.name, role, source)
    except MailctlError as error:
        return [] if error.code in NOTHING_KEPT else [f"The old tokens may still be kept: {error.message}"]
    return [f"The tokens in {_called(source)} {'would be' if dry_run else 'were'} removed, and not revoked"] * there


def _moving(old: Gateway, new: Gateway) -> list[tuple[LoginRole, SecretSource, SecretSource]]:
    """The logins by token whose store changes, with the source before and after."""
    return [
        (role, login.secret, after.secret)
        for role, login in old.logins.items()
        if login.secret.kind is SourceKind.OAUTH
        and (after := new.logins.get(role)) is not None
        and after.secret.kind is SourceKind.OAUTH
        and after.secret.store is not login.secret.store
    ]


def _found(context: Context, name: str, role: LoginRole, source: SecretSource) -> bool | list[str]:
    """Whether a store has tokens of the login; what to say where it can't be asked."""
    secrets = context.secrets
    try:
        ring, service = secrets.keeper(source.store or SourceKind.KEYRING), secrets.service(name)
        return any(ring.get(service, user).secret for user in users_of(role, source))
    except MailctlError as error:  # a keyring that is locked for good is why they are kept elsewhere from now on
        return [] if error.code in NOTHING_KEPT else [f"The tokens stay where they were: {error.message}"]


def _called(source: SecretSource) -> str:
    return "the encrypted file" if source.store is SourceKind.ENCRYPTED else "the keyring"
