"""Folders that stand still on both sides: nothing in them is listed, loaded or asked.

What a mirror decides, it decides on what it sees here, so what it passes over must be known to be as it was. A folder's
times are remembered only after a run that listed it and found exactly the messages that both sides had agreed on, each
under its own name, with the flags that were agreed: no file of another folder, no link, no litter, nothing left out.
While `cur` and `new` have these times, no name in them was added, removed or changed (`archive.look` says when a time
tells that, `archive.here` when the clock does). So no file came to it from another folder, and none left it: a file
that is moved changes the times of both its folders, and both are listed. Where `cur` or `new` was touched since the
last look, times may have been set back, as by who restores a backup: it is listed. So is a folder that a run was
changing when it died: it is marked.

One file tells of another folder without changing it: a copy that keeps its name. So a folder is listed all the same if
a file with its name lies elsewhere, as it is if the server's side moved, if a run that died was about to put something
into it, and if it is gone on the server. What is not noticed until something else happens in the folder is that
`dovecot-keywords` gives another meaning to a letter that files have already, and other programs' litter in `tmp`.

The times tell, too, of a folder that was brought back from a backup: they are past then, which no change leaves behind.
What is missing in it was not deleted. It is not known where the backup kept no times, or something changed since.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from mailctl.domain.mailbox import FolderStatus
from mailctl.sync.archive.here import Here
from mailctl.sync.archive.look import Times, look, went_back
from mailctl.sync.archive.still import same_there
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.folders import FolderFate
from mailctl.sync.mirror.here import LocalFolder, Parts, list_again, look_here
from mailctl.sync.mirror.intents import Intent
from mailctl.sync.mirror.work import Work, fingerprint
from mailctl.sync.run import Run
from mailctl.sync.state import FolderState, State


class Standing:
    """Of one look at both sides. mirrored: names of the folders that both sides have had.

    restored: the folders, once it was looked, that were brought back from a backup.
    """

    def __init__(self, run: Run, state: State, root: Root, mirrored: Collection[str]) -> None:
        self._state, self._root, self._mirrored = state, root, mirrored
        self._policy, self._quiet = fingerprint(run.job), run.job.dry_run
        self._clock = Here(root, state, run.tools.clock(), quiet=self._quiet)
        self._moved: set[str] = set()
        self.restored: set[str] = set()

    def look(self, paths: Mapping[str, FolderPath]) -> dict[Parts, LocalFolder]:
        """What lies here, by path. paths: of the folders that are known, or on the server."""
        if self._root.descriptor is None:
            return {}
        known = self._state.folders().items() if self._clock.trusted else ()
        standing = {paths[name].parts: seen for name, seen in known if self._settled(name, seen, str(paths[name]))}
        files, since = self._root.files, self._clock.since
        found = look_here(files, self._root.descriptor, standing, since=since, timed=True, quiet=self._quiet)
        listed = {parts for parts in standing if parts in found and found[parts].stands is None}
        self._moved = {name for name, _ in known if paths[name].parts in listed}
        self.restored = {
            name
            for name, seen in known
            if seen.path == str(paths[name]) and (local := found.get(paths[name].parts)) is not None
            if went_back(Times(*seen.reached), local.before)
        }
        return found

    def _settled(self, name: str, seen: FolderState, path: str) -> bool:
        good = seen.settled == self._policy and seen.path == path and not seen.at_work and seen.files == seen.messages
        return good and name in self._mirrored

    def wake(
        self,
        works: Mapping[str, Work],
        here: dict[Parts, LocalFolder],
        statuses: Mapping[str, FolderStatus],
        intents: Iterable[Intent],
    ) -> None:
        """List those after all that the run has to do with."""
        tried = {intent.folder for intent in intents}
        own = {work.path.parts: work.hash for work in works.values()}
        waiting = [work for work in works.values() if work.local.stands is not None]
        while waiting:
            lying = _hashes(here, own)
            woken = [w for w in waiting if w.hash in lying or w.name in tried or not _stands(w, statuses.get(w.name))]
            for work in woken:
                assert self._root.descriptor is not None  # noqa: S101 - it was found below it
                parts = work.path.parts
                work.local = here[parts] = list_again(self._root.files, self._root.descriptor, parts)
                work.agreed = self._state.agreed(work.name)
            if not woken:
                return
            waiting = [work for work in waiting if work.local.stands is not None]

    def remember(self, works: Collection[Work]) -> None:
        """Keep the times of folders in which nothing was to be done, as they were listed."""
        with self._state.together():
            self._forget(self._moved | {work.name for work in works if work.left})
            for work in works:
                local, seen, times = work.local, work.seen, work.local.times
                if not work.still or seen is None or not (times.cur and times.new) or work.tally.skipped:
                    self._reached(work)
                    continue
                odd = local.others or local.doubled or local.links or local.litter or local.broken
                if not odd and len(local.named) == len(work.files) == seen.messages:
                    self._clock.proved = True
                    now = replace(seen, cur=times.cur, new=times.new, files=len(work.files))
                    self._state.save_folder(work.name, now)
                else:
                    self._reached(work)
        if not self._quiet:
            self._clock.end()

    def _reached(self, work: Work) -> None:
        """Keep the times that a folder has that can't be passed over: they are past if it is brought back."""
        seen, root = self._state.folders().get(work.name), self._root.descriptor
        if seen is None or root is None or work.left or work.tally.error is not None or work.local.stands is not None:
            return
        times = work.local.before if work.still else look(self._root.files, root, work.path.parts)
        if times is not None:
            self._clock.proved = True  # these times, too, are only worth something under the clock they were seen under
            self._state.save_folder(work.name, replace(seen, cur=-times.cur, new=-times.new))

    def _forget(self, names: set[str]) -> None:
        """No run passes these over before one has looked at them: they moved, or something lies in their place."""
        known = self._state.folders() if names else {}
        for name in names & known.keys():
            if known[name].cur > 0:
                cur, new = known[name].reached
                self._state.save_folder(name, replace(known[name], cur=-cur, new=-new))


def _stands(work: Work, status: FolderStatus | None) -> bool:
    """Whether the server's side of a folder that stands still here does so, too."""
    return work.seen is not None and work.fate is FolderFate.BOTH and not work.left and same_there(work.seen, status)


def _hashes(here: Mapping[Parts, LocalFolder], own: Mapping[Parts, str]) -> set[str]:
    """The folders that are spoken of by names of files that lie elsewhere."""
    return {
        file.name.folder
        for parts, folder in here.items()
        for file in folder.named
        if file.name.folder != own.get(parts)
    }
