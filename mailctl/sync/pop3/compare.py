"""Whether the message that a maildrop shows is the one that is here under its unique-id: by header, else by size."""

from collections.abc import Sequence
from contextlib import ExitStack

from mailctl.domain.mailbox import PopMailbox
from mailctl.sync.describe import identity
from mailctl.sync.local.maildir import LocalFile, MaildirFolder
from mailctl.sync.local.names import uidl_token
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.root import Root
from mailctl.sync.pop3.plan import Message, Verdict

Places = dict[str, tuple[tuple[str, ...], LocalFile]]
"""Where the messages lie, by token."""


def compare(mailbox: PopMailbox, root: Root, places: Places, messages: Sequence[Message]) -> dict[int, Verdict]:
    """The verdict on each of `messages`, by number.

    From, Subject, Date and Message-ID decide where the server gives them (TOP); where it doesn't, or there are none,
    equal sizes do, and of different ones nobody can tell.
    """
    headers = {number: identity(header) for number, header in mailbox.headers([number for number, _, _ in messages])}
    verdicts = {}
    with ExitStack() as stack:
        opened: dict[tuple[str, ...], MaildirFolder] = {}
        for number, uidl, octets in messages:
            path, file = places[uidl_token(uidl)]
            if root.descriptor is None:
                continue
            if path not in opened:
                folder = MaildirFolder(root.files, root.descriptor, FolderPath(path), create=False)
                opened[path] = stack.enter_context(folder)
            verdicts[number] = _verdict(opened[path], file, octets, headers.get(number))
    return verdicts


def _verdict(folder: MaildirFolder, file: LocalFile, octets: int, there: dict[str, bytes] | None) -> Verdict:
    start = folder.read_start(file)
    if start is None:
        return Verdict.UNKNOWN  # it has just been moved, and the next run finds it
    if there:
        return Verdict.SAME if identity(start) == there else Verdict.ANOTHER
    measured = folder.measure(file)
    return Verdict.SAME if measured is not None and measured[0] == octets else Verdict.UNKNOWN
