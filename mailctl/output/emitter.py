"""Emits one result value: to a terminal, to a pipe, or as JSON. stdout carries data only; the rest goes to stderr."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from mailctl.domain.record import dataclass
from mailctl.domain.secret import mask, mask_own, mask_within
from mailctl.errors import ExitCode, MailctlError
from mailctl.output.escape import visible

if TYPE_CHECKING:
    from mailctl.output.progress import Count, Progress
    from mailctl.output.view import Table, View
    from mailctl.output.waiting import Waiting


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has to say.

    value: the result for programs, of the type that the command declares (`output.json.to_plain` can write it).
    view: the same for people; None shows nothing.
    records: shown to a pipe in place of `view`, where what people see is not one record a line.
    text: shown instead of a view, as it is, on stdout: for documents such as a schema; already safe to show.
    error: set where the command did its work but the answer is bad (a check failed): its exit code is the command's.
    notes, warnings: sentences for stderr.
    verdict: what --quiet shows in place of view and records; it says all that `told` could name.
    told: what the view says already, so that a terminal doesn't say it twice: the error's "message" and "hint", and the
        "warnings".
    """

    value: object
    view: "View | None" = None
    records: "Table | None" = None
    text: str = ""
    error: MailctlError | None = None
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    verdict: "View | None" = None
    told: Collection[str] = ()


