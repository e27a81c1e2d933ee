"""What a command is run in: streams, environment, clock, paths, options, and factories of the adapters.

Together with `context_secrets` the only module that builds adapters. Each is built when first asked for, so that a
command pays for what it uses.
"""

import os
from collections.abc import Callable, Mapping
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, TextIO

from mailctl.cli.context_secrets import Secrets
from mailctl.cli.paths import Paths, find_paths
from mailctl.cli.signing_in import signed_in
from mailctl.errors import ExitCode, UsageError
from mailctl.output.emitter import Emitter, Outcome

if TYPE_CHECKING:
    from datetime import datetime

    import typer

    from mailctl.cli.context_secrets import KeyringFactory
    from mailctl.cli.worker import WorkerProcesses
    from mailctl.config.store import ConfigStore
    from mailctl.diagnosis.knowledge import Knowledge
    from mailctl.domain.check import CheckJob, Session
    from mailctl.domain.deadline import Deadline
    from mailctl.domain.discovery import Discovery, Getter
    from mailctl.domain.look import Looks
    from mailctl.domain.mailbox import ImapMailbox, PopMailbox
    from mailctl.domain.probe import Lines, ProbeTools
    from mailctl.domain.secret import Secret
    from mailctl.journal.recorder import JournalRecorder
    from mailctl.journal.store import Journal
    from mailctl.protocols.http import Resolve
    from mailctl.protocols.wire import Wire
    from mailctl.sync.job import SyncJob


