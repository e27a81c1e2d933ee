"""Looking for a probe in the mailbox that it was sent to, and taking it out again; over `domain.mailbox` interfaces.

Nothing is ever removed but messages whose header, read just before, is the probe's (`headers.is_probe`).
"""

from collections.abc import Callable, Sequence
from typing import Protocol as Interface
from typing import cast

from mailctl.diagnosis.probes.bounce import BodyStart, bounce_text, is_report
from mailctl.diagnosis.probes.headers import MARK, WAY, is_probe
from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.probe import ProbeMailbox, ProbePopMailbox
from mailctl.domain.record import dataclass
from mailctl.errors import AuthError, RefusedError

IDENTITY = ("Message-ID", MARK, "Content-Type", "From")
"""The fields that tell the probe, and reports on it, from other messages."""
NEW = 50
"""New messages whose headers are read at once, the newest."""
FOLDERS = 60
"""Folders that a thorough look goes through."""
_NOT_NOW = ("[LOGIN-DELAY]", "[IN-USE]", "[SYS/TEMP]")
"""Why a POP3 server may refuse a sign-in that it takes later (RFC 2449 section 8, RFC 3206)."""
_SENT_NAMES = frozenset({"sent", "sent items", "sent messages", "sent mail"})
_JUNK_NAMES = frozenset({"junk", "spam", "junk e-mail", "junk email", "bulk", "bulk mail", "inbox.junk", "inbox.spam"})


@dataclass(frozen=True, slots=True)
class Found:
    """The probe in the mailbox. folder: its name, "" by POP3. header: its fields, raw.

    number: its UID, or its number in the POP3 session that found it. junk: whether spam goes to the folder. all_mail:
    whether sent mail is in it too.
    """

    number: int
    header: bytes
    folder: str = ""
    junk: bool = False
    all_mail: bool = False


@dataclass(frozen=True, slots=True)
class Bounce:
    """A report that the probe could not be delivered. text: the words of the server that refused it."""

    text: str


class Looker(Interface):
    """Looks into one mailbox; methods raise MailctlErrors.

    times: how often the probe had arrived, as `remove` saw it.
    """

    times: int

    def begin(self) -> None:
        """Remember what is there before the probe is sent."""

    def look(self, *, thorough: bool, last: bool = False) -> Found | Bounce | None:
        """Look once. thorough: in every place where a filter may have put it, not only the usual ones.

        last: also where it is once sent, arrived or not, besides mail that arrived.
        """

    def resume(self, mailbox: ProbeMailbox | ProbePopMailbox) -> None:
        """Go on in a new session, since the last one was lost."""

    def pause(self, looks: int) -> float:
        """Seconds to wait before the next look, after so many."""

    def full(self, octets: int) -> bool:
        """Whether the mailbox is known to have no room for so many octets."""

    def remove(self, found: Found) -> str:
        """Take the probe out of the mailbox → "", or where something of it is left, and why."""

    def close(self) -> None:
        """Let go of the mailbox; never raises."""


