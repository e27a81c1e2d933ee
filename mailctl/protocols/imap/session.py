"""An IMAP connection climbed stage by stage: what `diagnosis` checks, and the way in of `open_imap` alike."""

from collections.abc import Callable, Mapping

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import Folder, FolderStatus
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import ProtocolError
from mailctl.protocols.greeting import read_greeting
from mailctl.protocols.imap.channel import Channel
from mailctl.protocols.imap.mailbox import LARGEST, Mailbox
from mailctl.protocols.imap.quota import parse_quota
from mailctl.protocols.imap.signin import sign_in
from mailctl.protocols.imap.status import parse_status_response
from mailctl.protocols.resolve import Address, resolve
from mailctl.protocols.starttls import Prefix
from mailctl.protocols.tls import UNVERIFIED, Secured
from mailctl.protocols.transcript import Transcript
from mailctl.protocols.wire import Wire

INBOX = Folder("INBOX", b"INBOX")
_STAGES: Mapping[Security, tuple[str, ...]] = {
    Security.TLS: ("dns", "tcp", "tls", "greeting", "capability", "authenticate", "select"),
    Security.STARTTLS: ("dns", "tcp", "greeting", "starttls", "capability", "authenticate", "select"),
    Security.NONE: ("dns", "tcp", "greeting", "capability", "authenticate", "select"),
}
ROOM = 1 << 20
"""Octets of the receive buffer: TLS records of many messages at once."""