class Context(Secrets):
    """One command's world; commands get it by `Context.of(ctx)`."""

    def __init__(
        self,
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
        env: Mapping[str, str],
        *,
        keyring: "KeyringFactory | None" = None,
    ) -> None:
        """keyring: makes the keyring to use instead of the system's."""
        self.stdin, self.stdout, self.stderr, self.env = stdin, stdout, stderr, env
        self._make_keyring = keyring or self._system_keyring
        self.command = ""
        self.exit_code = ExitCode.OK
        self.stop = Event()
        """Set when the user wants an end: syncs, and the connections that are made here, heed it."""
        self.debug = False
        self.no_input = False
        self._json = False
        self._quiet = False
        self._config_dir = env.get("MAILCTL_CONFIG_DIR", "")
        self._state_dir = env.get("MAILCTL_STATE_DIR", "")

    @staticmethod
    def of(ctx: "typer.Context") -> "Context":
        """The context of a running command; notes the command's name for the output."""
        context = ctx.obj
        assert isinstance(context, Context)  # run_command passes it in  # noqa: S101
        context.command = ctx.command_path.removeprefix("mailctl").strip()
        return context

    def set_option(self, name: str | None, value: object) -> None:
        """Take one of the common options; a later one wins."""
        match name:
            case "json":
                self._json = True
            case "quiet":
                self._quiet = True
            case "debug":
                self.debug = True
            case "no_input":
                self.no_input = True
            case "config_dir":
                self._config_dir = str(value)
            case "state_dir":
                self._state_dir = str(value)
        for made in ("emitter", "paths", "config", "_servers", "journal", "encrypted"):  # each depends on an option
            self.__dict__.pop(made, None)

    @cached_property
    def emitter(self) -> Emitter:
        """Where results, notes and progress go."""
        return Emitter(self.stdout, self.stderr, self.env, json=self._json, quiet=self._quiet)

    @cached_property
    def paths(self) -> Paths:
        """Where files live."""
        return find_paths(self.env, self._config_dir, self._state_dir)

    def now(self) -> "datetime":
        """The moment, aware, in UTC."""
        from datetime import UTC, datetime

        return datetime.now(UTC)

    @cached_property
    def config(self) -> "ConfigStore":
        """Servers, gateways and settings."""
        from mailctl.config.store import ConfigStore

        return ConfigStore(self.paths.config, self.oauth_services)

    def discover(self, email: str, seconds: float) -> "Discovery":
        """All that can be found out about the mail service of an address within `seconds`; see `domain.discovery`."""
        from mailctl.domain.address import parse_address
        from mailctl.domain.deadline import Deadline
        from mailctl.protocols.dns import Dns
        from mailctl.protocols.idn import a_labels
        from mailctl.providers.discovery import discover

        nameserver = self.config.settings.nameserver
        address, dns = parse_address(email), Dns(nameserver)
        http = self.http(dns.addresses if nameserver else None)
        return discover(address, a_labels(address.domain), dns, http, Deadline(seconds))

    def http(self, find: "Resolve | None" = None) -> "Getter":
        """Fetches small documents. find: gives the addresses of hosts; None: as for all other connections."""
        from mailctl.domain.server import CertificatePolicy
        from mailctl.protocols.http import Http

        policy = CertificatePolicy(minimum_tls=self.config.settings.limits.minimum_tls)
        return Http(policy, find) if find else Http(policy)

    @cached_property
    def journal(self) -> "Journal":
        """The mailer log."""
        from mailctl.journal.store import Journal

        return Journal(self.paths.state / "journal.db")

    @cached_property
    def recorder(self) -> "JournalRecorder":
        """Where this command's events go; one run a command."""
        return self.new_recorder()

    def new_recorder(self) -> "JournalRecorder":
        """Where the events of one more run go, for a command that makes several."""
        from mailctl.domain.event import new_run_id
        from mailctl.journal.recorder import JournalRecorder

        run = new_run_id(self.now(), os.urandom(3).hex())
        keep_days = self.config.settings.log_keep_days
        return JournalRecorder(lambda: self.journal, run, self.now, keep_days, self.emitter.warn)

    @cached_property
    def knowledge(self) -> "Knowledge":
        """The failure knowledge, the user's own entries first; a broken one is left out with a warning."""
        from mailctl.diagnosis.knowledge import load_knowledge

        folder, shipped = self.paths.config / "failures.d", load_knowledge()
        if not folder.is_dir():
            return shipped
        from mailctl.cli.own_failures import read_own_failures
        from mailctl.diagnosis.own import with_own

        knowledge, problems = with_own(shipped, *read_own_failures(folder))
        for problem in problems:
            self.emitter.warn(str(problem))
        return knowledge

    def open_session(self, job: "CheckJob", secret: "Secret", deadline: "Deadline") -> "tuple[Session, Lines]":
        """A session for a check, not connected yet, and a way to read its transcript (empty unless the job traces)."""
        from mailctl.protocols.sessions import open_session

        return open_session(job, secret, deadline)

    @staticmethod
    def probe_tools() -> "ProbeTools":
        """What probes are sent and found with."""
        from mailctl.protocols.sessions import probe_tools

        return probe_tools()

    @cached_property
    def looks(self) -> "Looks":
        """What may be looked at once more when a check has failed."""
        from mailctl.protocols.dns import Dns
        from mailctl.protocols.ports import see_ports
        from mailctl.providers.surroundings import Surroundings

        nameserver = self.config.settings.nameserver
        return Surroundings(see_ports, Dns(nameserver), private=bool(nameserver))

    @staticmethod
    def tls_library() -> str:
        """The TLS library in use, with its version."""
        from mailctl.protocols.version import tls_library

        return tls_library()

    @staticmethod
    def prepare_dial() -> None:
        """Import what `dial` needs."""
        import mailctl.protocols.dialed  # noqa: F401

    def dial(self, job: "SyncJob") -> "Wire":
        """A connection on which nothing was said yet."""
        from mailctl.protocols.dialed import dial

        return dial(job.endpoint, job.timeout, self.stop)

    def prepare_imap(self) -> None:
        """Import what signs in besides."""
        import mailctl.protocols.imap.session  # noqa: F401

        _ = self.secrets

    @staticmethod
    def prepare_mailbox() -> None:
        """Import what is signed in to, and what reads messages."""
        import mailctl.protocols.imap.mailbox
        import mailctl.protocols.imap.visits  # noqa: F401

    def open_imap(self, job: "SyncJob") -> "ImapMailbox":
        """A signed-in IMAP connection for a sync."""
        return signed_in(self.secret_of(job), lambda secret: self.sign_in(job, secret, self.stop))

    @staticmethod
    def sign_in(job: "SyncJob", secret: "Secret", stop: Event, dialed: "Wire | None" = None) -> "ImapMailbox":
        """The same for whoever has the secret already, and perhaps a connection (see `dial`)."""
        from mailctl.protocols.imap.session import open_imap

        user, plain, seconds = job.gateway.login_for(job.protocol).user, job.gateway.allow_plaintext, job.timeout
        return open_imap(job.endpoint, user, secret, allow_plaintext=plain, timeout=seconds, stop=stop, dialed=dialed)

    def secret_of(self, job: "SyncJob") -> "Callable[[str], Secret]":
        """The secret of a job's login; given the digest of a token that was refused, another."""
        return lambda refused: self.secrets.for_login(job.gateway, job.protocol, refused=refused)

    @cached_property
    def workers(self) -> "WorkerProcesses":
        """The processes that help a sync."""
        import os

        from mailctl.cli.worker import WorkerProcesses

        def secret(job: "SyncJob") -> "Secret":
            return self.secret_of(job)("")

        def allowed(job: "SyncJob") -> int | None:
            from mailctl.domain.limits import connections_allowed

            provider = self.provider(self.server(job.gateway.server))
            published = provider.limits.imap_connections if provider else None
            return connections_allowed(self.config.settings.limits, published)

        def environment() -> Mapping[str, str]:
            from mailctl.secrets.sources import child_env

            return child_env(self.env, self._secret_variables())

        return WorkerProcesses(secret, allowed, environment, most=max(2, os.cpu_count() or 1))

    def open_pop3(self, job: "SyncJob") -> "PopMailbox":
        """A signed-in POP3 connection for a sync."""
        from mailctl.domain.deadline import Deadline
        from mailctl.protocols.pop3_mailbox import open_pop3

        user, plain = job.gateway.login_for(job.protocol).user, job.gateway.allow_plaintext

        def opened(secret: "Secret") -> "PopMailbox":
            deadline = Deadline(job.timeout)
            return open_pop3(job.endpoint, user, secret, deadline, allow_plaintext=plain, stop=self.stop)

        return signed_in(self.secret_of(job), opened)

    def supervisor(self) -> "Callable[[str], None]":
        """Tells the service manager how it goes (`READY=1`), if one started us."""
        from mailctl.protocols.supervisor import supervisor

        return supervisor(self.env.get("NOTIFY_SOCKET", ""))

    def reread(self) -> None:
        """Forget what was read of the configuration, and what password commands answered."""
        for made in ("config", "_servers", "secrets", "tokens"):
            self.__dict__.pop(made, None)

    def emit(self, outcome: Outcome) -> None:
        """Emit the command's result; its exit code becomes the process's."""
        self.exit_code = self.emitter.outcome(self.command, outcome)

    @property
    def interactive(self) -> bool:
        """Whether a question can be asked: a person at the terminal, and no --no-input."""
        return not self.no_input and self.stdin.isatty() and self.stderr.isatty()

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask a yes-or-no question; `yes` (the --yes option) answers it.

        Raises UsageError if nobody can be asked: with --no-input, or without a terminal.
        """
        if yes:
            return True
        if not self.interactive:
            raise UsageError(
                f"{question} needs an answer, and there is nobody to ask", hint="Add --yes to agree.", code="no_input"
            )
        return self.emitter.ask(f"{question} [y/N]", self.stdin).strip().lower() in ("y", "yes")
