"""The workers of one run, as their parent sees them: starts them, hands out shares, gathers what they brought.

A worker that dies, at any moment and of anything, leaves files in `tmp` that nobody knows of, which are removed, and
messages that were not told as brought, which go back among the shares. It is not replaced.
"""

import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import IO, Any
from typing import Protocol as Interface

from mailctl.errors import ExitCode, MailctlError, NetworkError, StoppedError
from mailctl.sync.bulk.fetcher import Came
from mailctl.sync.bulk.load import Load, Shares
from mailctl.sync.bulk.worker import STOP, Order, came_of, unpacked
from mailctl.sync.job import SyncJob
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import part_number
from mailctl.sync.local.writer import MOST_MESSAGES

NAMESPACE = 10**15
"""Numbers of files in `tmp` that each process has for itself."""
SILENCE = 120.0
"""Seconds that a worker may say nothing: longer than a server may, so that it can tell of that itself. While the disk
keeps it waiting, it says so."""
_FATAL = frozenset({ExitCode.BUG, ExitCode.STORAGE, ExitCode.SAFETY})
"""What a worker fails of that fails the whole: the disk is everybody's."""


class Process(Interface):
    """A worker's process: `subprocess.Popen`, as far as it is needed here."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Requests."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Answers."""

    def kill(self) -> None:
        """End it at once."""

    def wait(self) -> int:
        """Until it has ended."""


class Workers(Interface):
    """Starts workers, and knows how many there may be."""

    def start(self, job: SyncJob, descriptor: int) -> Process | None:
        """A process that can sign in for `job` and has `descriptor`; it waits for its Order. None: no more of them."""

    def allowed(self, job: SyncJob) -> int | None:
        """Connections to one mailbox that a sync may have at a time, the first included; None: not known."""


class Shift:
    """The work on one load: what the crew and its parent share. For several threads."""

    def __init__(self, load: Load, shares: Shares) -> None:
        self.load, self.shares = load, shares
        self.fatal: MailctlError | None = None
        self._came: SimpleQueue[bytes] = SimpleQueue()
        self._octets = 0
        self._lock = Lock()

    def beat(self) -> int:
        """Octets that workers took in since the last time; raises what one failed of, if that fails the whole."""
        if self.fatal is not None:
            raise self.fatal
        if not self._octets:
            return 0
        with self._lock:
            octets, self._octets = self._octets, 0
        return octets

    def gather(self, seconds: float = 0.0) -> Came:
        """What workers brought by now, a batch of it, waiting at most `seconds` for the first."""
        whole = Came()
        with suppress(Empty):
            packed = self._came.get(timeout=seconds) if seconds else self._came.get_nowait()
            while True:
                came = came_of(packed, self.load)
                whole.parts += came.parts
                whole.too_large += came.too_large
                if len(whole.parts) >= MOST_MESSAGES:
                    break
                packed = self._came.get_nowait()
        return whole

    @property
    def waiting(self) -> bool:
        """Whether there is something to gather."""
        return not self._came.empty()

    def count(self, octets: int) -> None:
        """A worker's octets."""
        with self._lock:
            self._octets += octets

    def bring(self, packed: bytes) -> None:
        """What a worker brought, as it told it."""
        self._came.put(packed)


class Crew:
    """All workers of a run. root: descriptor of the Maildir root; its lock is held as long as any of them lives."""

    def __init__(self, workers: Workers, job: SyncJob, root: int) -> None:
        self._workers, self._job, self._root = workers, job, root
        self._hands: list[_Hand] = []
        self._orders = 0
        self._current: tuple[Shift, Load] | None = None
        self.most = 0
        """How many workers pay where the line is what holds it up; see `reinforce`."""
        self.failures: list[MailctlError] = []
        """Why workers ended before their time: refused, disconnected."""

    @property
    def size(self) -> int:
        """How many live."""
        return sum(hand.living for hand in self._hands)

    def enlist(self, most: int) -> None:
        """Have `most` workers, if so many can be had; after a failure there are no new ones."""
        while len(self._hands) < most and not self.failures:
            process = self._workers.start(self._job, self._root)
            if process is None:
                return
            hand = _Hand(process, self.failures)
            self._hands.append(hand)
            hand.send(self._job)  # it signs in while there is nothing for it to do yet
            if self._current is not None:
                self._begin(hand, len(self._hands))

    def reinforce(self) -> None:
        """One worker more at the work in hand, if there may be."""
        before = len(self._hands)
        if before >= self.most or self._current is None:
            return
        self.enlist(before + 1)
        if len(self._hands) > before:
            self._current[0].shares.crowd += 1
        else:  # there can't be more: nobody is to be asked again
            self.most = before

    def _begin(self, hand: "_Hand", place: int) -> None:
        assert self._current is not None  # noqa: S101 - there is work
        shift, load = self._current
        hand.begin(shift, Order(load, self._root, place * NAMESPACE + 1, self._orders))

    @contextmanager
    def at_work(self, load: Load, shares: Shares, maildir: MaildirFolder) -> Iterator[Shift]:
        """Within it, the workers take from `shares`. An error that leaves it ends them all, with what they had."""
        shift = Shift(load, shares)
        self._current = shift, replace(load, uids=(), sizes={})
        self._orders += 1
        try:
            for place, hand in enumerate(self._hands, 1):
                self._begin(hand, place)
            yield shift
        except BaseException:
            self.end()
            raise
        finally:
            self._current = None
            if not all(hand.living and not hand.busy for hand in self._hands):
                files, tmp = maildir.files, maildir.descriptors["tmp"]
                for name in os.listdir(tmp):
                    if part_number(name, load.hash) >= NAMESPACE:
                        files.unlink(tmp, name)

    @property
    def busy(self) -> bool:
        """Whether something that was handed out has not come yet."""
        return any(hand.busy for hand in self._hands)

    def give_up_silent(self) -> None:
        """End those that have work in hand and have said nothing for SILENCE seconds; others do it."""
        for hand in self._hands:
            if hand.busy and monotonic() - hand.heard > SILENCE:
                hand.give_up()

    def stop(self) -> None:
        """No more work; what came whole is still brought."""
        for hand in self._hands:
            hand.send(STOP)

    def end(self) -> None:
        """End all workers now."""
        for hand in self._hands:
            hand.end()


