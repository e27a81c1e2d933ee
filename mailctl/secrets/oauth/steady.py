"""Work that Ctrl-C doesn't cut in two: a token that came must be kept before anything else happens."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def steadily(work: Callable[[], T]) -> T:
    """What `work` returns or raises. It runs in a thread of its own, and an interrupt is raised once it is done."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="token") as pool:
        return pool.submit(work).result()
