"""Many checks side by side, in threads: results in order, each with a hard deadline, Ctrl-C at once."""

from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from mailctl.diagnosis.knowledge import Knowledge
from mailctl.diagnosis.ladder import Climb, OpenSession, SecretResolver
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.look import Looks

GRACE = 1.0
"""Seconds that a check may take beyond its timeout before it is given up; what hangs on dies with the process."""
_LOOK_UP = 0.5
"""Seconds between two looks at the clock."""


def run_checks(
    jobs: Sequence[CheckJob],
    open_session: OpenSession,
    secret: SecretResolver,
    knowledge: Callable[[], Knowledge],
    parallel: int = 8,
    on_report: Callable[[CheckReport], None] | None = None,
    looks: Looks | None = None,
    on_wait: Callable[[Sequence[Climb]], None] | None = None,
) -> list[CheckReport]:
    """Carry out `jobs`, at most `parallel` at a time, and return their reports in the order of `jobs`.

    Never two at a time with the same login on the same endpoint: servers count parallel sign-ins. on_report: called
    in this thread with each report as it comes. looks: carries out second looks at what failed. on_wait: called
    with those on their way while none ends. KeyboardInterrupt passes at once.
    """
    waiting = list(range(len(jobs)))
    running: dict[int, tuple[Climb, float]] = {}
    reports: dict[int, CheckReport] = {}
    ended: SimpleQueue[tuple[int, CheckReport]] = SimpleQueue()

    def keep(number: int, report: CheckReport) -> None:
        if running.pop(number, None) is not None:  # given up before: too late
            reports[number] = report
            if on_report:
                on_report(report)

    while waiting or running:
        for number in _startable(waiting, jobs, {_login(jobs[n]) for n in running}, parallel - len(running)):
            waiting.remove(number)
            climb = Climb(jobs[number], open_session, secret, knowledge, looks=looks)
            running[number] = (climb, monotonic() + jobs[number].timeout + GRACE)
            Thread(target=_climb, args=(number, climb, ended), daemon=True, name=f"check-{number}").start()
        try:
            keep(*ended.get(timeout=_LOOK_UP))
        except Empty:
            now = monotonic()
            if on_wait:
                on_wait([climb for climb, _ in running.values()])
            for number in [number for number, (_, end) in running.items() if end < now]:
                keep(number, running[number][0].overdue())
    return [reports[number] for number in range(len(jobs))]


def _climb(number: int, climb: Climb, ended: "SimpleQueue[tuple[int, CheckReport]]") -> None:
    ended.put((number, climb.run()))


def _login(job: CheckJob) -> tuple[str, str, int]:
    return job.login.user.lower(), job.endpoint.host.lower(), job.endpoint.port


def _startable(
    waiting: Sequence[int], jobs: Sequence[CheckJob], busy: set[tuple[str, str, int]], free: int
) -> list[int]:
    """The jobs to start now: the first ones waiting whose login is not busy, at most `free`."""
    chosen: list[int] = []
    for number in waiting:
        if len(chosen) >= free:
            break
        login = _login(jobs[number])
        if login not in busy:
            busy = busy | {login}
            chosen.append(number)
    return chosen
