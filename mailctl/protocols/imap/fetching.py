"""Bodies of chosen messages of the open folder: as many FETCH commands as their UIDs take, two in flight."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from mailctl.domain.mailbox import MessageMeta, SinkFactory
from mailctl.errors import ProtocolError, RefusedError
from mailctl.protocols.imap.asked import Exactly
from mailctl.protocols.imap.bodies import ITEMS, BodyReader, Nowhere, allowance, checked_fetch
from mailctl.protocols.imap.channel import ANSWER, Answer, Channel
from mailctl.protocols.imap.uids import SET_OCTETS, format_sets

IN_FLIGHT = 2


def fetch_bodies(
    channel: Channel,
    uids: Sequence[int],
    sink: SinkFactory,
    largest: int,
    more: Callable[[], Sequence[int]] | None = None,
    entered: Callable[[], None] | None = None,
) -> Iterator[MessageMeta]:
    """Yield each of `uids` after its sink was finished. largest: octets that one body may have.

    entered: reads what answers the command that opens the folder, where that was sent just before; None: it is open.
    more: asked for further UIDs whenever one more command may be sent, so that the line is never idle; empty: none.
    Raises what the first command was refused with that was not carried out in full, after all were answered.
    """
    sets = format_sets(uids, SET_OCTETS // IN_FLIGHT)
    sent: deque[bytes] = deque()
    asked = Exactly()
    refused: RefusedError | ProtocolError | None = None
    channel.wire.allowance = 0 if entered is None else ANSWER
    while True:
        while refused is None and len(sent) < IN_FLIGHT:
            following = next(sets, None)
            if following is None and more is not None:
                sets = format_sets(more(), SET_OCTETS // IN_FLIGHT)
                following = next(sets, None)
            if following is None:
                break
            words, held = following
            tags = channel.send_more(b"UID FETCH %s %s" % (words.encode(), ITEMS), most=allowance(len(held)))
            sent.append(tags[0])
            asked.add(held)
        if not sent:
            break
        if entered is not None:
            entered()
            entered = None
        tag = sent.popleft()
        answer = Answer()
        if refused is not None:
            reader = BodyReader(channel, asked, lambda octets: Nowhere(), largest)
            deque(reader.read(tag, answer, len(asked)), maxlen=0)
            continue
        yield from BodyReader(channel, asked, sink, largest).read(tag, answer, len(asked))
        try:
            checked_fetch(answer)
        except (RefusedError, ProtocolError) as error:
            refused = error
    if refused is not None:
        raise refused
