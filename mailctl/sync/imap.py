"""One gateway over IMAP: its folders, one after another, over one connection that is made anew once if it breaks."""

from collections.abc import Mapping, Sequence

from mailctl.domain.event import Level
from mailctl.domain.mailbox import Folder, ImapMailbox
from mailctl.errors import (
    MailctlError,
    NetworkError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    SafetyError,
    StorageError,
)
from mailctl.sync.choose import choose, unmatched
from mailctl.sync.folder import FolderSync
from mailctl.sync.local.names import folder_hash, uidl_token
from mailctl.sync.local.paths import FolderPath, assign
from mailctl.sync.local.root import Index, Root
from mailctl.sync.plan import brakes
from mailctl.sync.run import Run
from mailctl.sync.state import State

MOST_CONNECTIONS = 8
"""Connections that one run may make in all: the first, and more after one broke in a folder."""
MOST_AVOIDED = 2
"""Messages of one folder that a run goes round, since the server breaks the protocol at them."""

MOST_NAMED = 20
"""Folders that an error names."""


class ImapSync:
    """The sync of one gateway; `sync` raises what ends it as a whole, folders' own errors are in their tallies."""

    def __init__(self, run: Run, state: State, root: Root, index: Index) -> None:
        self._run, self._state, self._root, self._index = run, state, root, index
        self._mailbox: ImapMailbox | None = None
        self._connections = 0

    def sync(self) -> None:
        """All chosen folders."""
        run = self._run
        check_deletions(run, self._state, self._root.account, self._index)
        try:
            listing = self._connected().folders()
            for raw in listing.set_aside:
                run.warn(f"a folder was set aside, since its name can't be read: {raw!r}")
            globs = run.job.folders or run.job.inbound.folders or ("*",)
            choice = choose(listing.folders, globs, self._connected().capabilities)
            if choice.note:
                run.notes.append(choice.note)
            if not choice.chosen and run.job.folders:
                raise NotFoundError(
                    f"{run.job.name} has no folder like {', '.join(run.job.folders)}",
                    hint=f"It has {_named(listing.folders)}.",
                )
            for glob in unmatched(listing.folders, globs):
                run.warn(f"no folder is like {glob}")
            paths = assign(listing.folders, self._root.listing)
            for folder in choice.chosen:
                run.check_stop()
                self._folder(folder, paths)
        finally:
            self._drop()

    def _connected(self) -> ImapMailbox:
        if self._mailbox is None:
            self._connections += 1
            self._mailbox = self._run.tools.connector.open_imap(self._run.job)
        return self._mailbox

    def _drop(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            mailbox.close()

    def _folder(self, folder: Folder, paths: Mapping[str, FolderPath]) -> None:
        """One folder. A lost connection is made again once; what concerns this folder alone ends this folder alone."""
        run, path, again = self._run, paths[folder.name], False
        tally = run.folder(folder.name, str(path))
        try:
            while True:
                mailbox = self._connected()
                tally.skipped.clear()
                avoided = len(tally.avoid)
                try:
                    FolderSync(run, mailbox, self._state, self._root, self._index, folder, path, tally).sync()
                except NetworkError as error:
                    self._drop()
                    text = f"{folder.name}: {error.message}"
                    run.record("sync.connection.lost", text, level=Level.WARNING, folder=folder.name, code=error.code)
                    if again or self._connections >= MOST_CONNECTIONS:
                        raise
                    again = True
                except ProtocolError as error:  # the connection is dead, other messages and folders may be well
                    self._drop()
                    tally.error = error
                    if self._connections >= MOST_CONNECTIONS:
                        raise
                    if avoided == len(tally.avoid) or avoided == MOST_AVOIDED:
                        return
                except (RefusedError, SafetyError, StorageError) as error:
                    tally.error = error
                    if isinstance(error, StorageError) and error.code != "not_a_folder":
                        raise  # the disk is every folder's
                    return
                else:
                    return
        except MailctlError as error:
            tally.error = error
            raise
        finally:
            run.finish_folder(tally)


def _named(folders: Sequence[Folder]) -> str:
    names = sorted(folder.name for folder in folders if folder.selectable)
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def check_deletions(run: Run, state: State, account: str, index: Index) -> None:
    """The brake: SafetyError if so many messages were deleted here that deleting them on the server needs a word."""
    if not run.job.inbound.propagate_deletes or run.job.confirm_deletes:
        return
    deleted = total = 0
    for name, seen in state.folders().items():
        known = folder_hash(account, name)
        here = index.uids(known, seen.uidvalidity)
        agreed = state.agreed(name)
        gone = sum(uid not in here for uid in agreed)
        ids = state.unique_ids(name)
        if ids:
            tokens = index.unique_ids(known)
            gone += sum(uidl_token(uidl) not in tokens for uidl in ids)
        if brakes(gone, len(agreed) + len(ids)):
            deleted, total = gone, len(agreed) + len(ids)
            break
        deleted += gone
        total += len(agreed) + len(ids)
    if brakes(deleted, total):
        text = f"{deleted} of {total} messages were deleted here and would be deleted on the server too"
        if run.job.dry_run:
            run.warn(f"{text}; without --confirm-deletes, the sync stops before it does anything")
            return
        raise SafetyError(
            text,
            hint=f"If that is what you want: `mailctl sync {run.job.name} --confirm-deletes`.",
            code="many_deletions",
        )
