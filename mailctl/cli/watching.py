"""What `mailctl watch` is made of: jobs from the configuration, signals, events for people and programs, heartbeat."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from mailctl.cli.context import Context
from mailctl.cli.garbage import working
from mailctl.cli.sync_jobs import chosen, job_of, today
from mailctl.domain.event import Event, Level
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, ExitCode, LockedError, MailctlError, NotFoundError, StoppedError

if TYPE_CHECKING:
    from mailctl.sync.job import SyncJob
    from mailctl.sync.report import Failure
    from mailctl.sync.run import Tools
    from mailctl.sync.watch.plan import Standing
    from mailctl.sync.watch.watcher import Watcher, WatchTools

_LOGGED = frozenset({"watch.began", "watch.ended", "watch.reloaded", "watch.woke"})
"""Events that go into the mailer log beside warnings and errors; syncs write there themselves."""
_SWITCHED_OFF = frozenset({"disabled", "inbound_disabled", "not_found"})
_PASSING = frozenset(
    {"temp_unavailable", "provider_fault", "server_bug", "too_many_connections", "limit_reached", "mailbox_in_use"}
)
"""Causes of a refused sign-in that have nothing to do with the password."""


class Watching:
    """One run of the command. names: given on the command line. command: what runs after changes, or ()."""

    def __init__(
        self, context: Context, names: Sequence[str], every: bool, parallel: int, command: Sequence[str]
    ) -> None:
        from mailctl.cli.heart import Heart
        from mailctl.sync.watch.locks import WatchLocks

        self._context, self._names, self._every = context, list(names), every
        self._parallel, self._command = parallel, command
        since = context.now().strftime("%Y-%m-%d %H:%M UTC")
        self._who = f"process {os.getpid()} on {os.uname().nodename}, since {since}"
        self._locks = WatchLocks(context.paths.state / "watch", lambda: self._who)
        self._heart = Heart(context)
        self._jobs: dict[str, SyncJob] = {}
        self._ran: SimpleQueue[tuple[list[str], str]] = SimpleQueue()
        self._asked: list[int] = []
        self._unheard = False
        self._hints: set[str] = set()

    def run(self) -> None:
        """Watch until a signal says to end; the exit code is then the context's."""
        from mailctl.sync.watch.hook import Hook
        from mailctl.sync.watch.watcher import Watcher

        with ExitStack() as stack:
            jobs = self._load(first=True)
            self._context.unlock_for(job.gateway for job in jobs)  # a thread that asks hears no Ctrl-C
            _make_room(len(jobs))
            stack.callback(self._locks.close)
            self._locks.take_all(job.name for job in jobs)
            self._heart.begin()
            stack.callback(self._heart.close)
            hook = Hook(self._command, self._context.child_env, self._told_by_hook) if self._command else None
            changed = hook.offer if hook else _nothing
            watcher = self._watcher = Watcher(self._tools(changed), self._parallel, self._reload)
            stack.enter_context(_Signals(watcher, self._asked))
            self._jobs = {job.name: job for job in jobs}
            watcher.replace_jobs(jobs)
            self._tell("watch.began", f"watching {counted(len(jobs), 'gateway')}", fields={"gateways": [*self._jobs]})
            working()
            watcher.run()
            self._heart.ending()
            if hook:
                hook.close()
            self._take_told()
        self._ended()

    def _ended(self) -> None:
        import signal

        stopped = StoppedError("interrupted") if self._asked[:1] == [signal.SIGINT] else None
        self._tell("watch.ended", "ended", error=stopped)
        if self._unheard:
            raise BrokenPipeError
        if stopped is not None:
            self._context.exit_code = ExitCode.INTERRUPTED

    # -- configuration

    def _load(self, *, first: bool = False) -> "list[SyncJob]":
        """The jobs of the gateways that are meant.

        Of what can't be read: the first time, errors of gateways that were named are raised; later, the job that was
        good before stays.
        """
        context = self._context
        if first and not self._every:
            self._names = [gateway.name for gateway in chosen(context, self._names, False)[0]]
            return [job_of(context, context.config.gateway(name)) for name in self._names]
        jobs: dict[str, SyncJob] = {}
        for name in context.config.gateway_names() if self._every else self._names:
            try:
                jobs[name] = job_of(context, context.config.gateway(name))
            except ConfigError as error:
                if error.code in _SWITCHED_OFF:
                    if not self._every:
                        context.emitter.warn(f"{name} is not watched: {error.message}")
                    continue
                context.emitter.warn(f"{name}: {error.message}")
                if name in self._jobs:
                    jobs[name] = self._jobs[name]
        if first and not jobs:
            raise NotFoundError("There is no gateway to watch", hint="`mailctl gateway add` makes one.")
        return list(jobs.values())

    def _reload(self, watcher: "Watcher") -> None:
        """Read the configuration again. Called in the watch's thread."""
        self._heart.reloading()
        self._context.reread()
        try:
            jobs = self._load()
        except MailctlError as error:  # config.toml itself, or the folder: all goes on as before
            self._context.emitter.error(error)
            jobs = list(self._jobs.values())
        wanted = {job.name: job for job in jobs}
        for name in wanted.keys() - self._jobs.keys():
            try:
                self._locks.take(name)
            except LockedError as error:
                self._context.emitter.warn(error.message)
                del wanted[name]
        for name in self._jobs.keys() - wanted.keys():
            self._locks.release(name)
        self._jobs = wanted
        watcher.replace_jobs(list(wanted.values()))
        text = f"the configuration was read again; watching {counted(len(wanted), 'gateway')}"
        self._tell("watch.reloaded", text, fields={"gateways": [*wanted]})

    # -- what the watcher is handed

    def _tools(self, changed: Callable[[str], None]) -> "WatchTools":
        import random
        import time

        from mailctl.sync.watch.watcher import WatchTools

        context = self._context
        return WatchTools(
            tools=self._sync_tools,
            current=lambda job: today(context, job),
            monotonic=time.monotonic,
            clock=time.time,
            luck=random.random,
            passing=self._passing,
            tell=self._tell,
            changed=changed,
            beat=self._beat,
        )

    def _sync_tools(self) -> "Tools":
        """What one sync is handed; each is a run of its own in the mailer log."""
        import time

        from mailctl.sync.run import Tools

        context = self._context
        recorder, who = context.new_recorder(), lambda: self._who
        return Tools(context, recorder, time.time, who, stop=context.stop, workers=context.workers)

    def _passing(self, job: "SyncJob", failure: "Failure") -> bool:
        """Whether the server's words on a refused sign-in are known, for sure, to mean something that passes."""
        from mailctl.diagnosis.matcher import judge
        from mailctl.diagnosis.verdict import Evidence

        known = Evidence(
            job.protocol.value, "authenticate", job.provider, failure.server_text, exit_code=failure.exit_code
        )
        verdict = judge(known, self._context.knowledge)
        return verdict.confidence == "high" and verdict.cause in _PASSING

    def _beat(self, standings: "Mapping[str, Standing]") -> float:
        self._take_told()
        return self._heart.beat(standings)

    def _told_by_hook(self, gateways: list[str], problem: str) -> None:
        """Called in the hook's thread."""
        self._ran.put((gateways, problem))
        with suppress(OSError):  # the watch has ended meanwhile
            self._watcher.wake()

    def _take_told(self) -> None:
        while True:
            try:
                gateways, problem = self._ran.get_nowait()
            except Empty:
                return
            name = os.path.basename(self._command[0])
            fields = {"gateways": gateways}
            if problem:
                self._tell("watch.command.failed", f"the command {name!r} {problem}", Level.WARNING, fields=fields)
            else:
                self._tell("watch.command.done", f"{name} ran after changes of {', '.join(gateways)}", fields=fields)

    # -- telling

    def _tell(
        self,
        event: str,
        message: str,
        level: Level = Level.INFO,
        gateway: str = "",
        fields: Mapping[str, object] | None = None,
        error: MailctlError | None = None,
    ) -> None:
        """One event: a line for people, or an object for programs; what matters later goes into the mailer log too."""
        context, fields = self._context, fields or {}
        recorder, emitter = context.recorder, context.emitter
        if level in (Level.WARNING, Level.ERROR):
            error = _as_error(message, fields)
        if event in _LOGGED or error is not None:
            recorder.record(event, message, level=level, gateway=gateway, protocol="", **dict(fields))
        now = context.now()
        if emitter.json and not self._unheard:
            try:
                told = Event(now, recorder.run, event, message, level, gateway, fields=fields)
                emitter.line(context.command, told, error)
            except BrokenPipeError:  # whoever wanted to know has gone
                self._unheard = True
                self._watcher.stop()
        with suppress(BrokenPipeError):  # for people, who may not look
            line = f"{now.astimezone():%H:%M:%S} {gateway or 'watch'}: {message}"
            if level is Level.ERROR and error is not None:
                emitter.error(MailctlError(line, hint=error.hint, server_text=error.server_text))
            elif level is Level.WARNING:
                emitter.warn(line)
                if error is not None and error.exit_code is ExitCode.SECRET and error.hint not in self._hints:
                    self._hints.add(error.hint)  # said once: it is tried again and again
                    emitter.error(MailctlError("", hint=error.hint))
            elif not emitter.json:
                emitter.note(line)


