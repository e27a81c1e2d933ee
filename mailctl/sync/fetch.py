"""Brings messages of one IMAP folder down: each batch is durable, in its place, remembered, counted; then the next."""

from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import closing
from dataclasses import replace

from mailctl.domain.mailbox import ImapMailbox, MessageMeta
from mailctl.sync.archive.plan import remember
from mailctl.sync.bulk.bring import bring
from mailctl.sync.bulk.load import Load
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.writer import Written, lost_keywords
from mailctl.sync.run import Run
from mailctl.sync.state import Agreed

Keep = Callable[[Mapping[int, Agreed], Mapping[int, str | None]], None]
"""Takes what the state is to keep of new messages, and where their files are, both by UID; returns when it does."""


def fetch(
    run: Run,
    mailbox: ImapMailbox,
    maildir: MaildirFolder,
    load: Load,
    server: Mapping[int, MessageMeta] | None,
    tally: FolderTally,
    keep: Keep,
    *,
    root: int | None,
    enter: Callable[[], None] = lambda: None,
) -> None:
    """Fetch `load`.

    load: its sizes are taken from `server`, what the server shows by UID; None: not known, what comes with the bodies
    is kept. root, enter: see `bring`. Raises MailctlErrors; what came whole before is kept.
    """
    sizes = {uid: size for uid in load.uids if (size := server[uid].size) is not None} if server is not None else {}
    run.expect(len(load.uids), sum(sizes.values()))
    with closing(bring(run, mailbox, maildir, replace(load, sizes=sizes), tally, root=root, enter=enter)) as batches:
        for written in batches:
            new = {w.meta.uid: _agreed(w, server) for w in written}
            keep(new, {w.meta.uid: f"{w.subdirectory}/{w.filename}" for w in written})
            tally.fetched += len(new)
            tally.bytes += sum(w.octets for w in written)
            run.homeless(tally.name, lost_keywords(written))
            run.arrived(len(new))


def _agreed(written: Written, server: Mapping[int, MessageMeta] | None) -> Agreed:
    meta = written.meta
    if server is None:
        return replace(remember(meta), size=written.octets)
    return replace(remember(server[meta.uid]), flags=meta.flags)


def tell_missing(wanted: Iterable[int], came: Container[int], tally: FolderTally) -> None:
    """Note the UIDs that were asked for and neither came nor were left out."""
    skipped = {skipped.uid for skipped in tally.skipped}
    for uid in wanted:
        if uid not in came and uid not in skipped:
            tally.skip("no_body", "the server gave no body: the message is gone, or damaged there", uid=uid)