class ImapSession:
    """See `domain.check.Session`. Stages must be climbed in order, each once."""

    protocol = Protocol.IMAP

    def __init__(
        self,
        endpoint: Endpoint,
        user: str,
        secret: Secret,
        deadline: Deadline,
        transcript: Transcript | None = None,
        *,
        allow_plaintext: bool = False,
    ) -> None:
        self.stages = _STAGES[endpoint.security]
        self._endpoint, self._user, self._secret = endpoint, user, secret
        self._deadline, self._transcript, self._allow_plaintext = deadline, transcript, allow_plaintext
        self._addresses: list[Address] = []
        self._wire: Wire | None = None
        self._prefix: Prefix | None = None
        self._channel: Channel | None = None
        self._greeted = b""

    def climb(self, stage: str) -> Mapping[str, object]:
        """Carry out `stage` → what was learned. A failure ends the connection."""
        steps: dict[str, Callable[[], dict[str, object]]] = {
            "dns": self._dns,
            "tcp": self._tcp,
            "tls": self._tls,
            "greeting": self._greeting,
            "starttls": self._starttls,
            "capability": self._capability,
            "authenticate": self._authenticate,
            "select": self._select,
        }
        try:
            return steps[stage]()
        except BaseException:
            self._drop()
            raise

    def close(self) -> None:
        """LOGOUT if it can be done at once; never raises."""
        if self._channel is not None:
            self._channel.logout()
        self._drop()

    def open(self, *, largest: int = LARGEST) -> Mailbox:
        """Climb up to and with `authenticate`; from then on waits are bounded by the wire's own bound on silence."""
        for stage in self.stages[:-1]:
            self.climb(stage)
        self.channel.wire.deadline = Deadline(None)
        return Mailbox(self.channel, largest=largest)

    @property
    def channel(self) -> Channel:
        """The channel, from the stage `capability` on."""
        assert self._channel is not None, "stages are climbed in order"  # noqa: S101  # else a bug of the caller's
        return self._channel

    @property
    def wire(self) -> Wire:
        """The wire, from the stage `tcp` on."""
        assert self._wire is not None, "stages are climbed in order"  # noqa: S101  # as above
        return self._wire

    # -- the stages

    def _dns(self) -> dict[str, object]:
        self._addresses = resolve(self._endpoint.host, self._endpoint.port, self._deadline)
        return {"addresses": [address.ip for address in self._addresses]}

    def _tcp(self) -> dict[str, object]:
        self._wire = Wire.connect(self._endpoint, self._addresses, self._deadline, self._transcript, room=ROOM)
        return {"address": self._wire.address.ip, "failed": dict(self._wire.failed)}

    def _tls(self) -> dict[str, object]:
        return self._secured(self.wire.start_tls())

    def _greeting(self) -> dict[str, object]:
        if self._endpoint.security is Security.STARTTLS:
            self._prefix = Prefix(self.wire, Protocol.IMAP)
            return {"banner": self._prefix.greeting().text}
        greeting = read_greeting(self.wire, Protocol.IMAP)
        if greeting.preauth:
            raise ProtocolError(
                "the server says that we are signed in already, as somebody", code="preauth", server_text=greeting.text
            )
        self._greeted = greeting.text.encode()
        return {"banner": greeting.text}

    def _starttls(self) -> dict[str, object]:
        assert self._prefix is not None, "stages are climbed in order"  # noqa: S101  # as above
        before = self._prefix.capabilities()
        return {"capabilities": sorted(before), **self._secured(self._prefix.start_tls())}

    def _capability(self) -> dict[str, object]:
        """What the greeting told is believed where it was said inside TLS; otherwise it is asked."""
        self._channel = channel = Channel(self.wire)
        told = parse_status_response(b"OK " + self._greeted)
        if self.wire.encrypted and told is not None and told.code == "CAPABILITY":
            channel.learn(told.argument)
        else:
            channel.run(b"CAPABILITY").checked("CAPABILITY")
        if not channel.capabilities & {"IMAP4REV1", "IMAP4REV2", "IMAP4"}:
            raise ProtocolError("the server does not say that it speaks IMAP4", code="no_imap4", cause="wrong_protocol")
        return {"capabilities": sorted(channel.capabilities)}

    def _authenticate(self) -> dict[str, object]:
        mechanism = sign_in(self.channel, self._user, self._secret, allow_plaintext=self._allow_plaintext)
        return {"mechanism": mechanism, "capabilities": sorted(self.channel.capabilities)}

    def _select(self) -> dict[str, object]:
        status: FolderStatus = Mailbox(self.channel).select(INBOX, read_only=True)
        learned: dict[str, object] = {"folder": INBOX.name, "messages": status.messages}
        if "QUOTA" in self.channel.capabilities:
            answer = self.channel.run(b"GETQUOTAROOT INBOX")  # evidence: a refusal is none
            quota = parse_quota(response.parts for response in answer.responses)
            if quota is not None:
                learned["quota"] = quota
        return learned

    def _secured(self, secured: Secured) -> dict[str, object]:
        policy = self._endpoint.certificate
        warnings = [] if policy.verify or policy.fingerprints else [UNVERIFIED]
        return {**secured.facts(), **({"warnings": warnings} if warnings else {})}

    def _drop(self) -> None:
        if self._channel is not None:
            self._channel.end()
        if self._wire is not None:
            self._wire.close()


def imap_session(
    job: CheckJob, secret: Secret, deadline: Deadline, transcript: Transcript | None = None
) -> ImapSession:
    """The session of a check: every wait until `close` obeys `deadline`."""
    return ImapSession(job.endpoint, job.login.user, secret, deadline, transcript, allow_plaintext=job.allow_plaintext)


def open_imap(
    endpoint: Endpoint,
    user: str,
    secret: Secret,
    *,
    allow_plaintext: bool = False,
    timeout: float | None = 30.0,
    transcript: Transcript | None = None,
    largest: int = LARGEST,
) -> Mailbox:
    """Connect and sign in within `timeout` seconds, by the same stages as a check → a mailbox, no folder open.

    largest: octets that one message may have. Raises what the stages raise; then nothing is left open.
    """
    session = ImapSession(endpoint, user, secret, Deadline(timeout), transcript, allow_plaintext=allow_plaintext)
    return session.open(largest=largest)
