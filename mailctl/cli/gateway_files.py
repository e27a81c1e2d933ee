"""What a gateway has on disk beside its configuration: sync state and mail; moved and removed with it.

Every step can be repeated after an interruption. Nothing here follows a symbolic link.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mailctl.cli.context import Context
from mailctl.domain.gateway import Gateway
from mailctl.domain.home import home_folder
from mailctl.errors import ExistsError, SafetyError, StorageError

STATE_SUFFIXES = (".db", ".db-wal", ".db-shm", ".db-journal", ".db.bad", ".db.seal")


@contextmanager
def at_rest(context: Context, name: str) -> Iterator[None]:
    """Keep sync and watch from using the gateway meanwhile, by the locks they take; LockedError if one does now."""
    from mailctl.sync.watch.locks import WatchLocks

    watches = WatchLocks(context.paths.state / "watch", lambda: f"mailctl {context.command}")
    with watches.keep_out(name), _without_sync(context, name):
        yield


@contextmanager
def _without_sync(context: Context, name: str) -> Iterator[None]:
    from mailctl.sync.local.lock import Lock

    path = context.paths.state / "sync" / f"{name}.lock"
    if not path.parent.is_dir():  # never synced
        yield
        return
    with Lock(path, name, lambda: f"mailctl {context.command}"):
        yield
        with suppress(FileNotFoundError):
            os.unlink(path)


def check_room(context: Context, gateway: Gateway, new: str) -> None:
    """ExistsError if mail lies where the renamed gateway's would go."""
    target = context.paths.data / "mail" / new
    if not gateway.inbound.maildir and os.path.lexists(target):
        raise ExistsError(f"There is mail of another gateway in {target}", hint="Move it away, or choose another name.")


def move(context: Context, gateway: Gateway, new: str) -> None:
    """Give state and mail the new name; if one can't have it, none has. Raises StorageError."""
    states = context.paths.state / "sync"
    moves = [(states / f"{gateway.name}{suffix}", states / f"{new}{suffix}") for suffix in STATE_SUFFIXES]
    if not gateway.inbound.maildir:
        moves.append((context.maildir(gateway), context.paths.data / "mail" / new))
    moved: list[tuple[Path, Path]] = []
    for old, target in moves:
        try:
            os.rename(old, target)
        except FileNotFoundError:
            continue
        except OSError as error:
            for origin, place in reversed(moved):
                with suppress(OSError):  # the first error is the one to report
                    os.rename(place, origin)
            raise StorageError(f"{old} can't be renamed to {target}: {error.strerror}") from error
        moved.append((old, target))


def remove_state(context: Context, name: str) -> None:
    """Remove the sync state; it can be rebuilt."""
    for suffix in STATE_SUFFIXES:
        path = context.paths.state / "sync" / f"{name}{suffix}"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} can't be removed: {error.strerror}") from error


def check_deletable(context: Context, gateway: Gateway) -> Path | None:
    """The folder that holds this gateway's mail and nothing else, or None if there is none.

    SafetyError if more than its mail may lie there.
    """
    path = context.maildir(gateway)
    if not os.path.lexists(path):
        return None
    reason = ""
    if path.is_symlink() or not path.is_dir():
        reason = "is not a folder of its own"
    else:
        real = path.resolve()
        kept = [home_folder(context.env), context.paths.config, context.paths.state]
        if any(real in (each.resolve(), *each.resolve().parents) for each in kept):
            reason = "holds more than mail"
        for other in context.config.gateways().objects:
            there = context.maildir(other).resolve()
            if other.name != gateway.name and (there == real or real in there.parents or there in real.parents):
                reason = f"holds the mail of gateway {other.name!r} too"
    if reason:
        raise SafetyError(f"{path} {reason}; it is not deleted", hint="Delete the mail by hand.")
    return path


def remove_mail(path: Path) -> None:
    """Delete a folder with all that is in it."""
    import shutil

    try:
        shutil.rmtree(path)
    except OSError as error:
        raise StorageError(f"{error.filename or path} can't be deleted: {error.strerror}") from error
