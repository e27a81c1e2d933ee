"""Rebuilds the sync state of one gateway from what is there, and mends the Maildir where nothing can be lost by it.

The old state is kept beside the new one (`NAME.db.old`, `NAME.db.bad` if it could not be read). Then both sides are
looked at in full: files are adopted by name, flags united, nothing is fetched and nothing changes on the server. Each
step can be repeated; a repair that died is simply run again.
"""

import os
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from mailctl.domain.gateway import Mode
from mailctl.sync.local.inspect import Entry, Reader
from mailctl.sync.local.lock import Lock
from mailctl.sync.local.maildir import SUBDIRECTORIES, LocalFile, MaildirFolder
from mailctl.sync.local.names import folder_hash, with_letters
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.run import Run
from mailctl.sync.state import State
from mailctl.sync.verify.compare import YEAR_9999
from mailctl.sync.verify.differences import Mended, Repaired
from mailctl.sync.verify.here import Here, litter

_LEFT = frozenset({"too_large", "too_old", "over_limit"})
_UNFINISHED = "repairing"
Sync = Callable[[Run, State], int]


def repair(run: Run, sync: Sync) -> Repaired:
    """Mend the Maildir, rebuild the state; of a dry run, tell what would be done. Raises MailctlErrors."""
    path = Path(run.job.state)
    if run.job.dry_run:
        with State(path, read_only=True) as old:
            account = old.meta("account")
            mended = _mend(run, old) + _date(run, old)
        with State(None) as state:
            state.set_meta("account", account)
            return _adopt(run, sync, state, mended, f"{path}.old" if path.exists() else "")
    with Lock(path.with_suffix(".lock"), run.job.name, run.tools.who):
        with State(path, read_only=True) as old:
            mended = _mend(run, old)  # not before the Maildir is known to be there, and this gateway's
        account, aside = _set_aside(path)
        with State(path) as state:
            state.set_meta(_UNFINISHED, "1")
            if account:
                state.set_meta("account", account)
            done = _adopt(run, sync, state, mended, aside)
            done = replace(done, mended=(*done.mended, *_date(run, state)))
            state.set_meta(_UNFINISHED, "")
            return done


