"""Brings messages of one folder down, over this connection and, where that pays, over workers' besides.

The caller has selected (or examined) the folder on `mailbox` and opened its Maildir. It alone keeps the state:

    with closing(bring(run, mailbox, maildir, load, tally)) as batches:
        for written in batches:       # a list of `Written`: durable, in their places
            state.save_messages(…)    # the next batch is only placed after that

`closing` matters: on the way out after an error it ends the workers and removes what was not placed. Counting
(`run.arrived`, `tally.fetched`, …) stays the caller's; `run.beat` is told the octets as they come.
"""

from collections.abc import Generator
from contextlib import ExitStack

from mailctl.domain.mailbox import ImapMailbox
from mailctl.domain.when import show_size
from mailctl.sync.bulk.fetcher import Came, Fetcher
from mailctl.sync.bulk.load import Load, Shares
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.writer import Written, place
from mailctl.sync.run import Run


def bring(
    run: Run, mailbox: ImapMailbox, maildir: MaildirFolder, load: Load, tally: FolderTally
) -> Generator[list[Written], None, None]:
    """Yield what was brought, batch by batch, each durable and in its place; messages that are gone never come.

    Notes in `tally` what was left for its size, and in `tally.avoid` where the server broke the protocol. Raises
    MailctlErrors after what came whole was yielded; StoppedError if the user wants an end. `mailbox` has the folder
    selected; it is dead after a NetworkError or ProtocolError.
    """
    shares = Shares(load.uids, load.sizes, 1)
    fetcher = Fetcher(mailbox, maildir, load, run.beat)
    while share := shares.take():
        run.check_stop()
        try:
            for came in fetcher.fetch(share):
                if written := _placed(maildir, load, tally, came):
                    yield written
        finally:
            if fetcher.broke_at:
                tally.avoid.add(fetcher.broke_at)


def _placed(maildir: MaildirFolder, load: Load, tally: FolderTally, came: Came) -> list[Written]:
    for uid, octets in came.too_large:
        most = show_size(load.max_size or 0)
        tally.skip("too_large", f"{show_size(octets)}, more than max_size ({most})", uid=uid)
    if not came.parts:
        return []
    try:
        written = place(maildir, came.parts)
    except BaseException:
        with ExitStack() as stack:  # each is tried, whatever becomes of the others
            for part in came.parts:
                stack.callback(maildir.files.unlink, maildir.descriptors["tmp"], part.file)
        raise
    maildir.sync_directories()
    return written
