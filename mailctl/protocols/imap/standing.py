"""What changed in a folder that stands open: asked of it as it is, not by opening it again (RFC 7162 section 3.2.6).

What is told is that between the state last seen and the opening. What happened since then is left for the next time.
"""

from math import inf

from mailctl.domain.mailbox import FolderStatus, MessageMeta
from mailctl.domain.visits import Opened, Visit
from mailctl.errors import MailctlError, ProtocolError, RefusedError
from mailctl.protocols.imap.bodies import allowance, fetch_lines
from mailctl.protocols.imap.channel import LONG_LINE, PACE, Answer, Channel
from mailctl.protocols.imap.rows import parse_row
from mailctl.protocols.imap.uids import merge, parse_ranges

CHANGES = 200_000
"""Changed messages of one folder, and ranges of vanished ones, that are held in memory: 30 MB of each."""
EARLIER = b"* VANISHED (EARLIER) "


def can_stay(channel: Channel, visit: Visit, standing: FolderStatus) -> bool:
    """Whether what is asked can be had of INBOX as it is open. standing: its state when it was opened."""
    if visit.folder.name != "INBOX" or visit.since is None or not visit.read_only or "QRESYNC" not in channel.enabled:
        return False
    uidvalidity, modseq = visit.since
    return uidvalidity == standing.uidvalidity and 1 <= modseq <= (standing.highestmodseq or 0)


def ask_changes(channel: Channel, visit: Visit, standing: FolderStatus) -> bytes:
    """Ask what changed and vanished since; the command's tag.

    NOTE: `*` is the last message that is still there: of one behind it, `1:*` would not tell that it vanished.
    """
    modseq = visit.since[1] if visit.since else 0
    last = b"%d" % (standing.uidnext - 1) if standing.uidnext and standing.uidnext > 1 else b"*"
    command = b"UID FETCH 1:%s (FLAGS) (CHANGEDSINCE %d VANISHED)" % (last, modseq)
    (tag,) = channel.send_more(command, most=allowance(standing.messages) + LONG_LINE)
    return tag


def read_changes(channel: Channel, tag: bytes, visit: Visit, standing: FolderStatus) -> Opened | MailctlError:
    """The folder's state, and what changed; RefusedError (code `unclear`, or the server's) if it has to be looked at as
    a whole. ProtocolError if the server goes on to another folder."""
    answer, changed = Answer(), dict[int, MessageMeta]()
    vanished: list[tuple[int, int]] = []
    whole = True

    def take(line: bytes) -> bool:
        nonlocal whole
        if line[: len(EARLIER)].upper() != EARLIER:
            return False
        uids = line[len(EARLIER) :].strip()
        if uids.count(b",") + len(vanished) >= CHANGES:
            whole = False
        else:
            vanished.extend(parse_ranges(uids))
        return True

    channel.allow(allowance(standing.messages) / PACE)
    for line in fetch_lines(channel, tag, answer, standing.messages, LONG_LINE, take):
        row = parse_row(channel.complete(line).parts if line.endswith(b"}") else [line])
        if row.has_body:
            raise ProtocolError("the server sent a body before it was asked for", code="bad_fetch")
        if row.uid is None or row.flags is None or len(changed) >= CHANGES:
            whole = False
        elif row.uid < (standing.uidnext or inf):
            changed[row.uid] = row.meta()
    try:
        answer.checked(f"UID FETCH in {visit.folder.name}")
    except (RefusedError, ProtocolError) as error:
        return error
    if not whole:
        return RefusedError("what changed in the folder can't be told from what the server sent", code="unclear")
    return Opened(visit, standing, tuple(changed.values()), tuple(merge(vanished)))