def _set_aside(path: Path) -> tuple[str, str]:
    """(the account that the old state named, where it is now). What a repair that died had begun is no old state."""
    old = path.with_name(path.name + ".old")
    if not path.exists():
        with State(old, read_only=True) as state:  # a repair that died a moment ago has put it there
            return state.meta("account"), str(old) if old.exists() else ""
    with State(path) as state:
        account, damaged, unfinished = state.meta("account"), state.rebuilt, state.meta(_UNFINISHED)
    if damaged:
        return account, f"{path}.bad"
    if not unfinished:
        path.replace(old)
    for suffix in ("", "-wal", "-shm", ".seal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return account, str(old) if old.exists() else ""


def _adopt(run: Run, sync: Sync, state: State, mended: list[Mended], aside: str) -> Repaired:
    """A full look at both sides that fetches nothing, and changes nothing on the server."""
    inbound = replace(
        run.job.inbound,
        mode=Mode.ARCHIVE,
        keep_on_server=True,
        delete_after=None,
        propagate_deletes=False,
        mark_seen=False,
        max_per_run=0,
    )
    inner = Run(replace(run.job, inbound=inbound), run.tools, inbound.max_per_run)
    inner.tallies, inner.warnings, inner.notes = run.tallies, run.warnings, run.notes
    sync(inner, state)
    left = 0
    for tally in run.tallies:
        left += sum(skipped.count for skipped in tally.skipped if skipped.code in _LEFT)
        tally.skipped = [skipped for skipped in tally.skipped if skipped.code not in _LEFT]
    return Repaired(tuple(mended), state.count(), sum(tally.flagged for tally in run.tallies), left, aside)


def _mend(run: Run, old: State) -> list[Mended]:
    """What can be mended in the Maildir without the server."""
    with Root(run.tools.files, run.job, old) as root:
        if root.descriptor is None:
            return []
        mender = Mender(run, root, dry_run=run.job.dry_run)
        mender.directories(Here(root))
        mender.litter(Here(root))
        mender.doubled(Here(root))
        return mender.done


def _date(run: Run, state: State) -> list[Mended]:
    """Give the files the times at which the server received their messages, as far as the state knows them."""
    with Root(run.tools.files, run.job, state) as root:
        if root.descriptor is None:
            return []
        mender = Mender(run, root, dry_run=run.job.dry_run)
        dates = {
            (folder_hash(root.account, name), seen.uidvalidity): state.agreed(name)
            for name, seen in state.folders().items()
        }
        for entry in Here(root).single():
            assert entry.name is not None  # noqa: S101 - it is a message
            agreed = dates.get((entry.name.folder, entry.name.uidvalidity), {}).get(entry.name.uid)
            if agreed is not None and agreed.internaldate is not None:
                mender.date(entry, agreed.internaldate)
        return mender.done


class Mender:
    """Mends one Maildir; `done` tells what was done, or in a dry run would be."""

    def __init__(self, run: Run, root: Root, *, dry_run: bool) -> None:
        self._run, self._root, self._files, self._dry_run = run, root, root.files, dry_run
        self.done: list[Mended] = []

    def directories(self, here: Here) -> None:
        """Each folder has `cur`, `new` and `tmp`, open to its owner and not to be written by everybody."""
        for path, contents in here.folders.items():
            shown = "/".join(path)
            for name, mode in contents.modes.items():
                wanted = (mode | 0o700) & ~0o002
                if wanted != mode:
                    where = "/".join((*path, name)) if name else shown
                    self._tell(shown, "mode", f"{mode:04o} becomes {wanted:04o}", where)
                    self._in(path, self._chmod, name, wanted)
            for name in SUBDIRECTORIES:
                if name not in contents.modes:
                    self._tell(shown, "make_folder", "was missing", "/".join((*path, name)))
                    self._in(path, self._files.make_directory, name)

    def litter(self, here: Here) -> None:
        """What dead runs left goes."""
        for path, contents in here.folders.items():
            for entry in litter(contents, self._run.tools.clock()):
                self._tell("/".join(path), "remove_litter", "left by a run that died", entry.shown)
                self._in((*path, "tmp"), self._files.unlink, entry.filename)
            for part in contents.parts:
                self._tell("/".join(path), "remove_litter", "left by a run that died", "/".join((*path, part)))
                self._in(path, self._files.unlink, part)

    def doubled(self, here: Here) -> None:
        """Of files of one folder that are the same message, octet by octet, one stays, with the flags of all.

        A copy in another folder is somebody's own: it stays, and so does the message that it was made of.
        """
        assert self._root.descriptor is not None  # noqa: S101 - there is a Maildir to mend
        with Reader(self._files, self._root.descriptor) as reader:
            for everywhere in here.doubled():
                folders: dict[tuple[str, ...], list[Entry]] = defaultdict(list)
                for entry in everywhere:
                    folders[entry.path].append(entry)
                for entries in folders.values():
                    if len(entries) > 1:
                        self._compared(reader, entries)

    def _compared(self, reader: Reader, entries: list[Entry]) -> None:
        """Unite those that are alike."""
        alike: dict[bytes, list[Entry]] = defaultdict(list)
        for entry in entries:
            try:
                alike[reader.read(entry).digest].append(entry)
            except OSError as error:
                told = f"can't be read, so it can't be compared: {error.strerror}"
                self._tell("/".join(entry.path), "keep_copies", told, entry.shown)
        for same in alike.values():
            self._unite(same)
        first = entries[0].shown
        for other in list(alike.values())[1:]:
            told = f"is called like {first} and holds other octets: both are kept"
            self._tell("/".join(other[0].path), "keep_copies", told, other[0].shown)

    def date(self, entry: Entry, date: int) -> None:
        """The file's time is the message's."""
        if int(entry.mtime) == date or not 0 <= date <= YEAR_9999:
            return
        self._tell("/".join(entry.path), "date", f"was {int(entry.mtime) - date:+d} s off", entry.shown)
        with suppress(FileNotFoundError):  # another program renamed it meanwhile
            self._in((*entry.path, entry.subdirectory), self._set_time, entry.filename, date)

    def _unite(self, same: list[Entry]) -> None:
        """Keep one, in `cur` rather than `new`."""
        kept, *others = sorted(same, key=lambda entry: (entry.subdirectory != "cur", entry.shown))
        at = self._flagged(kept, others) if others else ""
        for entry in others if at else ():
            self._tell("/".join(entry.path), "remove_copy", f"the same as {kept.shown}", entry.shown)
            if entry.shown != at:  # the one that is kept may have got another's name, and taken its place
                self._in((*entry.path, entry.subdirectory), self._files.unlink, entry.filename)

    def _flagged(self, kept: Entry, others: list[Entry]) -> str:
        """Give `kept` the flags of all, whose letters mean the same in a folder → where it is then; "": it is gone."""
        assert kept.name is not None and self._root.descriptor is not None  # noqa: S101, PT018 - it was found
        wanted = "".join(sorted({letter for entry in (kept, *others) if entry.name for letter in entry.name.letters}))
        if self._dry_run or wanted == "".join(sorted(kept.name.letters)):
            return kept.shown
        with MaildirFolder(self._files, self._root.descriptor, FolderPath(kept.path), create=False) as maildir:
            placed = maildir.set_letters(LocalFile(kept.name, kept.subdirectory, kept.filename), wanted)
            maildir.sync_directories()
        return "/".join((*kept.path, "cur", with_letters(kept.filename, wanted))) if placed else ""

    def _tell(self, folder: str, action: str, detail: str, file: str) -> None:
        self.done.append(Mended(folder, action, detail, file))
        if not self._dry_run:
            self._run.record("sync.mended", f"{file}: {detail}", folder=folder, action=action, file=file)

    def _in(self, path: tuple[str, ...], act: Callable[..., object], *arguments: object) -> None:
        """Call `act` with a directory's descriptor and `arguments`, and make it durable."""
        if self._dry_run:
            return
        assert self._root.descriptor is not None  # noqa: S101 - something was found below it
        directory = self._files.descend(self._root.descriptor, path)
        try:
            act(directory, *arguments)
            self._files.fsync_directory(directory)
        finally:
            os.close(directory)

    def _set_time(self, directory: int, name: str, date: int) -> None:
        self._files.call("utime", os.utime, name, (date, date), dir_fd=directory, follow_symlinks=False)

    def _chmod(self, directory: int, name: str, mode: int) -> None:
        if name:
            self._files.call("chmod", os.chmod, name, mode, dir_fd=directory)
        else:
            self._files.call("chmod", os.fchmod, directory, mode)
