"""A sign-in that goes on while the rest of a command is made ready: one waits for the server, the other for nobody."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, cast
from typing import Protocol as Interface

from mailctl.cli.signing_in import signed_in
from mailctl.domain.gateway import Mode
from mailctl.domain.server import Protocol
from mailctl.errors import MailctlError, NetworkError, ProtocolError, StoppedError, TlsError
from mailctl.sync.job import Task
from mailctl.sync.local.lock import held

if TYPE_CHECKING:
    from mailctl.cli.context import Context
    from mailctl.domain.mailbox import ImapMailbox, PopMailbox
    from mailctl.domain.secret import Secret
    from mailctl.sync.job import Connector, SyncJob

PATIENCE = 5.0
"""Seconds for which a connection may wait for the password: servers end one on which nothing is said."""
GRACE = 6.0
"""Seconds for which a connection is waited for when the user wants an end: a little more than it waits by itself."""
LOOK_UP = 0.5
"""Seconds between two looks for signals: one that strikes just before a thread waits is only heard when it wakes."""
SOON = 0.02
"""Seconds in which a near server answers: what could be done meanwhile takes about half as long."""
LATELY = 2.0
"""Seconds that a run takes, at most, from its last change in a folder to saving its state."""


class _Surveyed(Interface):
    def survey_ahead(self, *, inbox: bool) -> None:
        """Make the survey that the sync will ask for first. inbox: INBOX is probably read next."""


@contextmanager
def ahead(
    context: "Context", jobs: "Sequence[SyncJob]", meanwhile: Callable[[], None] = lambda: None
) -> "Iterator[Connector]":
    """A connector that is signing in already, where one IMAP mailbox alone is to be synced.

    Not while another run has it: a person must not be asked for a password, nor a server for one more connection, every
    minute of a long first run. meanwhile: called where a server is waited for, and at the end; at once where nothing is
    done ahead.
    """
    alone = len(jobs) == 1 and jobs[0].protocol is Protocol.IMAP and jobs[0].task is Task.SYNC
    if not alone or held(Path(jobs[0].state).with_suffix(".lock")):
        meanwhile()
        yield context
        return
    connector = _Ahead(context, jobs[0], meanwhile)
    try:
        context.prepare_mailbox()  # while the server looks at the password
        yield connector
    finally:
        connector.close()
        meanwhile()


def changed_lately(job: "SyncJob") -> bool:
    """Whether the last run changed INBOX here: so the next may find it changed there. No more than a guess.

    Its directories then have the time of the state, or nearly: a run in which nothing changed saves that later, or not.
    """
    if job.inbound.mode is not Mode.ARCHIVE:
        return False
    inbox, state = Path(job.root, "INBOX"), Path(job.state)
    try:
        changed = max((inbox / each).stat().st_mtime for each in ("cur", "new"))
        return 0 <= state.stat().st_mtime - changed < LATELY
    except OSError:
        return False


class _Ahead:
    """Its first connection is being made, and the folders asked for, since it was made; others are made as usual."""

    def __init__(self, context: "Context", job: "SyncJob", meanwhile: Callable[[], None]) -> None:
        self._context, self._job, self._meanwhile = context, job, meanwhile
        self._mailbox: ImapMailbox | None = None
        self._error: BaseException | None = None
        self._unwanted = False
        self._prepared = Event()
        context.prepare_dial()  # here, where no other thread imports
        self._thread: Thread | None = Thread(target=self._connect, daemon=True)
        self._thread.start()
        try:
            context.prepare_imap()
        except BaseException:
            self.close()
            raise
        finally:
            self._prepared.set()

    def _connect(self) -> None:
        try:
            mailbox, inbox = self._signed_in(), changed_lately(self._job)
            try:
                cast(_Surveyed, mailbox).survey_ahead(inbox=inbox)
            except BaseException as error:
                mailbox.close()
                if not (inbox and isinstance(error, NetworkError | ProtocolError)):
                    raise
            else:
                self._mailbox = mailbox  # not before: it is not for two threads at a time
        except BaseException as error:  # noqa: BLE001 - raised where the connection is asked for
            self._error = error
        if self._unwanted:
            self.close()

    def _signed_in(self) -> "ImapMailbox":
        """As `Context.open_imap`, but for the order: connected first, while what speaks IMAP is still being loaded."""
        context, job = self._context, self._job
        with ExitStack() as stack:
            dialed, failed = None, None
            try:
                dialed = context.dial(job)
                stack.callback(dialed.close)
            except MailctlError as error:
                failed = error
            self._prepared.wait()
            if self._unwanted or context.stop.is_set():  # nobody is to be asked for a password any more
                raise StoppedError("interrupted")
            began = monotonic()
            dials = iter([dialed])

            def sign_in(secret: "Secret") -> "ImapMailbox":
                if failed is not None and not isinstance(failed, TlsError):  # why TLS failed, the sign-in finds out
                    raise failed
                there = next(dials, None)  # a refused token has used it up
                if there is not None and monotonic() - began > PATIENCE:  # somebody was asked for it
                    stack.close()
                    there = None
                return context.sign_in(job, secret, context.stop, there)

            mailbox = signed_in(context.secret_of(job), sign_in)
            stack.pop_all()
            return mailbox

    def open_imap(self, job: "SyncJob") -> "ImapMailbox":
        """See `sync.job.Connector`."""
        thread, self._thread = self._thread, None
        if thread is None or job is not self._job:
            return self._context.open_imap(job)
        if thread.is_alive():
            import mailctl.sync.archive.fast  # noqa: F401 - most of what changed goes this way

            thread.join(SOON)
        if thread.is_alive():
            self._meanwhile()
        waited = 0.0
        while thread.is_alive():
            thread.join(LOOK_UP)
            waited += LOOK_UP if self._context.stop.is_set() else 0.0
            if waited > GRACE:
                raise StoppedError("interrupted; the connection was not waited for")
        mailbox, self._mailbox = self._mailbox, None
        if self._error is not None:
            raise self._error
        return mailbox or self._context.open_imap(job)  # what is wrong with INBOX alone must not end all

    def open_pop3(self, job: "SyncJob") -> "PopMailbox":
        """See `sync.job.Connector`."""
        return self._context.open_pop3(job)

    def close(self) -> None:
        """Drop the connection if nobody asked for it, now or as soon as it is made."""
        self._unwanted = True
        mailbox, self._mailbox = self._mailbox, None
        if mailbox is not None:
            mailbox.close()
