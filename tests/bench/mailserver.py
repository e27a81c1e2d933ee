"""The Dovecot of the benchmarks and its mailboxes: `MailServer`, `Mailbox`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from tests.servers.support.certificates import Certificates
from tests.servers.support.dovecot import Dovecot
from tests.servers.support.dovecot_config import DovecotSettings
from tests.servers.support.dovecot_programs import find_dovecot
from tests.servers.support.imap_pipe import quote
from tests.servers.support.mail import Mail
from tests.servers.support.workspace import Workspace

from .corpus import Corpus, write_maildir

_COMPRESS = """
mail_plugins = $mail_plugins zlib
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}
"""  # 2.4 offers it by itself


class NoServerError(Exception):
    """There is no Dovecot here."""


@dataclass(frozen=True)
class Mailbox:
    """A user's mailbox. folders: names and how many messages; octets: of all of them."""

    server: "MailServer"
    user: str
    folders: Sequence[tuple[str, int]]
    octets: int

    @property
    def password(self) -> str:
        """Of that user."""
        return self.server.dovecot.passwords[self.user]

    def change(self, number: int, corpus: Corpus, each: int = 10) -> None:
        """Bring `each` new messages, flag as many others in two ways, and expunge as many; fewer in a small INBOX.

        number: of this change.
        """
        made = Random(number)
        with self.server.dovecot.session(self.user) as session:
            (found, *_) = [line for line in session.command("SELECT INBOX") if b"EXISTS" in line]
            exist = int(found.split()[1])
            each = min(each, exist // 2)
            chosen = made.sample(range(1, exist + 1), 2 * each)
            flagged, gone = chosen[:each], ",".join(map(str, chosen[each:]))
            half = each // 2
            session.command("STORE", ",".join(map(str, flagged[:half])), "FLAGS.SILENT (\\Seen \\Flagged)")
            session.command("STORE", ",".join(map(str, flagged[half:])), "FLAGS.SILENT (\\Answered)")
            session.command("STORE", gone, "+FLAGS.SILENT (\\Deleted)")
            session.command("EXPUNGE")
            session.append("INBOX", [Mail(m.data.replace(b"\n", b"\r\n")) for m in corpus.messages(each)])
        self.warm()

    def warm(self) -> None:
        """Have the server's indexes and the disk's cache filled, as those of a mailbox in use are."""
        with self.server.dovecot.session(self.user) as session:
            for name, _ in self.folders:
                session.command("EXAMINE", quote(name))
                session.command("UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)")


class MailServer:
    """A running Dovecot that offers COMPRESS and keeps mail in Maildir++; made by `running`."""

    def __init__(self, workspace: Workspace, dovecot: Dovecot, certificates: Certificates) -> None:
        self.dovecot, self.authority, self._workspace = dovecot, certificates.ca, workspace

    def mailbox(self, folders: Sequence[tuple[str, int]], corpus: Corpus) -> Mailbox:
        """A new mailbox of a new user, its caches warm."""
        user = self.dovecot.new_user()
        home = self.dovecot.home(user)
        account = self._workspace.user
        octets = write_maildir(home / "mail", folders, corpus, (account.uid, account.gid))
        made = Mailbox(self, user, folders, octets)
        made.warm()
        return made


@contextmanager
def running() -> Iterator[MailServer]:
    """A server on free ports of loopback, ended and removed afterwards.

    Raises:
        NoServerError: there is none on this machine.
    """
    with Workspace() as workspace:
        programs = find_dovecot(workspace)
        if programs is None:
            raise NoServerError("the benchmark needs Dovecot: tests/setup/packages gets it")
        certificates = Certificates(workspace.folder("certificates"))
        settings = DovecotSettings(
            storage="maildir",
            layout="maildir++",
            mechanisms=("plain", "login"),
            extra=_COMPRESS if programs.version < (2, 4) else "",
        )
        with Dovecot(workspace, programs, certificates, settings) as dovecot:
            yield MailServer(workspace, dovecot, certificates)