class _Hand:
    """One worker. Its thread hears what the worker says until it ends."""

    def __init__(self, process: Process, failures: list[MailctlError]) -> None:
        self._process, self._failures = process, failures
        self._shift: Shift | None = None
        self._number = 0
        self._shares: deque[set[int]] = deque()
        self._done = 0
        """Shares that it is done with, of all that it had."""
        self.heard = monotonic()
        """When it said something, or got something to do after it had nothing."""
        self.living = True
        self._given_up = self._taking = False
        self._lock = Lock()
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def busy(self) -> bool:
        """Whether it has shares in hand, or is about to."""
        return self._taking or bool(self._shares)

    def begin(self, shift: Shift, order: Order) -> None:
        """From now on it works on another load."""
        self._number, self._shift = order.number, shift
        self.send(order)

    def send(self, request: Any) -> None:
        """One word to the worker; that it is dead is heard by its thread."""
        import pickle

        stream = self._process.stdin
        assert stream is not None  # noqa: S101 - made with pipes
        with self._lock, suppress(OSError, ValueError):
            pickle.dump(request, stream, 5)
            stream.flush()

    def give_up(self) -> None:
        """End it since it says nothing; its thread then gives back what it had."""
        if self.living and not self._given_up:
            self._given_up = True
            self._failures.append(NetworkError(f"a worker said nothing for {SILENCE:.0f} seconds", code="silent"))
            with suppress(OSError):
                self._process.kill()

    def end(self) -> None:
        """End it now, if it hasn't, and wait for that."""
        with suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what it was still to be told
                if stream is not None:
                    stream.close()

    def _listen(self) -> None:
        import pickle

        stream = self._process.stdout
        assert stream is not None  # noqa: S101 - made with pipes
        try:
            while self._hear(*pickle.load(stream)):  # noqa: S301 - from a process that we started
                pass
        except (EOFError, pickle.UnpicklingError, OSError, ValueError):
            pass  # it was killed, perhaps in the middle of a word
        finally:
            self.living = False
            if self._shift is not None and self._shares:  # given back first, so that nobody thinks that all is done
                self._shift.shares.give_back(set().union(*self._shares))
                self._shares.clear()

    def _hear(self, word: str, value: Any) -> bool:
        """Heed one word; False if it was the last."""
        shift = self._shift
        self.heard = monotonic()
        if word == "failed":
            error = unpacked(value)
            if shift is not None and error.exit_code in _FATAL and error.code != "uidvalidity_changed":
                shift.fatal = error
            if not isinstance(error, StoppedError):
                self._failures.append(error)
            return False
        if shift is None:
            return True
        match word:
            case "octets":
                shift.count(value)
            case "came":
                uids, packed = value
                shift.bring(packed)
                for share in self._shares:
                    share.difference_update(uids)
                while self._shares and not self._shares[0]:
                    self._drop_share()
            case "ready" if value == self._number:  # else for a load that was done before it was
                self._hand_out(shift)
            case "took":
                self._hand_out(shift)
            case "done":
                while self._done < value:
                    self._drop_share()  # what of it did not come is gone on the server
        return True

    def _drop_share(self) -> None:
        self._shares.popleft()
        self._done += 1

    def _hand_out(self, shift: Shift) -> None:
        self._taking = True  # before nothing is left, so that nobody thinks that all is done
        share = shift.shares.take()
        if share:
            self.heard = monotonic()
            self._shares.append(set(share))
        self._taking = False
        if share:
            self.send(share)
