"""`mailctl demo`: the main job on embedded servers; each step is the command a user would type, then its output."""

import io
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.domain.record import dataclass
from mailctl.errors import ExitCode, MailctlError, UsageError
from mailctl.output.emitter import Outcome

if TYPE_CHECKING:
    from mailctl.demo.server import EmbeddedMail

app = App()

ADDRESS = "anna@demo.example"


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One command of the demo. output: what it printed, with --json only (elsewhere it was shown at once)."""

    command: str
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did."""

    steps: tuple[DemoStep, ...]


RESULTS: dict[str, Any] = {"demo": Demo}


@app.verb()
def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the servers up and say how to go on by hand.")] = False,
) -> None:
    """Run the main job on embedded servers: no account, no set-up, nothing left behind."""
    context = Context.of(ctx)
    with _stage(context) as stage:
        stage.play()
        context.emit(Outcome(Demo(tuple(stage.steps))))
        if keep:
            stage.keep()


@contextmanager
def _stage(context: Context) -> "Iterator[_Stage]":
    """Temporary folders and running servers."""
    from importlib.util import find_spec
    from secrets import token_urlsafe
    from tempfile import TemporaryDirectory

    from mailctl.domain.secret import Secret

    for package in ("aiosmtpd", "cryptography", "pymap"):
        if find_spec(package) is None:
            raise UsageError(
                f"the demo needs the package {package}, which isn't installed",
                hint="Install the extra, in a clone of the project: pip install '.[demo]'",
                code="extra_missing",
            )
    from mailctl.demo.certificates import make_certificates
    from mailctl.demo.server import EmbeddedMail, Mailbox

    with TemporaryDirectory(prefix="mailctl-demo-") as folder:
        password = Secret(token_urlsafe(12))
        authority, certificate = make_certificates(Path(folder))
        with EmbeddedMail(Mailbox(ADDRESS, password), certificate) as mail:
            yield _Stage(context, Path(folder), mail, authority, password.reveal())


class _Stage:
    """Plays the steps."""

    def __init__(self, context: Context, folder: Path, mail: "EmbeddedMail", authority: Path, password: str) -> None:
        self._context, self._folder, self._mail, self._authority = context, folder, mail, authority
        self._password = password
        self._keyring = context.memory_keyring()
        self.steps: list[DemoStep] = []
        self.places = {
            "MAILCTL_CONFIG_DIR": str(folder / "config"),
            "MAILCTL_STATE_DIR": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
        }

    def play(self) -> None:
        """The main job, from an address to a synced, logged mailbox."""
        for message, where, flags in _mail():
            self._mail.deliver(message, where, flags)
        imap, smtp = f"localhost:{self._mail.imap_port}", f"localhost:{self._mail.smtp_port}"
        self._say("A server: where IMAP and SMTP answer, and whose certificates to believe.")
        self._run(f"server add demo --imap {imap} --smtp {smtp} --ca-file {shlex.quote(str(self._authority))}")
        self._say("A gateway: one mailbox on it. The password that is typed here is wrong.")
        self._run(f"gateway add anna --server demo --email {ADDRESS} --password-stdin", typed="correct horse")
        self._say("Does it work? If not, why not?")
        self._run("test anna --imap", expect=ExitCode.AUTH)
        self._say("The right password, both protocols, and a message to itself: does mail arrive?")
        self._run("gateway password set anna --password-stdin", typed=self._password)
        self._run("test anna --send")
        self._say("Bring the mail down.")
        self._run("sync anna")
        self._say("One more message arrives.")
        self._mail.deliver(_message("Lunch?", "Tomorrow at noon?"))
        self._run("sync anna")
        self._say("What was done, and where things stand.")
        self._run("log")
        self._run("status")

    def keep(self) -> None:
        """Leave all as it is until Ctrl-C, usable from another terminal."""
        import time

        file = self._folder / "password"
        file.touch(mode=0o600)
        file.write_text(self._password)
        self._run(f"gateway password source anna --password-file {shlex.quote(str(file))}")
        exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in self.places.items())
        self._say(
            f"The servers stay up until Ctrl-C. In another terminal:\n\n  export {exports}\n  mailctl test anna\n"
        )
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:  # as it was asked for
            self._say("The servers are down, and everything is removed.")

    def _run(self, words: str, *, typed: str = "", expect: ExitCode = ExitCode.OK) -> None:
        """Run `mailctl WORDS`; `typed` comes on stdin. Raises MailctlError if it ends otherwise than expected."""
        from mailctl.cli.run import run_command

        context = self._context
        quiet = context.emitter.json
        out = io.StringIO() if quiet else context.stdout
        err = io.StringIO() if quiet else context.stderr
        if not quiet:
            context.stdout.write(f"$ mailctl {words}\n")
            context.stdout.flush()
        env = {**context.env, **self.places}
        code = run_command(shlex.split(words), io.StringIO(typed), out, err, env, keyring=self._keyring)
        context.stdout.flush()
        context.stderr.flush()
        output = out.getvalue() if isinstance(out, io.StringIO) else ""
        self.steps.append(DemoStep(f"mailctl {words}", code, output))
        if code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        if code != expect:
            raise MailctlError(f"`mailctl {words}` ended with {code}, not {int(expect)}", code="demo_failed")

    def _say(self, text: str) -> None:
        if not self._context.emitter.json:
            self._context.stdout.write(f"\n# {text}\n")
            self._context.stdout.flush()


def _message(subject: str, body: str) -> bytes:
    from datetime import UTC, datetime
    from email.message import EmailMessage
    from email.utils import format_datetime, make_msgid

    message = EmailMessage()
    message["From"] = "Otto <otto@demo.example>"
    message["To"] = f"Anna <{ADDRESS}>"
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain="demo.example")
    message.set_content(body)
    return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _mail() -> Iterator[tuple[bytes, str, tuple[bytes, ...]]]:
    """What is in the mailbox at the begin: message, folder, flags."""
    yield _message("Welcome", "This mailbox lives as long as the demo."), "INBOX", (b"\\Seen",)
    yield _message("Invoice 2026-114", "Please find it attached. (It isn't.)"), "INBOX", (b"\\Flagged",)
    yield _message("Grüße aus Zürich", "Bis bald!"), "INBOX", ()
    yield _message("Re: Welcome", "Thanks!"), "Sent", (b"\\Seen", b"\\Answered")
    yield _message("Minutes of the meeting", "All agreed."), "Archive/2026", (b"\\Seen",)
