"""What the check sessions of the three protocols have in common: the rungs up to the greeting, and the way down."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

from mailctl.domain.check_job import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import BearerToken, Secret
from mailctl.domain.server import Protocol, Security
from mailctl.errors import AuthError, MailctlError, TlsError
from mailctl.protocols import tls
from mailctl.protocols.greeting import read_greeting, turned_away_in_clear
from mailctl.protocols.resolve import Address, resolve
from mailctl.protocols.wire import Wire

if TYPE_CHECKING:
    from mailctl.protocols.families import OtherFamily
    from mailctl.protocols.starttls import Prefix
    from mailctl.protocols.transcript import Transcript

Climb = Callable[[], Mapping[str, object]]

FAREWELL = 0.5
"""Seconds for the answer to a farewell."""
CLEARTEXT = "The password went over the network without encryption: anyone on the way could read it."


class WireSession:
    """A `domain.check.Session` on a `Wire`. A protocol gives `protocol` and `rungs`: what comes after the greeting.

    farewell: the command that ends the session politely; b"" where `close` is the protocol's own. stop: see `Waits`.
    dialed: a connection that is there already (see `dialed`); it is closed with the session.
    """

    protocol: Protocol
    farewell = b""

    def __init__(
        self,
        job: CheckJob,
        secret: Secret | None,
        deadline: Deadline,
        transcript: "Transcript | None" = None,
        *,
        stop: Event | None = None,
        dialed: Wire | None = None,
    ) -> None:
        self.job, self.secret, self.deadline, self.transcript = job, secret, deadline, transcript
        self._addresses: list[Address] = []
        self._wire, self._stop = dialed, stop
        self._prefix: Prefix | None = None
        self._thorough = True
        self._family: OtherFamily | None = None
        security = job.endpoint.security
        first: dict[str, Climb] = {"dns": self._dns, "tcp": self._tcp}
        if security is Security.TLS:
            first["tls"] = self._tls
        first["greeting"] = self._greeting
        self._rungs = first | self.rungs(security)
        self.stages = tuple(self._rungs)

    def rungs(self, security: Security) -> dict[str, Climb]:
        """The stages after the greeting, in order, and what carries each out."""
        raise NotImplementedError

    def climb(self, stage: str) -> Mapping[str, object]:
        """See `domain.check.Session`."""
        return self._rungs[stage]()

    def sign_in(self) -> Wire:
        """Climb up to where the mailbox is signed in to (what comes after is for checks) → the connection.

        Raises what the stages raise; then nothing is left open.
        """
        self._thorough = False
        try:
            for stage in self.stages[: self.stages.index("authenticate") + 1]:
                self.climb(stage)
        except BaseException:
            self.close()
            raise
        return self.wire

    def late(self) -> Mapping[str, Mapping[str, object]]:
        """See `domain.check.Session`: of "tcp", `families` (see `OtherFamily.seen`)."""
        return {"tcp": {"families": self._family.seen()}} if self._family else {}

    def close(self) -> None:
        """Say goodbye, and wait a moment for the answer; never raises."""
        wire = self._wire
        if wire is None:
            return
        if self.farewell and not wire.closed:
            with suppress(MailctlError):  # it was only politeness
                wire.deadline = Deadline(FAREWELL)
                wire.send(self.farewell + b"\r\n")
                wire.pending(FAREWELL)
        wire.close()

    @property
    def wire(self) -> Wire:
        """The connection; there is one from "tcp" on."""
        assert self._wire is not None, "climbed out of order"  # noqa: S101
        return self._wire

    @property
    def prefix(self) -> "Prefix":
        """The exchange before STARTTLS; there is one from "tcp" on where the endpoint says so."""
        assert self._prefix is not None, "climbed out of order"  # noqa: S101
        return self._prefix

    def require_privacy(self) -> dict[str, object]:
        """Evidence with the warning that is due, if a password may be sent on this connection; AuthError if not."""
        wire = self.wire
        require_privacy(wire, allow_plaintext=self.job.allow_plaintext, token=isinstance(self.secret, BearerToken))
        return {} if wire.encrypted or wire.loopback else {"warnings": [CLEARTEXT]}

    def tls_evidence(self, secured: tls.Secured) -> dict[str, object]:
        """What the handshake taught, with a warning if the certificate was not checked; for a check only.

        Reading a certificate takes longer, and more memory, than all the rest of a sign-in.
        """
        if not self._thorough:
            return {}
        return secured.facts() | ({} if secured.verified else {"warnings": [tls.UNVERIFIED]})

    def _dns(self) -> Mapping[str, object]:
        if self._wire is not None:
            return {}
        endpoint = self.job.endpoint
        self._addresses = resolve(endpoint.host, endpoint.port, self.deadline)
        return {"host": endpoint.host, "addresses": [address.ip for address in self._addresses]}

    def _tcp(self) -> Mapping[str, object]:
        began = monotonic()
        if self._wire is None:
            self._wire = Wire.connect(self.job.endpoint, self._addresses, self.deadline, self.transcript)
        self._wire.deadline, self._wire.waits.stop = self.deadline, self._stop
        if self._thorough:
            from mailctl.protocols.families import OtherFamily

            ms = round((monotonic() - began) * 1000, 1)
            self._family = OtherFamily(self._addresses, self._wire.address, ms, self._wire.failed)
        if self.job.endpoint.security is Security.STARTTLS:
            from mailctl.protocols.starttls import Prefix

            self._prefix = Prefix(self._wire, self.protocol)
        return {"address": self._wire.address.ip, "port": self.job.endpoint.port, "failed": self._wire.failed}

    def _tls(self) -> Mapping[str, object]:
        try:
            return self.tls_evidence(self.wire.secured or self.wire.start_tls())
        except TlsError as error:
            refused = turned_away_in_clear(self.wire, self.protocol) if error.cause == "tls_on_plain_port" else None
            raise refused or error from error.__cause__

    def _greeting(self) -> Mapping[str, object]:
        greeting = self._prefix.greeting() if self._prefix else read_greeting(self.wire, self.protocol)
        return {"greeting": greeting.text} | ({"preauth": True} if greeting.preauth else {})


def require_privacy(wire: Wire, *, allow_plaintext: bool, token: bool = False) -> None:
    """AuthError (cause encryption_required) unless a password, or a token, may be sent on `wire`.

    A token goes in clear to nobody but this machine, whatever the configuration says (RFC 6750 section 5.3).
    """
    if not wire.secret_allowed(allow_plaintext=allow_plaintext and not token):
        permits = "" if token else "; `allow_plaintext` permits it all the same"
        raise AuthError(
            f"The {'token' if token else 'password'} for {wire.endpoint} would travel without encryption; "
            "it was not sent",
            hint=f"Set the security of the endpoint to tls or starttls{permits}.",
            code="encryption_required",
            cause="encryption_required",
        )
