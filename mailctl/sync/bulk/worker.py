"""A worker: a process with a connection of its own that fetches shares of a folder into `tmp`, and tells its parent.

It names nothing, keeps no state and asks nobody: the parent puts the files into place. What goes over the two pipes is
pickled, between processes of one user that know each other. Requests: a SyncJob, for which it signs in at once; an
Order, then lists of UIDs (a share each), the next Order, …, at last STOP. The pipe's end without that means that the
parent is dead: the worker ends at once.
"""

from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread, get_ident
from time import monotonic
from typing import Any, BinaryIO, ParamSpec, TypeVar

from mailctl import errors
from mailctl.domain.mailbox import ImapMailbox, MessageMeta
from mailctl.domain.record import dataclass
from mailctl.domain.secret import mask
from mailctl.errors import MailctlError, StoppedError
from mailctl.sync.bulk.fetcher import Came, Fetcher
from mailctl.sync.bulk.load import Load
from mailctl.sync.bulk.pace import Pace
from mailctl.sync.job import SyncJob
from mailctl.sync.local.files import Files, storing
from mailctl.sync.local.flags import canonical
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.writer import Part

P = ParamSpec("P")
T = TypeVar("T")

STOP = "stop"
OFTEN = 0.1
"""Seconds between two words on how many octets came."""
LIFE_SIGN = 20.0
"""Seconds between two words while a file call lasts: the disk may take longer than a worker may be silent."""
LONGEST = 1800.0
"""Seconds after which a file call is no reason to be silent any more."""


@dataclass(frozen=True, slots=True)
class Order:
    """The folder from which a worker is to fetch. root: descriptor of the Maildir root, inherited. first: see `Writer`.
    number: which of the run's it is.

    The load's UIDs and sizes are left out: they come in shares.
    """

    load: Load
    root: int
    first: int
    number: int


Connect = Callable[[SyncJob, Event], ImapMailbox]
"""Signs in; what waits on the connection heeds the event, which is set when the user wants an end."""


