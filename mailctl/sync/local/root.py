"""The Maildir root of a gateway: is it there, whose is it, what lies in it.

The file `.mailctl` in the root names the account whose mail it holds. Names of messages depend on that word, so that it
outlives a change of the gateway's address, and another account's mail is never taken for this one's. In mirror mode a
second line counts the runs that changed something: it tells a Maildir that was restored from a backup.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import field
from functools import cached_property
from pathlib import Path
from time import monotonic, sleep
from typing import Self

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.errors import LockedError, SafetyError, StorageError
from mailctl.sync.job import SyncJob
from mailctl.sync.local.files import Files, NoFileError, private_directory
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.walk import walk
from mailctl.sync.state import State

MARKER = ".mailctl"
_TURN = pattern(r"[1-9][0-9]{0,17}", re.ASCII)
ORPHANS_END = 2.0
"""Seconds within which workers of a run that was killed have noticed it; until then they hold the lock with it."""


class Root:
    """The open Maildir root.

    descriptor: None in a dry run, which makes nothing, if the root is missing. account: the word on which the names of
    messages depend. arrived: tells how many messages the run has brought so far.
    """

    def __init__(self, files: Files, job: SyncJob, state: State, arrived: Callable[[], int] = lambda: 0) -> None:
        self.files, self._job, self._state, self._arrived = files, job, state, arrived
        self._arrived_before = 0
        self.descriptor: int | None = None
        self.account = ""
        self.turn = 0
        """What `count_turn` counted last, 0 if it never did."""
        self.walked = False
        """Whether `whole` was asked for."""

    def __enter__(self) -> Self:
        job, state = self._job, self._state
        path = Path(job.root)
        there = path.is_dir() and any(path.iterdir())
        if not there and state.count() and not job.start_afresh:
            raise SafetyError(
                f"The Maildir {path} has vanished or is empty, though {state.count()} messages were synced into it",
                hint="Bring it back (is its disk mounted?), or fetch everything again with "
                f"`mailctl sync {job.name} --start-afresh`.",
                code="maildir_vanished",
            )
        if not path.is_dir():
            if job.dry_run:
                self.account = state.meta("account") or job.gateway.email
                return self
            private_directory(path)
        self.descriptor = self.files.open_root(str(path))
        try:
            self._keep_others_out(path)
            self._identify(path)
        except BaseException:
            os.close(self.descriptor)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)

    def _keep_others_out(self, path: Path) -> None:
        """Lock the Maildir itself: two gateways with one Maildir would take each other's files for litter."""
        import fcntl

        assert self.descriptor is not None  # noqa: S101 - just opened
        if self._job.dry_run:
            return
        with suppress(OSError):  # a file system that can't lock directories; two such gateways are rare enough
            end = monotonic() + ORPHANS_END
            while True:
                try:
                    fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    if monotonic() < end:
                        sleep(0.02)
                        continue
                    raise LockedError(
                        f"Another gateway is being synced into the Maildir {path}",
                        hint="Give each gateway a Maildir of its own, or sync them one after the other.",
                    ) from error
                return

    def _identify(self, path: Path) -> None:
        assert self.descriptor is not None  # noqa: S101 - just opened
        known = self._state.meta("account")
        text = (self.files.read_small(self.descriptor, MARKER, 1000) or b"").decode("utf-8", "replace")
        marker, turn, *_ = [*(line.strip() for line in text.split("\n")), "", ""]
        self.turn = int(turn) if _TURN.fullmatch(turn) else 0
        email = self._job.gateway.email
        if marker and marker not in (known, email):
            raise SafetyError(
                f"The Maildir {path} holds the mail of {marker}, not of {email}",
                hint=f"Give the gateway a Maildir of its own: `mailctl gateway edit {self._job.name} --maildir DIR`.",
                code="maildir_of_another",
            )
        self.account = marker or known or email
        if not self._job.dry_run:
            if not marker:
                self.files.replace(self.descriptor, MARKER, f"{self.account}\n".encode())
            else:
                with suppress(NoFileError):  # what is there is not ours
                    self.files.tidy(self.descriptor, MARKER)
            if known != self.account:
                self._state.set_meta("account", self.account)

    def count_turn(self, turn: int) -> None:
        """Write down, durably, that the run of this number is about to change something."""
        assert self.descriptor is not None  # noqa: S101 - a dry run changes nothing
        self.files.replace(self.descriptor, MARKER, f"{self.account}\n{turn}\n".encode())
        self.turn = turn

    def listing(self, parts: tuple[str, ...]) -> Collection[str]:
        """Names of the directories below a path."""
        try:
            with os.scandir(Path(self._job.root, *parts)) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def make_folders(self, paths: Sequence[FolderPath]) -> None:
        """All of these Maildir folders on the disk, durable together; what is no folder is left for who opens it."""
        from mailctl.sync.local.durable import FEW, reliable_syncfs

        if not paths or self.descriptor is None:
            return
        together = len(paths) > FEW and reliable_syncfs(self.descriptor)
        for path in paths:
            try:
                MaildirFolder(self.files, self.descriptor, path, create=True, durable=not together).close()
            except StorageError as error:
                if error.code != "not_a_folder":
                    raise
        if together:
            self.files.sync_file_system(self.descriptor)

    @cached_property
    def whole(self) -> "Index":
        """All of mailctl's messages below the root, as they lay when this was first asked for."""
        self.walked = True
        self._arrived_before = self._arrived()
        return self.index()

    def look_again(self) -> None:
        """Files were moved: what `whole` saw is forgotten."""
        self.__dict__.pop("whole", None)

    @property
    def count(self) -> int:
        """How many messages there are: those of `whole`, and what came since."""
        return self.whole.count + self._arrived() - self._arrived_before

    def index(self) -> "Index":
        """All of mailctl's messages below the root, by reading all of it."""
        index = Index()
        if self.descriptor is not None:
            for path, messages in walk(self.files, self.descriptor):
                for message in messages:
                    index.add(path, message)
        return index


@dataclass
class Index:
    """Where the messages lie: by the hash of the folder that they came from."""

    by_folder: dict[str, list[tuple[tuple[str, ...], LocalFile]]] = field(default_factory=lambda: defaultdict(list))
    count: int = 0

    def add(self, path: tuple[str, ...], message: LocalFile) -> None:
        """A message was found in the folder at `path`."""
        self.by_folder[message.name.folder].append((path, message))
        self.count += 1

    def uids(self, folder: str, uidvalidity: int) -> set[int]:
        """UIDs of a folder's messages, wherever they lie now."""
        found = self.by_folder.get(folder, ())
        return {message.name.uid for _, message in found if message.name.uidvalidity == uidvalidity}

    def unique_ids(self, folder: str) -> set[str]:
        """POP3: tokens of the messages, wherever they lie now."""
        return set(self.places(folder))

    def places(self, folder: str) -> dict[str, tuple[tuple[str, ...], LocalFile]]:
        """POP3: where the messages lie now, by token: path of the Maildir folder, and file."""
        found = self.by_folder.get(folder, ())
        return {message.name.uidl: (path, message) for path, message in found if message.name.uidl}


def vanished_folder(path: FolderPath, messages: int, gateway: str) -> SafetyError:
    """The error for a folder that was there when `messages` were synced into it, and is gone."""
    return SafetyError(
        f"The Maildir folder {path} has vanished, though {messages} messages were synced into it",
        hint=f"Bring it back, or fetch everything of this gateway again with `mailctl sync {gateway} --start-afresh`.",
        code="maildir_vanished",
    )
