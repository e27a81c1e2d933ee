"""What comes down in a mirror run: flags, as names of files, and messages, batch by batch."""

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace

from mailctl.domain.mailbox import ImapMailbox
from mailctl.sync.bulk.bring import bring
from mailctl.sync.bulk.load import Load
from mailctl.sync.job import FolderTally
from mailctl.sync.local.flags import strange_letters, to_letters
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.writer import lost_keywords
from mailctl.sync.mirror.work import Work
from mailctl.sync.plan import remember
from mailctl.sync.run import Run
from mailctl.sync.state import State


def set_flags(run: Run, maildir: MaildirFolder, work: Work) -> None:
    """Give files the flags that the plan says, durably."""
    keywords = maildir.keywords
    wanted = {}
    homeless: set[str] = set()
    for uid, flags in work.plan.set_flags.items():
        old = work.files[uid].name.letters
        letters, without = to_letters(flags, keywords)
        new = "".join(sorted(letters + strange_letters(old, keywords)))
        homeless.update(without)
        if new != "".join(sorted(old)):
            wanted[uid] = new
    _tell(run, work.name, homeless)
    maildir.save_keywords()
    for uid, letters in wanted.items():
        work.tally.flagged += bool(maildir.set_letters(work.files[uid], letters))
    if wanted:
        maildir.sync_directories()


def fetch(run: Run, mailbox: ImapMailbox, state: State, maildir: MaildirFolder, work: Work, root: int) -> None:
    """Bring messages of the selected folder down; each batch is remembered when it is durable and in its place."""
    uids, tally = work.plan.fetch, work.tally
    sizes = {uid: size for uid in uids if (size := work.server[uid].size) is not None}
    run.expect(len(uids), sum(sizes.values()))
    assert work.folder is not None  # noqa: S101 - it is selected
    most = run.job.inbound.max_size
    load = Load(work.folder, maildir.path, work.hash, work.validity, uids, sizes, most)
    came: set[int] = set()
    with closing(bring(run, mailbox, maildir, load, tally, root=root)) as batches:
        for written in batches:
            new = {w.meta.uid: replace(remember(work.server[w.meta.uid]), flags=w.meta.flags) for w in written}
            state.save_messages(work.name, new)
            came |= new.keys()
            tally.fetched += len(new)
            tally.bytes += sum(w.octets for w in written)
            _tell(run, work.name, lost_keywords(written))
            run.arrived(len(new))
    _missing(tally, [uid for uid in uids if uid not in came])


def _missing(tally: FolderTally, uids: Iterable[int]) -> None:
    told = {skipped.uid for skipped in tally.skipped}
    for uid in uids:
        if uid not in told:
            tally.skip("no_body", "the server gave no body: the message is gone, or damaged there", uid=uid)


def _tell(run: Run, folder: str, keywords: Iterable[str]) -> None:
    missing = ", ".join(sorted(keywords))
    if missing:
        run.warn(f"{folder}: a Maildir folder has letters for 26 keywords; not shown here: {missing}")
