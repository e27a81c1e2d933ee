"""An IMAP connection climbed stage by stage: what `diagnosis` checks, and the way in of `open_imap` alike."""

from collections.abc import Mapping
from threading import Event
from typing import TYPE_CHECKING

from mailctl.domain.check_job import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.gateway import Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import ProtocolError
from mailctl.protocols.greeting import read_greeting
from mailctl.protocols.imap.channel import Channel
from mailctl.protocols.imap.signin import sign_in
from mailctl.protocols.imap.status import parse_status_response
from mailctl.protocols.session import Climb, WireSession
from mailctl.protocols.wire import Wire

if TYPE_CHECKING:
    from mailctl.protocols.imap.mailbox import Mailbox
    from mailctl.protocols.transcript import Transcript


def imap_session(
    job: CheckJob, secret: Secret | None, deadline: Deadline, transcript: "Transcript | None" = None
) -> "ImapSession":
    """A session for `job`; without a secret it ends before signing in. See `domain.check.Session`."""
    return ImapSession(job, secret, deadline, transcript)


def open_imap(
    endpoint: Endpoint,
    user: str,
    secret: Secret,
    *,
    allow_plaintext: bool = False,
    timeout: float | None = 30.0,
    transcript: "Transcript | None" = None,
    largest: int | None = None,
    stop: Event | None = None,
    dialed: Wire | None = None,
) -> "Mailbox":
    """Connect and sign in within `timeout` seconds, by the same stages as a check → a mailbox, no folder open.

    largest: octets that one message may have; None: `mailbox.LARGEST`. stop: see `Waits`. dialed: a connection to
    `endpoint` that is there already. Raises what the stages raise; then nothing is left open.
    """
    job = CheckJob("", "", Protocol.IMAP, endpoint, Login(user), allow_plaintext=allow_plaintext)
    session = ImapSession(job, secret, Deadline(timeout), transcript, stop=stop, dialed=dialed)
    session.sign_in()
    session.channel.bounded = True  # from here on each command has a deadline of its own
    from mailctl.protocols.imap.mailbox import LARGEST, Mailbox

    return Mailbox(session.channel, largest=LARGEST if largest is None else largest)


class ImapSession(WireSession):
    """The ladder of IMAP: … greeting, (starttls,) capability, authenticate, select, folders."""

    protocol = Protocol.IMAP

    def rungs(self, security: Security) -> dict[str, Climb]:
        """See `WireSession`."""
        self._channel: Channel | None = None
        self._told = b""
        rungs: dict[str, Climb] = {"starttls": self._starttls} if security is Security.STARTTLS else {}
        rungs["capability"] = self._capability
        if self.secret is not None:
            rungs |= {"authenticate": self._authenticate, "select": self._select, "folders": self._folders}
        return rungs

    @property
    def channel(self) -> Channel:
        """Commands and responses; there is one from "capability" on."""
        assert self._channel is not None, "climbed out of order"  # noqa: S101
        return self._channel

    def mailbox(self) -> "Mailbox":
        """The mailbox; there is one from "authenticate" on."""
        from mailctl.protocols.imap.mailbox import Mailbox

        return Mailbox(self.channel)

    def close(self) -> None:
        """LOGOUT if it can be done at once; never raises."""
        if self._channel is not None:
            self._channel.logout()
        super().close()

    def _greeting(self) -> Mapping[str, object]:
        if self._prefix is not None:  # nothing that is said before TLS is believed
            return super()._greeting()
        greeting = read_greeting(self.wire, self.protocol)
        if greeting.preauth:
            raise ProtocolError(
                f"{self.wire.endpoint} says that we are signed in already, as somebody",
                code="preauth",
                server_text=greeting.text,
            )
        self._told = greeting.text.encode()
        return {"greeting": greeting.text}

    def _starttls(self) -> Mapping[str, object]:
        before = sorted(self.prefix.capabilities())
        return {"capabilities_before_tls": before} | self.tls_evidence(self.prefix.start_tls())

    def _capability(self) -> Mapping[str, object]:
        """What the greeting told is believed where it was said inside TLS; otherwise it is asked."""
        self._channel = channel = Channel(self.wire)
        told = parse_status_response(b"OK " + self._told)
        if self.wire.encrypted and told is not None and told.code == "CAPABILITY":
            channel.learn(told.argument)
        else:
            channel.run(b"CAPABILITY").checked("CAPABILITY")
        if not channel.capabilities & {"IMAP4REV1", "IMAP4REV2", "IMAP4"}:
            raise ProtocolError(
                f"{self.wire.endpoint} does not say that it speaks IMAP4", code="no_imap4", cause="wrong_protocol"
            )
        return {"capabilities": sorted(channel.capabilities)}

    def _authenticate(self) -> Mapping[str, object]:
        assert self.secret is not None  # else there is no such stage  # noqa: S101
        warnings = self.require_privacy()
        mechanism = sign_in(self.channel, self.job.login.user, self.secret)
        return {"mechanism": mechanism, "capabilities": sorted(self.channel.capabilities), **warnings}

    def _select(self) -> Mapping[str, object]:
        from mailctl.domain.mailbox import Folder

        inbox = Folder("INBOX", b"INBOX")
        status = self.mailbox().select(inbox, read_only=True)
        return {"folder": inbox.name, "messages": status.messages}

    def _folders(self) -> Mapping[str, object]:
        from mailctl.protocols.imap.survey import survey

        return survey(self.channel)