class ImapLooker:
    """INBOX and the folder for spam at each look; a thorough one searches the others too, but for sent mail."""

    def __init__(self, mailbox: ProbeMailbox, message_id: str) -> None:
        self._mailbox, self._message_id = mailbox, message_id
        self._folders: tuple[Folder, ...] = ()
        self._usual: list[Folder] = []
        self._copies: list[Folder] = []
        """Where servers keep a copy by themselves: sent mail, all mail."""
        self._next: dict[str, int | None] = {}
        self.times = 0

    def begin(self) -> None:
        """See `Looker`."""
        self._folders = tuple(folder for folder in self._mailbox.folders().folders if folder.selectable)
        inbox = next((folder for folder in self._folders if folder.name == "INBOX"), Folder("INBOX", b"INBOX"))
        self._copies = [each for each in self._folders if _is_sent(each) or "\\all" in each.attributes][:4]
        self._usual = [inbox, *(folder for folder in self._folders if _is_junk(folder) and folder.name != "INBOX")][:4]
        bin_too = [each for each in (self._marked("\\trash"),) if each and self._marked("\\all")]
        for folder in [*self._usual, *self._copies, *bin_too]:
            try:
                self._next[folder.name] = _next_uid(self._mailbox.select(folder, read_only=True))
            except RefusedError:
                if folder is inbox:
                    raise
                self._usual = [each for each in self._usual if each is not folder]

    def look(self, *, thorough: bool, last: bool = False) -> Found | Bounce | None:
        """See `Looker`."""
        for folder in self._usual:
            try:
                found = self._look_into(folder)
            except RefusedError:  # another program may have removed it
                if folder is self._usual[0]:
                    raise
                continue
            if found:
                return found
        if thorough:
            others = self._others()[:FOLDERS]
            for folder in others + [each for each in self._folders if last and "\\all" in each.attributes]:
                try:
                    self._mailbox.select(folder, read_only=True)
                    uids = self._mailbox.search_header("Message-ID", self._message_id)
                except RefusedError:
                    continue
                for uid in self._named(uids):
                    return Found(uid, self._way(uid), folder.name, all_mail="\\all" in folder.attributes)
        return None

    def resume(self, mailbox: ProbeMailbox | ProbePopMailbox) -> None:
        """See `Looker`."""
        self._mailbox = cast(ProbeMailbox, mailbox)

    def pause(self, looks: int) -> float:
        """See `Looker`."""
        return min(0.05 * 2.0**looks, 0.2 * 1.5**looks, 3.0)

    def full(self, octets: int) -> bool:
        """See `Looker`."""
        quota = self._mailbox.quota()
        return quota is not None and 0 < quota[1] < quota[0] + octets

    def remove(self, found: Found) -> str:
        """See `Looker`: UID EXPUNGE; copies that servers keep by themselves (of sent mail, of all mail) too."""
        folder = [each for each in self._folders if each.name == found.folder]
        copies = {each.name for each in self._copies}
        places = {each.name: each for each in [*folder, *self._usual, *self._copies]}
        left: list[str] = []
        for place in places.values():
            try:
                removed = self._remove_from(place)
            except RefusedError as error:
                said = error.server_text.partition("\n")[0]
                left.append(f"{place.name}: {error.message}" + (f' ("{said[:200]}")' if said else ""))
            else:
                self.times += removed if place.name not in copies else 0
        return "; ".join(left)

    def close(self) -> None:
        """See `Looker`."""
        self._mailbox.close()

    def _look_into(self, folder: Folder) -> Found | Bounce | None:
        status = self._mailbox.select(folder, read_only=True)
        before, now = self._next.get(folder.name), _next_uid(status)
        if before is None or now is None:
            uids: Sequence[int] = self._mailbox.search_header("Message-ID", self._message_id)
        else:  # not by SEARCH: some servers' indexes lag behind
            uids = range(before, now)[-NEW:]
        headers = list(self._mailbox.headers(uids, IDENTITY)) if uids else []
        for uid, header in headers:
            if is_probe(header, self._message_id):
                return Found(uid, self._way(uid), folder.name, _is_junk(folder))
        for uid, header in headers:
            if is_report(header) and (text := self._bounce(uid)):
                return Bounce(text)
        return None

    def _bounce(self, uid: int) -> str:
        """The words of a delivery report (RFC 3464) on the probe; "" if it is on another message."""
        sink = BodyStart()
        if any(each.size is None or each.size > BodyStart.MOST for each in self._mailbox.scan([uid])):
            return ""
        for _ in self._mailbox.fetch([uid], lambda octets: sink):
            pass
        return bounce_text(sink.data, self._message_id)

    def _others(self) -> list[Folder]:
        """All folders that a rule may file mail into."""
        passed = [*self._usual, *self._copies]
        return [each for each in self._folders if each not in passed and "\\drafts" not in each.attributes]

    def _marked(self, use: str) -> Folder | None:
        return next((folder for folder in self._folders if use in folder.attributes), None)

    def _named(self, uids: Sequence[int]) -> list[int]:
        """Those of `uids` in the open folder that are the probe."""
        if not uids:
            return []
        headers = self._mailbox.headers(uids[-NEW:], IDENTITY)
        return [uid for uid, header in headers if is_probe(header, self._message_id)]

    def _way(self, uid: int) -> bytes:
        """What the header of the probe tells. Apart from IDENTITY, since it is cut where servers added very much."""
        return b"".join(header for _, header in self._mailbox.headers([uid], WAY))

    def _ours(self, folder: Folder) -> list[int]:
        """Open `folder` → UIDs of the probe in it."""
        status = self._mailbox.select(folder, read_only=False)
        before, now = self._next.get(folder.name), _next_uid(status)
        if before is None or now is None:
            uids: Sequence[int] = self._mailbox.search_header("Message-ID", self._message_id)
        else:
            uids = range(before, now)[-NEW:]
        return self._named(uids)

    def _remove_from(self, folder: Folder) -> int:
        """Remove the probe from `folder` → how often it was there. RefusedError if something of it is left."""
        uids = self._ours(folder)
        trash, times = self._marked("\\trash"), len(uids)
        if not uids:
            return 0
        if "\\all" in folder.attributes and trash is not None:
            # NOTE: at Gmail a message leaves "All Mail" by way of the bin only
            self._mailbox.move(uids, trash)
            folder, uids = trash, self._ours(trash)
            if not uids:
                raise RefusedError(f"it was moved to {trash.name}")
        try:
            self._mailbox.expunge(uids)
        except RefusedError as error:
            if error.code != "no_uidplus":
                raise
            self._mailbox.add_flags(uids, ["\\Deleted"])
            raise RefusedError(
                "it is only marked as deleted, since the server can't remove single messages (it lacks UIDPLUS)"
            ) from error
        return times


