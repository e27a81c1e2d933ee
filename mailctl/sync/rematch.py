"""Finds the messages that are here again after the server gave them new UIDs (another UIDVALIDITY). Pure.

Two messages are taken for the same only when Message-ID, size and date agree, or two of them do and no other message
on either side could be meant. Whatever stays in doubt is fetched anew: nothing is lost or deleted on a guess.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass

N = TypeVar("N")

_MESSAGE_ID = pattern(rb"^message-id[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)", re.IGNORECASE | re.MULTILINE)
_END_OF_HEADER = pattern(rb"(?:\A|\r?\n)\r?\n")


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a message is known by. message_id: "" if it has none. size: octets on the wire. date: whole seconds."""

    message_id: str
    size: int | None
    date: int | None


def message_id(header: bytes) -> str:
    """The Message-ID of a header (or of the start of a message), white space removed; "" if it has none or several."""
    end = _END_OF_HEADER.search(header)
    found = _MESSAGE_ID.findall(header[: end.start() + 1] if end else header)
    if len(found) != 1:
        return ""
    return b"".join(found[0].split()).decode("ascii", "backslashreplace")[:998]


def rematch(server: Sequence[tuple[int, Likeness]], local: Sequence[tuple[str, Likeness]]) -> dict[int, str]:
    """UID → name of the local message that it is. Each local message is given once."""
    free_server = dict(server)
    free_local = dict(local)
    found: dict[int, str] = {}

    def settle(key: Callable[[Likeness], Hashable | None], *, copies: bool) -> None:
        here: dict[Hashable, list[str]] = _grouped(free_local.items(), key)
        there: dict[Hashable, list[int]] = _grouped(free_server.items(), key)
        for value, uids in there.items():
            names = here.get(value, [])
            if not copies and (len(names) != 1 or len(uids) != 1):
                continue
            for uid, name in zip(sorted(uids), sorted(names), strict=False):
                found[uid] = name
                del free_server[uid], free_local[name]

    settle(
        lambda m: (m.message_id, m.size, m.date) if m.message_id and None not in (m.size, m.date) else None, copies=True
    )
    settle(lambda m: (m.message_id, m.size) if m.message_id and m.size is not None else None, copies=False)
    settle(lambda m: (m.message_id, m.date) if m.message_id and m.date is not None else None, copies=False)
    settle(lambda m: (m.size, m.date) if not m.message_id and None not in (m.size, m.date) else None, copies=False)
    return found


def _grouped(
    items: Iterable[tuple[N, Likeness]], key: Callable[[Likeness], Hashable | None]
) -> dict[Hashable, list[N]]:
    groups: dict[Hashable, list[N]] = defaultdict(list)
    for name, likeness in items:
        value = key(likeness)
        if value is not None:
            groups[value].append(name)
    return groups
