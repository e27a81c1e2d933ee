"""The reader of a scan: what FETCH tells of messages without their bodies, 150,000 rows in less than a second."""

from collections.abc import Collection, Iterator

from mailctl.domain.mailbox import MessageMeta
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.asked import Once
from mailctl.protocols.imap.bodies import fetch_lines
from mailctl.protocols.imap.channel import Answer, Channel
from mailctl.protocols.imap.dates import parse_internaldate
from mailctl.protocols.imap.rows import SCANNED, parse_flags, parse_row
from mailctl.protocols.imap.uids import check_uid


def read_scan(
    channel: Channel, tag: bytes, answer: Answer, messages: int, asked: Collection[int] | None
) -> Iterator[MessageMeta]:
    """Yield what answers a UID FETCH of UID, FLAGS, RFC822.SIZE, INTERNALDATE and MODSEQ, each message once.

    The tagged response goes into `answer`. asked: UIDs that may come; None: any. Responses that lack what was asked are
    news of flags that the server sends by itself; they are passed over.
    """
    once = Once(messages)
    match = channel.wire.match
    with channel.guarded():
        others = fetch_lines(channel, tag, answer, messages)
        while True:
            while found := match(SCANNED):
                sequence, digits, flags, size, date, modseq = found.groups()
                uid = check_uid(digits)
                if asked is not None and uid not in asked:
                    raise _unasked(uid)
                if once.first(uid, int(sequence)):
                    when = parse_internaldate(date)
                    yield MessageMeta(uid, parse_flags(flags), int(size), when, int(modseq) if modseq else None)
            line = next(others, None)
            if line is None:
                return
            row = parse_row(channel.complete(line).parts if line.endswith(b"}") else [line])
            if row.uid is None or row.flags is None or row.size is None or row.has_body:
                continue
            if asked is not None and row.uid not in asked:
                raise _unasked(row.uid)
            if once.first(row.uid, row.sequence):
                yield row.meta()


def _unasked(uid: int) -> ProtocolError:
    return ProtocolError(f"the server sent UID {uid} unasked", code="bad_uid")
