"""Verifies one gateway over POP3, as far as POP3 goes: it knows no flags, and a message's header by TOP only."""

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

from mailctl.domain.gateway import Mode
from mailctl.domain.mailbox import BodySink, PopMailbox
from mailctl.domain.when import show_size
from mailctl.sync.describe import describe, identity
from mailctl.sync.local.inspect import Entry, Reader
from mailctl.sync.local.names import folder_hash, uidl_token
from mailctl.sync.local.paths import assign
from mailctl.sync.local.root import Root
from mailctl.sync.pop3.maildrop import INBOX, midnight
from mailctl.sync.pop3.plan import Message, variant
from mailctl.sync.run import Run
from mailctl.sync.state import State
from mailctl.sync.verify.differences import FolderFindings, Kind, Outlook
from mailctl.sync.verify.here import Here, tell, tell_doubled
from mailctl.sync.verify.imap import Digest


class Read(NamedTuple):
    """What is kept of a file that was read through. octets, digest: as on the wire. identity: see `describe`."""

    octets: int
    digest: bytes
    identity: dict[str, bytes]


class PopVerify:
    """Compares the maildrop; `verify` raises what ends it."""

    def __init__(self, run: Run, state: State, root: Root, *, content: bool) -> None:
        self._run, self._state, self._root, self._content = run, state, root, content
        self._inbound = run.job.inbound
        self._here = Here(root)

    def verify(self) -> list[FolderFindings]:
        """What is found, in INBOX and wherever its messages lie."""
        run, path = self._run, assign([INBOX], self._root.listing)[INBOX.name]
        run.folder(INBOX.name, str(path))
        found = FolderFindings(INBOX.name, str(path))
        by_path = {path.parts: found}
        for parts, contents in sorted(self._here.folders.items()):
            into = by_path.setdefault(parts, FolderFindings("/".join(parts), "/".join(parts)))
            tell(contents, Mode.ARCHIVE, run.tools.clock(), into)
        stands_for = folder_hash(self._root.account, INBOX.name)
        files = {
            e.name.uidl: e for e in self._here.messages() if e.name and e.name.uidl and e.name.folder == stands_for
        }
        with closing(run.tools.connector.open_pop3(run.job)) as mailbox:
            self._compared(mailbox, files, found)
        tell_doubled(self._here, Mode.ARCHIVE, by_path)
        return [each for each in by_path.values() if each is found or each.differences]

    def _compared(self, mailbox: PopMailbox, files: dict[str, Entry], found: FolderFindings) -> None:
        shown = mailbox.uidl()
        found.there, found.here = len(shown), len(files)
        known = self._state.unique_ids(INBOX.name)
        both: dict[int, Entry] = {}
        taken: set[str] = set()
        away: list[Message] = []
        for message in sorted(shown):
            keys = [key for key in (variant(message), message[1]) if uidl_token(key) in files and key not in taken]
            if not keys:
                away.append(message)
                continue
            taken.add(keys[0])
            both[message[0]] = files[uidl_token(keys[0])]
        self._missing(mailbox, away, known, found)
        tokens = {uidl_token(key) for key in taken}
        for token, entry in files.items():
            if token not in tokens:
                told = "gone from the server, kept here (archive)"
                found.add(Kind.MISSING_THERE, Outlook.WANTED, told, file=entry.shown)
        found.same |= both.keys()
        self._bodies(mailbox, [message for message in sorted(shown) if message[0] in both], both, found)

    def _missing(
        self, mailbox: PopMailbox, away: Sequence[Message], known: dict[str, int], found: FolderFindings
    ) -> None:
        since, most = self._run.job.since, self._inbound.max_size
        wanted = [number for number, uidl, _ in away if uidl not in known] if since else []
        dates = {number: describe(header).moment for number, header in mailbox.headers(wanted)} if wanted else {}
        for number, uidl, octets in away:
            date = dates.get(number)
            if uidl in known:
                wanted_so = not self._inbound.propagate_deletes
                outlook = Outlook.WANTED if wanted_so else Outlook.NEXT_SYNC
                found.add(Kind.MISSING_HERE, outlook, "was deleted here", uid=number)
            elif date is not None and date < midnight(since):
                found.add(Kind.MISSING_HERE, Outlook.WANTED, "too old (since)", uid=number)
            elif most is not None and octets > most:
                told = f"too large: {show_size(octets)} (max_size)"
                found.add(Kind.MISSING_HERE, Outlook.WANTED, told, uid=number)
            else:
                found.add(Kind.MISSING_HERE, Outlook.NEXT_SYNC, f"not fetched yet: {show_size(octets)}", uid=number)

    def _bodies(
        self, mailbox: PopMailbox, messages: Sequence[Message], both: dict[int, Entry], found: FolderFindings
    ) -> None:
        """Compare size and header, and the octets themselves where these differ or all are to be compared."""
        bodies = self._read(both, found)
        messages = [message for message in messages if message[0] in bodies]
        headers = {number: identity(header) for number, header in mailbox.headers([m[0] for m in messages])}
        doubtful = [
            message
            for message in messages
            if message[2] != bodies[message[0]].octets or _another(bodies[message[0]], headers.get(message[0]))
        ]
        compared = messages if self._content else doubtful
        theirs = self._digests(mailbox, compared)
        for message in compared:
            number, _, octets = message
            body, file = bodies[number], both[number].shown
            if theirs.get(number) == body.digest:
                if octets != body.octets:
                    told = f"the server counts {octets} octets and sends {body.octets}: the same"
                    found.add(Kind.SIZE, Outlook.WANTED, told, uid=number, file=file)
            elif _another(body, headers.get(number)):
                told = "another message: From, Subject, Date or Message-ID differ"
                found.add(Kind.HEADER, Outlook.STAYS, told, uid=number, file=file)
            else:
                told = f"{body.octets} octets here, {octets} there, not the same"
                found.add(Kind.CONTENT, Outlook.STAYS, told, uid=number, file=file)

    def _read(self, both: dict[int, Entry], found: FolderFindings) -> dict[int, Read]:
        bodies: dict[int, Read] = {}
        if self._root.descriptor is None:
            return bodies
        self._run.expect(len(both), sum(entry.size for entry in both.values()))
        with Reader(self._root.files, self._root.descriptor) as reader:
            for number, entry in both.items():
                try:
                    body = reader.read(entry)
                    bodies[number] = Read(body.octets, body.digest, identity(body.head))
                except OSError as error:
                    if self._here.exists(entry):
                        told = error.strerror or str(error)
                        found.add(Kind.UNREADABLE, Outlook.STAYS, told, uid=number, file=entry.shown)
                self._run.beat(entry.size)
                self._run.arrived(1)
        return bodies

    def _digests(self, mailbox: PopMailbox, messages: Sequence[Message]) -> dict[int, bytes]:
        run = self._run
        run.expect(len(messages), sum(octets for _, _, octets in messages))
        digests: dict[int, bytes] = {}
        sinks: list[dict[int, bytes]] = []

        def sink(number: int, octets: int) -> BodySink:
            sinks.append({})
            return Digest(run, sinks[-1])

        for number, refused in mailbox.retrieve_all([(n, octets) for n, _, octets in messages], sink):
            if refused is None:
                digests[number] = sinks[-1][0]  # POP3 has no UIDs: it is finished under 0
            run.arrived(1)
        return digests


def _another(body: Read, header: dict[str, bytes] | None) -> bool:
    return header is not None and header != body.identity
