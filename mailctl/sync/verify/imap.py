"""Verifies one gateway over IMAP: EXAMINE and FETCH only, and nothing written here."""

from collections.abc import Sequence
from hashlib import sha256

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import Folder, ImapMailbox, MessageMeta
from mailctl.domain.when import show_size
from mailctl.errors import NetworkError, RefusedError
from mailctl.sync.archive.carry import pieces
from mailctl.sync.archive.plan import Policy
from mailctl.sync.choose import choose, none_like, unmatched
from mailctl.sync.local.flags import from_letters
from mailctl.sync.local.inspect import Entry, Reader
from mailctl.sync.local.names import folder_hash
from mailctl.sync.local.paths import FolderPath, assign
from mailctl.sync.local.root import Root
from mailctl.sync.mirror.connection import append_limit
from mailctl.sync.rematch import message_id
from mailctl.sync.run import Run
from mailctl.sync.state import State
from mailctl.sync.verify.compare import Held, Sides, compare, settle
from mailctl.sync.verify.differences import FolderFindings, Kind, Outlook
from mailctl.sync.verify.here import Here, tell, tell_doubled


class ImapVerify:
    """Compares all chosen folders; `verify` raises what ends it as a whole."""

    def __init__(self, run: Run, state: State, root: Root, *, content: bool) -> None:
        self._run, self._state, self._root, self._content = run, state, root, content
        self._job, self._inbound = run.job, run.job.inbound
        self._mailbox: ImapMailbox | None = None
        self._here = Here(root)

    def verify(self) -> list[FolderFindings]:
        """What is found, folder by folder."""
        run, findings = self._run, list[FolderFindings]()
        by_path: dict[tuple[str, ...], FolderFindings] = {}
        try:
            listing = self._connected().folders()
            choice = choose(listing.folders, run.job.globs, self._connected().capabilities)
            run.notes += [choice.note] if choice.note else []
            if not choice.chosen and run.job.folders:
                raise none_like(run.job.name, run.job.folders, listing.folders)
            for glob in unmatched(listing.folders, run.job.globs):
                run.warn(f"no folder is like {glob}")
            paths = assign(listing.folders, self._root.listing)
            for folder in choice.chosen:
                run.check_stop()
                found = self._folder(folder, paths[folder.name])
                findings.append(found)
                by_path[paths[folder.name].parts] = found
            if not run.job.folders:
                findings += self._gone({path.parts for path in paths.values()}, by_path)
        finally:
            self._drop()
        tell_doubled(self._here, self._mode, by_path)
        return findings

    def _connected(self) -> ImapMailbox:
        if self._mailbox is None:
            self._run.check_stop()
            self._mailbox = self._run.tools.connector.open_imap(self._job)
        return self._mailbox

    def _drop(self) -> None:
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            mailbox.close()

    def _gone(
        self, there: set[tuple[str, ...]], by_path: dict[tuple[str, ...], FolderFindings]
    ) -> list[FolderFindings]:
        """Folders that are here and not on the server."""
        findings = []
        for path, contents in sorted(self._here.folders.items()):
            if path in there:
                continue
            found = by_path[path] = FolderFindings("/".join(path), "/".join(path))
            found.here = sum(entry.name is not None for entry in contents.entries)
            told = f"no such folder on the server; {found.here} messages are kept here"
            found.add(Kind.FOLDER_MISSING_THERE, Outlook.WANTED, told)
            tell(contents, self._mode, self._run.tools.clock(), found, self._unsent)
            findings.append(found)
        return findings

    @property
    def _mode(self) -> Mode:
        return self._inbound.mode or Mode.ARCHIVE

    def _folder(self, folder: Folder, path: FolderPath) -> FolderFindings:
        """One folder; a connection that is lost is made anew once."""
        tally = self._run.folder(folder.name, str(path))
        try:
            try:
                return self._compared(folder, path)
            except NetworkError:
                self._drop()
                return self._compared(folder, path)
        except RefusedError as error:
            tally.error = error  # this folder's alone
            return FolderFindings(folder.name, str(path))

    def _compared(self, folder: Folder, path: FolderPath) -> FolderFindings:
        run, mailbox, name = self._run, self._connected(), folder.name
        found = FolderFindings(name, str(path))
        status = mailbox.select(folder, read_only=True)
        validity = status.uidvalidity or 0
        there = {meta.uid: meta for meta in mailbox.scan()}
        recent = set(mailbox.uids(since=self._job.since)) if self._job.since else None
        ids = {uid: message_id(header) for uid, header in mailbox.headers(sorted(there), ("Message-ID",))}
        contents = self._here.folders.get(path.parts)
        if contents is not None:
            tell(contents, self._mode, run.tools.clock(), found, self._unsent)
        stands_for = folder_hash(self._root.account, name)
        held, digests, lost = self._held(path.parts, stands_for, validity, found)
        seen = self._state.folders().get(name)
        known = seen is not None and seen.uidvalidity == validity
        sides = Sides(
            {uid: meta for uid, meta in there.items() if uid not in lost},
            held,
            ids,
            self._elsewhere(path.parts, stands_for, validity, found, seen=known),
            self._state.agreed(name) if known else None,
            recent,
            status.uidnext,
        )
        doubtful = compare(sides, self._mode, self._policy(), found)
        both = sorted(sides.there.keys() & held.keys() if self._content else doubtful)
        theirs = self._digests(mailbox, both, sides)
        for uid in both:
            equal = None if uid not in theirs else theirs[uid] == digests[uid]
            if uid in doubtful or not equal:
                settle(uid, sides, found, equal=equal)
        return found

    def _unsent(self, entry: Entry) -> str:
        """Why the server can't be sent a file; "" if it can."""
        if self._root.descriptor is None:
            return ""
        with Reader(self._root.files, self._root.descriptor) as reader:
            try:
                body = reader.read(entry)
            except FileNotFoundError:  # it was renamed meanwhile
                return ""
            except OSError as error:
                return f"it can't be read ({error.strerror})"
        most = append_limit(self._connected().capabilities)
        if most is not None and body.octets > most:
            return f"{show_size(body.octets)} is more than the server takes ({show_size(most)})"
        return "it has NUL octets, which IMAP does not carry" if body.nul else ""

    def _policy(self) -> Policy:
        wanted = self._inbound
        return Policy(
            mark_seen=bool(wanted.mark_seen),
            propagate_deletes=bool(wanted.propagate_deletes),
            max_size=wanted.max_size,
        )

    def _held(
        self, path: tuple[str, ...], known: str, validity: int, found: FolderFindings
    ) -> tuple[dict[int, Held], dict[int, bytes], set[int]]:
        """The folder's files by UID, the digests of what they hold, and the UIDs whose files can't be read."""
        contents = self._here.folders.get(path)
        if contents is None or self._root.descriptor is None:
            return {}, {}, set()
        wanted = [e for e in contents.entries if e.regular and e.name and _is(e, known, validity)]
        self._run.expect(len(wanted), sum(entry.size for entry in wanted))
        held, digests, lost = {}, {}, set()
        with Reader(self._root.files, self._root.descriptor) as reader:
            for entry in wanted:
                assert entry.name is not None  # noqa: S101 - it was chosen by its name
                try:
                    body = reader.read(entry)
                except OSError as error:
                    if self._here.exists(entry):
                        lost.add(entry.name.uid)
                        told = error.strerror or str(error)
                        found.add(Kind.UNREADABLE, Outlook.STAYS, told, uid=entry.name.uid, file=entry.shown)
                    continue
                flags = from_letters(entry.name.letters, contents.keywords)
                message = Held(entry.shown, body.octets, message_id(body.head), flags, int(entry.mtime))
                held[entry.name.uid], digests[entry.name.uid] = message, body.digest
                self._run.beat(entry.size)
                self._run.arrived(1)
        return held, digests, lost

    def _elsewhere(
        self, path: tuple[str, ...], known: str, validity: int, found: FolderFindings, *, seen: bool
    ) -> dict[int, str]:
        """Files of this folder's messages in other folders, by UID; those under other UIDVALIDITYs are noted."""
        moved = {}
        for entry in self._here.messages():
            if entry.name is None or entry.name.folder != known:
                continue
            if entry.name.uidvalidity != validity:
                outlook = Outlook.WANTED if seen else Outlook.NEXT_SYNC
                told = f"from UIDVALIDITY {entry.name.uidvalidity}, which the server has given up; kept here"
                found.add(Kind.MISSING_THERE, outlook, told, file=entry.shown)
            elif entry.path != path:
                moved[entry.name.uid] = entry.shown
        return moved

    def _digests(self, mailbox: ImapMailbox, uids: Sequence[int], sides: Sides) -> dict[int, bytes]:
        """SHA-256 of what the server sends for these, by UID; nothing is kept but that."""
        self._run.expect(len(uids), sum(sides.there[uid].size or 0 for uid in uids))
        digests: dict[int, bytes] = {}
        for batch in pieces(uids):
            self._run.check_stop()
            for _ in mailbox.fetch(batch, lambda octets: Digest(self._run, digests)):
                self._run.arrived(1)
        return digests


class Digest:
    """A sink that keeps a body's SHA-256, under its UID, and nothing else."""

    def __init__(self, run: Run, digests: dict[int, bytes]) -> None:
        self._run, self._digests, self._hash = run, digests, sha256()

    def write(self, chunk: bytes | memoryview) -> None:
        """Take octets."""
        self._hash.update(chunk)
        self._run.beat(len(chunk))

    def finish(self, meta: MessageMeta) -> None:
        """The body came whole."""
        self._digests[meta.uid] = self._hash.digest()

    def abandon(self) -> None:
        """Nothing was kept."""


def _is(entry: Entry, folder: str, validity: int) -> bool:
    return entry.name is not None and (entry.name.folder, entry.name.uidvalidity) == (folder, validity)
