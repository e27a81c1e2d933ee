"""Changing the messages of the open folder: flags, copies, moves, removal (RFC 9051 section 6.4)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from mailctl.domain.mailbox import Folder
from mailctl.errors import RefusedError
from mailctl.protocols.imap.channel import Answer, quoted
from mailctl.protocols.imap.connection import Connection
from mailctl.protocols.imap.flags import format_flags
from mailctl.protocols.imap.uids import SET_OCTETS, format_sets, parse_ranges

if TYPE_CHECKING:
    from mailctl.domain.changes import FlagChange, Placed

FLIGHT = 20_000
"""Messages that are changed in one flight: each brings a response, its mod-sequence (CONDSTORE) or its EXPUNGE."""
COMMANDS = 200
"""STORE commands of one flight."""
_UNCHANGED = b"UID STORE %s (UNCHANGEDSINCE %d) +FLAGS.SILENT (\\Deleted)"


class Changing(Connection):
    """The part of `mailbox.Mailbox` that changes messages; see `domain.changes.ImapChanges`."""

    def add_flags(self, uids: Sequence[int], flags: Iterable[str]) -> None:
        """UID STORE +FLAGS.SILENT; RefusedError (cause read_only) if the folder was opened read-only."""
        from mailctl.domain.changes import FlagChange

        self.change_flags([FlagChange(tuple(uids), frozenset(flags))])

    def change_flags(self, changes: "Iterable[FlagChange]") -> None:
        """UID STORE ±FLAGS.SILENT (RFC 9051 section 6.4.6), pipelined, in this order."""
        commands = list(_stores(changes))
        self._writable()
        for flight in _flights(commands):
            answers = self._channel.gather(*flight)
            for answer in answers:
                answer.checked("UID STORE")

    def expunge(self, uids: Sequence[int], *, unchanged_since: int | None = None) -> list[int]:
        """UID STORE +FLAGS.SILENT (\\Deleted), then UID EXPUNGE of exactly these (RFC 4315), never another's.

        unchanged_since: what has a greater mod-sequence is left (RFC 7162 section 3.1.3), and returned. RefusedError
        (code no_uidplus) without UIDPLUS.
        """
        if not self._channel.offers("UIDPLUS"):
            raise RefusedError(
                "the server can't remove single messages (it lacks UIDPLUS)",
                hint="Nothing was removed: EXPUNGE would also remove what others marked.",
                code="no_uidplus",
            )
        left = self._mark(uids, unchanged_since) if unchanged_since is not None else set()
        if unchanged_since is None:
            self.add_flags(uids, ["\\Deleted"])
        for text, _ in _sets(uid for uid in uids if uid not in left):
            self._channel.run(f"UID EXPUNGE {text}".encode()).checked("UID EXPUNGE")
        return sorted(left)

    def _mark(self, uids: Sequence[int], modseq: int) -> set[int]:
        """UID STORE (UNCHANGEDSINCE) +FLAGS.SILENT (\\Deleted) → those that changed since, and were not stored."""
        self._writable()
        left: set[int] = set()
        for text, held in _sets(uids, len(_UNCHANGED)):
            answer = self._channel.run(_UNCHANGED % (text.encode(), modseq))
            if answer.status.kind == "BAD":  # it offers CONDSTORE, and doesn't know what that is
                self.add_flags(held, ["\\Deleted"])
            elif answer.status.code != "MODIFIED":
                answer.checked("UID STORE")
            elif answer.status.ok:
                left |= _within(answer.status.argument, held)
            else:  # NO: which of the others were stored is not told with certainty
                left |= set(held)
        return left

    def copy(self, uids: Sequence[int], folder: Folder) -> "Placed":
        """UID COPY (RFC 9051 section 6.4.7), the new UIDs by COPYUID."""
        self._folder()
        return self._place("COPY", uids, folder)

    def move(self, uids: Sequence[int], folder: Folder) -> "Placed":
        """UID MOVE (RFC 6851), the new UIDs by COPYUID; RefusedError (code no_move) without MOVE."""
        if not self._channel.offers("MOVE"):
            raise RefusedError("the server can't move messages (it lacks MOVE)", code="no_move")
        self._writable()
        return self._place("MOVE", uids, folder)

    def _place(self, verb: str, uids: Sequence[int], folder: Folder) -> "Placed":
        from mailctl.domain.changes import Placed, PlacingError
        from mailctl.protocols.imap.placed import together

        target = quoted(folder.wire, "folder name")
        placed = Placed()
        left = sorted(set(uids))
        for text, held in _sets(uids, len(target)):
            answer = self._channel.run(f"UID {verb} {text} ".encode() + target)
            placed = together(placed, _copyuid(answer, held))
            try:
                answer.checked(f"UID {verb} to {folder.name}")
            except RefusedError as error:
                # NOTE: a refused MOVE may have moved some messages all the same (RFC 6851 section 3.3)
                unplaced = [uid for uid in left if uid not in placed.uids] if verb == "COPY" else left[len(held) :]
                raise PlacingError(error, placed, unplaced) from error
            left = left[len(held) :]
        return placed


def _stores(changes: "Iterable[FlagChange]") -> Iterator[tuple[bytes, int]]:
    """STORE commands, and how many messages each is about. What changes no flag needs none."""
    for change in changes:
        words = format_flags(change.flags)
        sign = b"+" if change.add else b"-"
        for text, held in _sets(change.uids if words else (), len(words)):
            yield b"UID STORE %s %sFLAGS.SILENT (%s)" % (text.encode(), sign, words), len(held)


def _sets(uids: Iterable[int], besides: int = 0) -> Iterator[tuple[str, list[int]]]:
    """`uids` as ascending sets of at most FLIGHT messages, with the UIDs in each; besides: octets of the rest."""
    ascending = sorted(set(uids))
    for start in range(0, len(ascending), FLIGHT):
        yield from format_sets(ascending[start : start + FLIGHT], max(1, SET_OCTETS - besides))


def _within(text: bytes, asked: Sequence[int]) -> set[int]:
    """Those of `asked` that a set names."""
    ranges = parse_ranges(text)
    return {uid for uid in asked if any(low <= uid <= high for low, high in ranges)}


def _flights(commands: Iterable[tuple[bytes, int]]) -> Iterator[list[bytes]]:
    """The commands in flights of at most FLIGHT messages and COMMANDS commands."""
    flight: list[bytes] = []
    messages = 0
    for command, count in commands:
        if flight and (messages + count > FLIGHT or len(flight) == COMMANDS):
            yield flight
            flight, messages = [], 0
        flight.append(command)
        messages += count
    if flight:
        yield flight


def _copyuid(answer: Answer, asked: Sequence[int]) -> "Placed":
    """What the COPYUID among the untagged responses (MOVE, RFC 6851 section 4.3) or in the tagged one (COPY) tells."""
    from mailctl.domain.changes import Placed
    from mailctl.protocols.imap.placed import parse_copyuid, together

    placed = Placed()
    for status in (*(response.status for response in answer.responses), answer.status):
        if status is not None and status.ok and status.code == "COPYUID":
            placed = together(placed, parse_copyuid(status.argument, asked))
    return placed
