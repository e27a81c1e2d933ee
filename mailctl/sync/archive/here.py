"""The Maildir's side of a run: each folder is looked at once, as cheaply as it can be."""

from dataclasses import replace

from mailctl.domain.record import dataclass
from mailctl.errors import StorageError
from mailctl.sync.archive.look import UNKNOWN, Difference, Times, Watch, compare, compare_more, look, read_names, stands
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import folder_hash
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.state import FolderState, State

_LOOKED = "looked"


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder's directories tell. difference: from what is remembered. times: to be remembered with it.

    files: how many messages lie there. by_times: nothing was read, since nobody touched the directories after the last
    run did; what somebody changed in the moments in which that run changed names is not known.
    """

    difference: Difference
    times: Times
    files: int
    by_times: bool = False


class Here:
    """quiet: nothing is touched (a dry run). now: seconds since the epoch.

    Times that were remembered when the clock was further on tell nothing: it may come to the same tick again.
    """

    def __init__(self, root: Root, state: State, now: float, *, quiet: bool) -> None:
        self._root, self._state, self._quiet = root, state, quiet
        self._now = int(now)
        looked = state.meta(_LOOKED)
        self._trusted = looked.isdecimal() and int(looked) <= now
        self.since = (int(looked) + 1) * 1_000_000_000 if self._trusted else 0
        """What was touched from then on (ns) was touched after the last look began."""
        if looked and not self._trusted and not quiet:
            state.distrust_times()
        self.proved = not self._trusted
        """Whether times were found on which the next run can rely."""
        self._times: dict[str, Times | None] = {}
        self._found: dict[str, Found | None] = {}

    @property
    def trusted(self) -> bool:
        """Whether remembered times tell anything in this run."""
        return self._trusted

    def end(self) -> None:
        """Keep when this was."""
        if self.proved and not self._quiet:
            self._state.set_meta(_LOOKED, str(self._now))

    def times(self, path: FolderPath) -> Times | None:
        """The times of a folder's directories when this run first asked; None if it has none to rely on."""
        name = str(path)
        if name not in self._times:
            root = self._root.descriptor
            self._times[name] = None if root is None or not self._trusted else look(self._root.files, root, path.parts)
        return self._times[name]

    def found(self, folder: str, seen: FolderState, path: FolderPath, *, by_times: bool = False) -> Found | None:
        """What is otherwise in a known folder than the state remembers; None if the folder can't be read.

        A directory whose time stands isn't read. A file that a first look misses, since it is renamed meanwhile, is
        there if a second one sees it. by_times: a `Found` of that kind will do.
        """
        known = self._found.get(folder)
        if folder not in self._found or (known is not None and known.by_times and not by_times):
            if not seen.at_work and stands(Times(seen.cur, seen.new), self.times(path)):
                self._found[folder] = Found(Difference(), Times(seen.cur, seen.new), seen.files)
            elif by_times and seen.cur < 0 and stands(Times(*seen.reached), self.times(path)) and self._state.complete:
                self._found[folder] = Found(Difference(), UNKNOWN, seen.files, by_times=True)
            else:
                self._found[folder] = self._read(folder, seen, path)
        return self._found[folder]

    def untouched(self, path: FolderPath, hashed: str) -> bool:
        """Whether nothing lies in a folder, and no message of it anywhere. hashed: stands for it in file names."""
        return (self._state.complete or not self._root.whole.by_folder.get(hashed)) and self.empty(path)

    def empty(self, path: FolderPath) -> bool:
        """Whether nothing at all lies in a folder, or it isn't there."""
        if self._root.descriptor is None:
            return True
        try:
            with MaildirFolder(self._root.files, self._root.descriptor, path, create=False) as maildir:
                return not any(read_names(maildir))
        except FileNotFoundError:
            return True
        except StorageError:  # the full look says what is wrong with it
            return False

    def _read(self, folder: str, seen: FolderState, path: FolderPath) -> Found | None:
        root = self._root.descriptor
        if root is None:
            return None
        try:
            maildir = MaildirFolder(self._root.files, root, path, create=False)
        except (FileNotFoundError, StorageError):  # the full look says what is wrong with it
            return None
        with maildir:
            if not self._quiet:
                maildir.clean(self._now)
            watch = Watch(maildir, quiet=self._quiet)
            names, odd = read_names(maildir)
            times, hashed = watch.times(), folder_hash(self._root.account, folder)
            numbers = seen.uidvalidity, seen.uidnext or 0
            difference = compare_more(
                self._state.places(folder), lambda uids: self._state.files(folder, uids), names, hashed, *numbers
            )
            if difference is None:
                known = self._state.files(folder)
                difference = compare(known, names, hashed, *numbers)
                if difference.gone:
                    names |= read_names(maildir)[0]
                    difference, times = compare(known, names, hashed, *numbers), UNKNOWN
            if odd:  # the full look says which
                difference = replace(difference, strange=True)
            self.proved = self.proved or times != UNKNOWN
            return Found(difference, times, difference.messages)