def _as_error(message: str, fields: Mapping[str, object]) -> MailctlError:
    """The error object of a JSON line."""
    words = {key: str(fields.get(key, "")) for key in ("code", "cause", "hint", "server_text")}
    error = MailctlError(message, **words)  # type: ignore[arg-type]  # texts, all of them
    with suppress(ValueError, TypeError):  # a command that failed has no such code
        error.exit_code = ExitCode(int(str(fields.get("exit_code", 1))))
    return error


def _make_room(gateways: int) -> None:
    """Let the process have as many files open as so many gateways need. ConfigError if it may not."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 256 + 8 * gateways  # a connection and a lock each; more while it is synced
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if most < 64 + 3 * gateways:
        raise ConfigError(
            f"{counted(gateways, 'gateway')} need about {64 + 3 * gateways} open files, and {most} are allowed",
            hint="Raise the limit (`ulimit -n`, or LimitNOFILE= of a service), or watch them in several processes.",
            code="too_many_files",
        )
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(ValueError, OSError):  # then as many as go
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _nothing(gateway: str) -> None:
    """What is done after changes where no command was given."""


class _Signals:
    """SIGTERM and SIGINT end the watch, a second one at once; SIGHUP lets it read the configuration again.

    asked: gets the signals that came. In another thread than the main one nothing happens: Python permits none there.
    """

    def __init__(self, watcher: "Watcher", asked: list[int]) -> None:
        self._watcher, self._asked = watcher, asked
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        import signal
        import threading

        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._end)
            self._before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: self._watcher.wake(reload=True))
        return self

    def _end(self, number: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked.append(number)
        self._watcher.stop()

    def __exit__(self, *_: object) -> None:
        import signal

        for number, handler in self._before.items():
            signal.signal(number, handler)
