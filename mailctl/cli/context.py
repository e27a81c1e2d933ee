"""What a command is run in: streams, environment, clock, paths, options, and factories of the adapters.

The only module that builds adapters. Each is built when first asked for, so that a command pays for what it uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from mailctl.errors import ExitCode, UsageError
from mailctl.output.emitter import Emitter, Outcome

if TYPE_CHECKING:
    from datetime import datetime

    import typer

    from mailctl.journal.recorder import JournalRecorder
    from mailctl.journal.store import Journal


@dataclass(frozen=True, slots=True)
class Paths:
    """Where files live: configuration, state (sync state, mailer log), data (mail)."""

    config: Path
    state: Path
    data: Path


class Context:
    """One command's world; commands get it by `Context.of(ctx)`."""

    def __init__(self, stdin: TextIO, stdout: TextIO, stderr: TextIO, env: Mapping[str, str]) -> None:
        self.stdin, self.stdout, self.stderr, self.env = stdin, stdout, stderr, env
        self.command = ""
        self.exit_code = ExitCode.OK
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
        self.__dict__.pop("emitter", None)
        self.__dict__.pop("paths", None)

    @cached_property
    def emitter(self) -> Emitter:
        """Where results, notes and progress go."""
        return Emitter(self.stdout, self.stderr, self.env, json=self._json, quiet=self._quiet)

    @cached_property
    def paths(self) -> Paths:
        """XDG places (by platformdirs), or what options and environment say."""

        def place(variable: str, fallback: str) -> Path:
            base = self.env.get(variable, "")
            if base.startswith("/"):
                return Path(base) / "mailctl"
            return Path(self.env.get("HOME") or Path.home()) / fallback / "mailctl"

        return Paths(
            config=Path(self._config_dir) if self._config_dir else place("XDG_CONFIG_HOME", ".config"),
            state=Path(self._state_dir) if self._state_dir else place("XDG_STATE_HOME", ".local/state"),
            data=place("XDG_DATA_HOME", ".local/share"),
        )

    def now(self) -> "datetime":
        """The moment, aware, in UTC."""
        from datetime import UTC, datetime

        return datetime.now(UTC)

    @cached_property
    def journal(self) -> "Journal":
        """The mailer log."""
        from mailctl.journal.store import Journal

        return Journal(self.paths.state / "journal.db")

    @cached_property
    def _recorder(self) -> "JournalRecorder":
        import secrets

        from mailctl.domain.event import new_run_id
        from mailctl.domain.settings import Settings
        from mailctl.journal.recorder import JournalRecorder

        run = new_run_id(self.now(), secrets.token_hex(3))
        return JournalRecorder(self.journal, run, self.now, Settings().log_keep_days, self.emitter.warn)

    def recorder(self) -> "JournalRecorder":
        """Where this command's events go; one run a command."""
        return self._recorder

    def emit(self, outcome: Outcome) -> None:
        """Emit the command's result; its exit code becomes the process's."""
        self.exit_code = self.emitter.outcome(self.command, outcome)

    @property
    def interactive(self) -> bool:
        """Whether a question can be asked: a person at the terminal, and no --no-input."""
        return not self.no_input and self.stdin.isatty() and self.stderr.isatty()

    def confirm(self, question: str, *, yes: bool) -> bool:
        """Ask a yes-or-no question; `yes` (the --yes option) answers it. Raises UsageError if nobody can be asked."""
        if yes:
            return True
        if not self.interactive:
            raise UsageError(
                f"{question} needs an answer, and there is nobody to ask", hint="Add --yes to agree.", code="no_input"
            )
        self.stderr.write(f"{question} [y/N] ")
        self.stderr.flush()
        return self.stdin.readline().strip().lower() in ("y", "yes")