class Emitter:
    """Writes outcomes, errors, notes and progress in the form that the streams call for."""

    def __init__(
        self, stdout: TextIO, stderr: TextIO, env: Mapping[str, str], *, json: bool = False, quiet: bool = False
    ) -> None:
        self.stdout, self.stderr, self._env = stdout, stderr, env
        self.json, self.quiet = json, quiet

    def outcome(self, command: str, outcome: Outcome) -> ExitCode:
        """Emit `outcome` of `command` ("gateway list"); returns the exit code that it stands for."""
        told: Collection[str] = ()
        if self.quiet and outcome.verdict is not None and not self.json:
            told = ("message", "hint") if outcome.told else ()
            outcome = replace(outcome, view=outcome.verdict, records=None)
        elif not self.json and self.is_terminal(self.stdout):
            told = outcome.told
        for warning in () if "warnings" in told else outcome.warnings:
            self.warn(warning)
        if self.json:
            self._write_json(command, outcome.value, outcome.error)
        else:
            if outcome.text:
                self.stdout.write(outcome.text + "\n")
            if outcome.view is not None:
                self._write_view(outcome.view, outcome.records)
            for note in outcome.notes:
                self.note(note)
        if outcome.error is None:
            return ExitCode.OK
        self.error(outcome.error, told)
        return outcome.error.exit_code

    def failure(self, command: str, error: MailctlError) -> ExitCode:
        """Emit an error that left no result; returns its exit code."""
        if self.json:
            self._write_json(command, None, error)
        self.error(error)
        return error.exit_code

    def error(self, error: MailctlError, told: Collection[str] = ()) -> None:
        """The error and its hint, for people; without the parts that they were told already."""
        if error.message and "message" not in told:
            self._say("error", error.message, "bad")
        if error.server_text:
            self._say("server said", mask(error.server_text), "dim")
        if error.hint and "hint" not in told:
            self._say("hint", error.hint, "strong")

    def warn(self, text: str) -> None:
        """A warning on stderr."""
        self._say("warning", text, "warn")

    def note(self, text: str) -> None:
        """A remark on stderr, left out with --quiet."""
        if self.quiet:
            return
        text = visible(mask_own(text))
        if self.is_terminal(self.stderr):
            from rich.text import Text

            from mailctl.output.terminal import console, sentence

            sentence(Text(text), console(self.stderr, colour=False))
        else:
            self.stderr.write(f"{text}\n")

    def ask(self, question: str, stdin: TextIO) -> str:
        """Put a question on stderr; returns the line that is typed behind it, "" if there is none."""
        self.stderr.write(f"{visible(mask_own(question))} ")
        self.stderr.flush()
        answer = ""
        try:
            answer = stdin.readline()
        finally:
            if not answer.endswith("\n"):  # Ctrl-C or Ctrl-D: the question's line ends before anything else is said
                self.stderr.write("\n")
        return answer

    def show(self, text: str, *, code: str = "") -> None:
        """What a person needs in order to go on: a link, or a code. On stderr, whole, whatever the options are.

        code: shown on a line of its own; large on a terminal.
        """
        lines = [visible(text)]
        if code:
            from shutil import get_terminal_size

            from mailctl.output.large import large

            big = large(code, get_terminal_size().columns) if self._redraws(self.stderr) else []
            drawn = ["", *big, *([""] if big else []), f"  {visible(code)}", ""]
            lines += drawn if self.is_terminal(self.stderr) else [visible(code)]
        self.stderr.write("\n".join(lines) + "\n")
        self.stderr.flush()

    def waiting(self, what: str) -> "Waiting":
        """A countdown on stderr; it shows nothing unless a person watches."""
        from mailctl.output.waiting import Waiting

        return Waiting(self.stderr, what, active=self._redraws(self.stderr) and not self.quiet)

    def stream(self, plain: str) -> None:
        """One line of data on stdout at once, for output without an end (`log --follow`); already safe to show."""
        self.stdout.write(f"{plain}\n")
        self.stdout.flush()

    def line(self, command: str, value: object, error: MailctlError | None = None) -> None:
        """One more JSON object, on a line of its own, at once: for commands that tell as they go (`watch`)."""
        self._write_json(command, value, error, one_line=True)
        self.stdout.flush()

    def progress(self) -> "Progress":
        """A progress display on stderr; it shows nothing unless a person watches."""
        from mailctl.output.progress import Progress

        return Progress(
            self.stderr, active=self._redraws(self.stderr) and not self.quiet, colour=self._colour(self.stderr)
        )

    def count(self, what: str, total: int) -> "Count":
        """A bar on stderr that counts up to `total` of `what`; it shows nothing unless a person watches."""
        from mailctl.output.progress import Count

        active = self._redraws(self.stderr) and not self.quiet
        return Count(self.stderr, what, total, active=active, colour=self._colour(self.stderr))

    def is_terminal(self, stream: TextIO) -> bool:
        """Whether a person reads `stream`, on a terminal that can do no more than print too."""
        return stream.isatty()

    def _redraws(self, stream: TextIO) -> bool:
        """Whether `stream` is a terminal that knows control sequences."""
        return stream.isatty() and self._env.get("TERM") != "dumb"

    def _colour(self, stream: TextIO) -> bool:
        if self._env.get("NO_COLOR"):
            return False
        if self._env.get("FORCE_COLOR", "0") not in ("", "0"):
            return True
        return self._redraws(stream)

    def _say(self, label: str, text: str, style: str) -> None:
        text = visible(mask_own(text))
        if self._colour(self.stderr):
            from rich.text import Text

            from mailctl.output.terminal import STYLES, console, sentence

            line = Text(f"{label}: ", style=STYLES[style])
            line.append(text)
            sentence(line, console(self.stderr, colour=True), wrap=self.is_terminal(self.stderr))
        else:
            self.stderr.write(f"{label}: {text}\n")

    def _write_view(self, view: "View", records: "Table | None" = None) -> None:
        from mailctl.output.plain import plain_lines
        from mailctl.output.view import tables

        for table in tables(view):
            if not table.rows and table.empty:
                self.note(table.empty)
        if self.is_terminal(self.stdout) or self._colour(self.stdout):
            from mailctl.output.terminal import console, draw

            draw(view, console(self.stdout, colour=self._colour(self.stdout)))
        else:
            for line in plain_lines(records or view):
                self.stdout.write(f"{line}\n")

    def _write_json(self, command: str, value: object, error: MailctlError | None, *, one_line: bool = False) -> None:
        from mailctl.output.json import dump, to_plain

        envelope = {
            "schema": f"mailctl.{command.replace(' ', '.') or 'mailctl'}/1",
            "ok": error is None,
            "result": mask_within(to_plain(value), mask_own),
            "error": None
            if error is None
            else {
                "code": error.code,
                "message": mask_own(error.message),
                "hint": mask_own(error.hint),
                "cause": error.cause,
                "exit_code": int(error.exit_code),
                "server_text": mask(error.server_text),
            },
        }
        indent = 2 if self.is_terminal(self.stdout) and not one_line else None
        utf8 = (getattr(self.stdout, "encoding", None) or "utf-8").lower() == "utf-8"
        self.stdout.write(dump(envelope, indent=indent, ascii_only=not utf8) + "\n")
