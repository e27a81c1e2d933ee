"""Which messages a FETCH may bring: each that was asked for, and each once (RFC 9051 sections 6.4.9 and 9)."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Protocol as Interface

from mailctl.errors import ProtocolError

NEWS = 1000
"""Messages that may come, and flags that may change, while a folder is read."""
STRAYS = 100
"""Messages that a server may send after it refused the folder they would be of."""


class Asked(Interface):
    """What one FETCH asked for."""

    def claim(self, uid: int) -> bool:
        """Whether the message that came is to be kept. ProtocolError if it was not asked for, or came before."""

    def spent(self) -> bool:
        """Whether no other message can be claimed any more."""


class Exactly:
    """These UIDs. Commands in flight share one: Dovecot answers the next before it says OK to the one before."""

    def __init__(self, uids: Iterable[int] = ()) -> None:
        self._waiting = set(uids)

    def add(self, uids: Iterable[int]) -> None:
        """One more command asks for these."""
        self._waiting.update(uids)

    def __len__(self) -> int:
        return len(self._waiting)

    def claim(self, uid: int) -> bool:
        """See `Asked`."""
        if uid not in self._waiting:
            raise _unasked(uid)
        self._waiting.remove(uid)
        return True

    def spent(self) -> bool:
        """See `Asked`."""
        return not self._waiting


class Onward:
    """`first:*` of a folder of so many messages. Its last one comes even if its UID is lower: it is passed over."""

    def __init__(self, first: int, messages: int) -> None:
        self._first, self._most = first, messages + NEWS
        self._passed = False
        self._seen = array("L")  # ascending; at most eight octets a message

    def claim(self, uid: int) -> bool:
        """See `Asked`."""
        seen = self._seen
        if uid < self._first:
            if seen or self._passed:
                raise _unasked(uid)
            self._passed = True
            return False
        if self._passed:  # the last message of the folder was below this one
            raise _unasked(uid)
        if len(seen) >= self._most:
            raise _too_many(self._most)
        if not seen or uid > seen[-1]:  # as nearly all come
            seen.append(uid)
            return True
        place = bisect_left(seen, uid)
        if seen[place] == uid:
            raise _unasked(uid)
        seen.insert(place, uid)
        return True

    def spent(self) -> bool:
        """See `Asked`."""
        return False


class Once:
    """Tells the messages of a folder of so many apart: a UID that comes again for the same message is no news."""

    def __init__(self, messages: int) -> None:
        self._most = messages + NEWS
        self._uids, self._sequences = array("L"), array("L")

    def first(self, uid: int, sequence: int) -> bool:
        """Whether the UID comes for the first time. ProtocolError if it came for another message."""
        uids = self._uids
        if len(uids) >= self._most:
            raise _too_many(self._most)
        if not uids or uid > uids[-1]:  # as nearly all come
            uids.append(uid)
            self._sequences.append(sequence)
            return True
        place = bisect_left(uids, uid)
        if uids[place] == uid:
            if self._sequences[place] != sequence:
                raise _unasked(uid)
            return False
        uids.insert(place, uid)
        self._sequences.insert(place, sequence)
        return True


class Nothing:
    """Asked of a folder that was then refused: what comes all the same is of another one."""

    def __init__(self) -> None:
        self._came = 0

    def claim(self, uid: int) -> bool:
        """See `Asked`."""
        self._came += 1
        if self._came > STRAYS:
            raise _unasked(uid)
        return False

    def spent(self) -> bool:
        """See `Asked`."""
        return False


def _unasked(uid: int) -> ProtocolError:
    return ProtocolError(f"the server sent message {uid} unasked, or twice", code="bad_uid")


def _too_many(most: int) -> ProtocolError:
    return ProtocolError(f"the server sent more than {most} messages of a folder that has less", code="too_much")
