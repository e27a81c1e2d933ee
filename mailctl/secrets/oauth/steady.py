"""Work that no interrupt, no end of the command cuts in two: a token that came is kept before anything else happens."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def steadily(work: Callable[[], T]) -> T:
    """What `work` returns or raises. An interrupt is raised once it is done, and the process doesn't end before.

    It runs in a thread of its own that isn't a daemon, whatever the one is that asks: the interpreter waits for it.
    """
    answers: SimpleQueue[tuple[T] | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            answers.put((work(),))
        except BaseException as error:  # noqa: BLE001 - raised where the work was asked for
            answers.put(error)

    thread = Thread(target=run, name="token", daemon=False)
    thread.start()
    interrupt: BaseException | None = None
    while True:
        try:
            answer = answers.get()  # not `join`: Python 3.11 takes a thread for ended where Ctrl-C interrupts that
            break
        except BaseException as error:  # noqa: BLE001 - Ctrl-C, raised below
            interrupt = error
    thread.join()
    if interrupt is not None:
        raise interrupt
    if isinstance(answer, BaseException):
        raise answer
    return answer[0]
