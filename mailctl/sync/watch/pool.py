"""A bounded number of threads that carry out work; what came of it is fetched by the one thread that decides."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Pool(Generic[T]):
    """Threads, started when first needed, that end with the process: one may wait for a server that says nothing.

    wake: called by a thread that has put a result.
    """

    def __init__(self, most: int, wake: Callable[[], None]) -> None:
        self._most, self._wake = most, wake
        self._work: SimpleQueue[tuple[str, Callable[[], T]]] = SimpleQueue()
        self._results: SimpleQueue[tuple[str, T]] = SimpleQueue()
        self._threads = 0
        self.busy = 0
        """Pieces of work whose result was not fetched yet."""

    @property
    def free(self) -> bool:
        """Whether work that is given now is begun now."""
        return self.busy < self._most

    def give(self, name: str, work: Callable[[], T]) -> None:
        """Carry out `work`, which never raises."""
        self.busy += 1
        self._work.put((name, work))
        if self._threads < min(self.busy, self._most):
            self._threads += 1
            Thread(target=self._run, name=f"sync {self._threads}", daemon=True).start()

    def results(self) -> list[tuple[str, T]]:
        """What has ended since the last call: names and results."""
        found = []
        while True:
            try:
                found.append(self._results.get_nowait())
            except Empty:
                self.busy -= len(found)
                return found

    def _run(self) -> None:
        while True:
            name, work = self._work.get()
            self._results.put((name, work()))
            self._wake()
