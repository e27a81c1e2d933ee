"""Brings messages of one folder down, over this connection and, where that pays, over workers' besides.

The caller has selected (or examined) the folder on `mailbox`, or sees to it (`enter`), and opened its Maildir. It alone
keeps the state:

    with closing(bring(run, mailbox, maildir, load, tally, root=root)) as batches:
        for written in batches:       # a list of `Written`: durable, in their places
            state.save_messages(…)    # the next batch is only placed after that

`closing` matters: on the way out after an error it ends the workers and removes what was not placed. Counting
(`run.arrived`, `tally.fetched`, …) stays the caller's; `run.beat` is told the octets as they come.
"""

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, nullcontext
from time import monotonic

from mailctl.domain.event import Level
from mailctl.domain.mailbox import ImapMailbox
from mailctl.errors import NetworkError, ProtocolError, RefusedError, StoppedError, StorageError
from mailctl.sync.bulk.crew import Crew, Shift
from mailctl.sync.bulk.fetcher import Came, Fetcher
from mailctl.sync.bulk.load import Load, Shares, connections, worth_sharing
from mailctl.sync.bulk.pace import Pace
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.writer import Written, place
from mailctl.sync.run import Run

_LOOK_UP = 0.2
_GRACE = 30.0
"""Seconds that workers have to tell what came whole before an end."""
_SUSPECTS = 500
"""Messages at most that are asked for one by one, since the server broke the protocol at one of them."""


def bring(
    run: Run,
    mailbox: ImapMailbox,
    maildir: MaildirFolder,
    load: Load,
    tally: FolderTally,
    *,
    root: int | None = None,
    enter: Callable[[], None] = lambda: None,
) -> Generator[list[Written], None, None]:
    """Yield what was brought, batch by batch, each durable and in its place; messages that are gone never come.

    root: descriptor of the Maildir root; without it there are no workers. enter: has the folder selected on
    `mailbox`, if it isn't, whatever else is done there first; the workers are at work then. Notes in `tally` what was
    left for its size, and where the server broke the protocol: among `suspects`, which the next call asks for one by
    one, until it is certain and in `avoid`. Raises MailctlErrors after what came whole was yielded; StoppedError if the
    user wants an end. After a NetworkError or ProtocolError `mailbox` is dead.
    """
    run.check_stop()
    suspects, tally.suspects = set(tally.suspects), []
    shares = Shares([uid for uid in load.uids if uid not in suspects] if suspects else load.uids, load.sizes)
    crew = muster(run, mailbox, load, root)
    shares.crowd = 1 + (crew.size if crew else 0)  # before any of them can take
    if run.pace is None or run.pace.mailbox is not mailbox:
        run.pace = Pace(mailbox, run.job.endpoint)
    with crew.at_work(load, shares, maildir) if crew else nullcontext(Shift(load, shares)) as shift:
        fetcher = Fetcher(mailbox, maildir, load, run.pace, lambda octets: run.beat(octets + shift.beat()))
        alone = 0
        try:
            enter()
            for alone in sorted(suspects & set(load.uids)) if suspects else ():
                for came in fetcher.fetch([alone]):
                    if written := _placed(maildir, load, tally, came):
                        yield written
            alone = 0
            for came in _all(run, crew, shift, fetcher):
                if written := _placed(maildir, load, tally, came):
                    yield written
        except (NetworkError, ProtocolError, RefusedError, StoppedError, StorageError) as error:
            if isinstance(error, StorageError) and error.code != "disk_full":
                raise
            if len(fetcher.suspects) == 1:  # all others had come
                tally.avoid.update(fetcher.suspects)
                tally.suspects = sorted(u for u in suspects if u > alone > 0)
            else:  # what came before may never have been going to, and servers need not keep the order
                tally.suspects = fetcher.suspects[:_SUSPECTS] or sorted(u for u in suspects if u >= alone > 0)
            for came in _last_words(crew, shift):
                if written := _placed(maildir, load, tally, came):
                    yield written
            raise
        finally:
            _tell(run, crew)


def muster(run: Run, mailbox: ImapMailbox, load: Load, root: int | None) -> Crew | None:
    """The workers of this run, if the load is worth them; they stay for the next.

    Called ahead of time, it lets them sign in while something else is done. `mailbox` needs no folder for that.
    """
    workers = run.tools.workers
    if workers is None or root is None:
        return None
    _tell(run, run.crew)
    if run.crew is None or not run.crew.size:
        if run.alone or connections(load, 1.0, 2, None) == 1:
            return None
        processors = os.cpu_count() or 1
        more = connections(load, mailbox.turn, processors, workers.allowed(run.job)) - 1
        if not more:
            return None
        run.crew = Crew(workers, run.job, root)
        run.crew.most = more
        run.crew.enlist(min(more, max(processors - 1, 1)))  # others when it is known that the line is what is slow
    return run.crew if worth_sharing(load) else None


def _all(run: Run, crew: Crew | None, shift: Shift, fetcher: Fetcher) -> Iterator[Came]:
    while True:
        if share := shift.shares.take():
            for came in fetcher.fetch(share, shift.shares.take):
                if crew is not None and not run.alone and run.pace is not None and run.pace.waits:
                    crew.reinforce()
                others = shift.gather()
                yield Came(came.parts + others.parts, came.too_large + others.too_large)
                while shift.waiting:  # in batches: what is in hand is in memory
                    yield shift.gather()
        elif (crew is not None and crew.busy) or shift.waiting:  # in this order: it brings before it is idle
            if crew is not None:
                crew.give_up_silent()
            came = shift.gather(_LOOK_UP)
            run.beat(shift.beat())
            yield came
        elif not shift.shares:  # and gives back before it is idle
            run.beat(shift.beat())
            return


def _last_words(crew: Crew | None, shift: Shift) -> Iterator[Came]:
    """What workers had, when it comes to an end."""
    if crew is not None:
        crew.stop()
        end = monotonic() + _GRACE
        while (crew.busy or shift.waiting) and monotonic() < end:
            yield shift.gather(_LOOK_UP)


def _placed(maildir: MaildirFolder, load: Load, tally: FolderTally, came: Came) -> list[Written]:
    for uid, octets in came.too_large:
        tally.skip_large(uid, octets, load.max_size or 0)
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


def _tell(run: Run, crew: Crew | None) -> None:
    """Say why it went on with fewer connections than it could have."""
    while crew is not None and crew.failures:
        run.alone = True
        error = crew.failures.pop()
        text = f"{run.job.name}: one more connection failed, it went on with those it had: {error.message}"
        run.notes.append(text)
        run.record("sync.worker.lost", text, level=Level.WARNING, code=error.code, server_text=error.server_text)