class Answers:
    """What the worker says: (word, value). For several threads; nothing happens when nobody listens any more.

    ready int (an order's number) · octets int · took None (a share, and may have another)
    came (UIDs, packed) · done int (shares, of all it took, by now) · failed dict (an error; the last)
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._lock = stream, Lock()

    def say(self, word: str, value: Any = None) -> None:
        """One word."""
        import pickle

        with self._lock, suppress(BrokenPipeError):  # the parent is dead, and we are about to hear of it
            pickle.dump((word, value), self._stream, 5)
            self._stream.flush()


def work(
    requests: BinaryIO,
    answers: BinaryIO,
    connect: Connect,
    files: Files,
    orphaned: Callable[[], None],
) -> None:
    """Serve one parent. orphaned: called, in another thread, when it has died."""
    told = Answers(answers)
    try:
        with storing("fetch messages"):
            _Worker(told, files).work(requests, connect, orphaned)
    except MailctlError as error:
        told.say("failed", packed(error))
    except Exception as error:  # noqa: BLE001 - a bug here must come to light there
        told.say("failed", packed(MailctlError(f"a worker failed ({type(error).__name__}: {mask(str(error))})")))


class _Worker:
    def __init__(self, answers: Answers, files: Files) -> None:
        self._answers, self._files = answers, _Watched(files)
        self._stop, self._over = Event(), Event()
        self._requests: SimpleQueue[SyncJob | Order | list[int] | None] = SimpleQueue()
        self._following: list[SyncJob | Order | None] = []
        """What came out of the queue where only a share was looked for: the end of this order."""
        self._shares = 0
        self._octets = 0
        self._told = 0.0

    def work(self, requests: BinaryIO, connect: Connect, orphaned: Callable[[], None]) -> None:
        Thread(target=self._listen, args=(requests, orphaned), daemon=True).start()
        job = self._requests.get()
        if not isinstance(job, SyncJob):
            return
        mailbox = connect(job, self._stop)
        pace = Pace(mailbox, job.endpoint)
        Thread(target=self._live, daemon=True).start()
        try:
            request = self._requests.get()
            while isinstance(request, Order):
                request = self._serve(mailbox, pace, request)
        finally:
            self._over.set()
            mailbox.close()

    def _live(self) -> None:
        while not self._over.wait(LIFE_SIGN):
            if self._files.busy:
                self._answers.say("octets", 0)

    def _serve(self, mailbox: ImapMailbox, pace: Pace, order: Order) -> SyncJob | Order | None:
        """Fetch from one folder until another is ordered, or the end."""
        load = order.load
        mailbox.enter(load.folder, load.uidvalidity)
        with MaildirFolder(self._files, order.root, load.path, create=False) as maildir:
            fetcher = Fetcher(mailbox, maildir, load, pace, self._beat, first=order.first)
            self._answers.say("ready", order.number)
            while share := self._share(wait=True):
                for came in fetcher.fetch(share, self._share):
                    self._tell_octets()
                    self._answers.say("came", told_of(came))
                self._answers.say("done", self._shares)
        return self._following.pop()

    def _share(self, *, wait: bool = False) -> list[int]:
        """The next share; empty if there is none now or, after waiting, if there are no more."""
        if self._following:
            return []
        try:
            request = self._requests.get(block=wait)
        except Empty:
            return []
        if not isinstance(request, list):
            self._following.append(request)
            return []
        self._shares += 1
        self._answers.say("took")
        return request

    def _listen(self, requests: BinaryIO, orphaned: Callable[[], None]) -> None:
        import pickle

        with suppress(EOFError, pickle.UnpicklingError, OSError, ValueError):
            while (request := pickle.load(requests)) != STOP:  # noqa: S301 - from the parent
                self._requests.put(request)
            self._stop.set()
            self._requests.put(None)
            requests.read(1)
        orphaned()
        self._requests.put(None)

    def _beat(self, octets: int) -> None:
        self._octets += octets
        if self._stop.is_set():
            raise StoppedError("interrupted")
        if monotonic() - self._told > OFTEN:
            self._tell_octets()

    def _tell_octets(self) -> None:
        self._told = monotonic()
        octets, self._octets = self._octets, 0
        self._answers.say("octets", octets)


class _Watched(Files):
    """Files of which it is known whether a call is under way, in any thread."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._calls: dict[int, float] = {}

    def perform(self, kind: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As that of the files."""
        thread = get_ident()
        self._calls[thread] = monotonic()
        try:
            return self._files.perform(kind, function, *args, **kwargs)
        finally:
            del self._calls[thread]

    @property
    def busy(self) -> bool:
        """Whether one is, that has not lasted too long."""
        now = monotonic()
        return any(now - began < LONGEST for began in list(self._calls.values()))


Row = tuple[str, int, frozenset[str], int | None, float | None, int | None, int, bool]


def told_of(came: Came) -> tuple[list[int], bytes]:
    """The UIDs of all that came, and `came` in plain values, pickled: what waits to be placed takes little room."""
    import pickle

    parts: list[Row] = [
        (p.file, p.meta.uid, p.meta.flags, p.meta.size, p.meta.internaldate, p.meta.modseq, p.octets, p.name.verbatim)
        for p in came.parts
    ]
    uids = [part.meta.uid for part in came.parts] + [uid for uid, _ in came.too_large]
    return uids, pickle.dumps((parts, came.too_large), 5)


def came_of(packed: bytes, load: Load) -> Came:
    """What `told_of` made plain."""
    import pickle

    parts, too_large = pickle.loads(packed)  # noqa: S301 - from a process that we started
    return Came(
        [
            Part(
                file,
                MessageName(load.hash, load.uidvalidity, uid, verbatim=verbatim),
                MessageMeta(uid, canonical(flags), size, date, modseq),
                octets,
            )
            for file, uid, flags, size, date, modseq, octets, verbatim in parts
        ],
        too_large,
    )


def packed(error: MailctlError) -> dict[str, Any]:
    """An error in plain values, secrets masked."""
    return {
        "family": type(error).__name__,
        "message": mask(error.message),
        "hint": error.hint,
        "code": error.code,
        "cause": error.cause,
        "server_text": mask(error.server_text),
        "detail": error.detail,
    }


def unpacked(told: dict[str, Any]) -> MailctlError:
    """The error that `packed` made plain."""
    fields = dict(told)
    family, message = getattr(errors, fields.pop("family"), MailctlError), fields.pop("message")
    error: MailctlError = family(message, **fields)
    return error