class PopLooker:
    """A POP3 session sees what was there when it began, so each look is a new one, and they come ever more seldom."""

    def __init__(self, mailbox: ProbePopMailbox, reopen: Callable[[], ProbePopMailbox], message_id: str) -> None:
        self._mailbox, self._reopen, self._message_id = mailbox, reopen, message_id
        self._before: set[str] = set()
        self._ours: list[int] = []
        self.times = 0

    def begin(self) -> None:
        """See `Looker`."""
        self._before = {name for _, name, _ in self._mailbox.uidl()}
        self._mailbox.quit()

    def look(self, *, thorough: bool, last: bool = False) -> Found | Bounce | None:
        """See `Looker`."""
        try:
            self._mailbox = self._reopen()
        except (AuthError, RefusedError) as error:
            if any(code in error.server_text.upper() for code in _NOT_NOW):
                return None
            raise
        new = [(number, octets) for number, name, octets in self._mailbox.uidl() if name not in self._before][-NEW:]
        headers = [(number, octets, self._header(number, octets)) for number, octets in new[::-1]]
        ours = [(number, header) for number, _, header in headers if is_probe(header, self._message_id)]
        self._ours = [number for number, _ in ours]
        for number, header in ours:
            return Found(number, header)
        for number, octets, header in headers:
            if is_report(header) and (text := bounce_text(self._body(number, octets), self._message_id)):
                return Bounce(text)
        self._mailbox.quit()
        return None

    def resume(self, mailbox: ProbeMailbox | ProbePopMailbox) -> None:
        """See `Looker`."""
        self._mailbox = cast(ProbePopMailbox, mailbox)

    def pause(self, looks: int) -> float:
        """See `Looker`."""
        return float(max(min(2**looks, 15), min(self._mailbox.login_delay, 30)))

    def full(self, octets: int) -> bool:
        """See `Looker`; POP3 has no quota."""
        return False

    def remove(self, found: Found) -> str:
        """See `Looker`: DELE in the session that found it, which QUIT then carries out."""
        try:
            for number in self._ours:
                self._mailbox.delete(number)
            self._mailbox.quit()
        except RefusedError as error:
            return f"the mailbox: {error.message}"
        self.times = len(self._ours)
        return ""

    def close(self) -> None:
        """See `Looker`."""
        self._mailbox.close()

    def _header(self, number: int, octets: int) -> bytes:
        header = self._mailbox.top(number)
        return self._body(number, octets) if header is None else header

    def _body(self, number: int, octets: int) -> bytes:
        if octets > BodyStart.MOST:
            return b""
        sink = BodyStart()
        self._mailbox.retrieve(number, octets, lambda octets: sink)
        return sink.data


def _is_junk(folder: Folder) -> bool:
    return bool(folder.attributes & {"\\junk", "\\spam"}) or folder.name.lower() in _JUNK_NAMES


def _is_sent(folder: Folder) -> bool:
    last = folder.name.rpartition(folder.delimiter)[2] if folder.delimiter else folder.name
    return "\\sent" in folder.attributes or last.lower() in _SENT_NAMES


def _next_uid(status: FolderStatus) -> int | None:
    return 1 if status.uidnext is None and not status.messages else status.uidnext
