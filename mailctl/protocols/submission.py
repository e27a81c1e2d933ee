"""Sending one message by SMTP (RFC 5321, 6409): the ladder of the check, then MAIL, RCPT for each recipient, DATA."""

import re
from collections.abc import Mapping, Sequence

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.errors import MailctlError, NetworkError, RefusedError
from mailctl.protocols.session import Climb
from mailctl.protocols.smtp import SmtpSession
from mailctl.protocols.smtp_reply import Reply, read_reply
from mailctl.protocols.transcript import Transcript

_LINE_END = re.compile(rb"\r\n|\r|\n")


class Submission(SmtpSession):
    """The ladder of sending: … authenticate, mail, rcpt, data. The sender is the address of the job.

    message: with any line ends. recipients: addresses. A recipient that is refused doesn't keep the others from theirs;
    it is an error only if all are (RFC 5321 section 4.1.1.3).
    """

    handed_over = False
    """Whether the whole message left, up to its final dot, and was not refused: the server may have taken it."""

    def __init__(
        self,
        job: CheckJob,
        secret: Secret,
        deadline: Deadline,
        transcript: Transcript | None = None,
        *,
        message: bytes,
        recipients: Sequence[str],
    ) -> None:
        super().__init__(job, secret, deadline, transcript)
        self._message = wire_form(message)
        self._recipients = tuple(recipients)
        self.refused: dict[str, Reply] = {}
        """Recipients that the server did not take, with its words."""

    def transaction(self) -> dict[str, Climb]:
        """The stages after sign-in."""
        return {"mail": self._mail, "rcpt": self._recipients_taken, "data": self._data}

    def mail_parameters(self) -> str:
        """The size, so that too large a message is refused before it is sent (RFC 1870), and that it has 8-bit text."""
        size = f" SIZE={len(self._message)}" if "SIZE" in self.extensions else ""
        return size + (" BODY=8BITMIME" if "8BITMIME" in self.extensions and not self._message.isascii() else "")

    def _recipients_taken(self) -> Mapping[str, object]:
        last: Reply | None = None
        for recipient in self._recipients:
            path, _ = self.path(recipient)
            reply = self.command(f"RCPT TO:<{path}>")
            if reply.code in (250, 251):
                last = reply
            else:
                self.refused[recipient] = reply
        if last is None:
            whom = ", ".join(self.refused)
            said = "\n".join(reply.text for reply in self.refused.values())
            raise RefusedError(f"{self.wire.endpoint} refuses mail to {whom}", server_text=said)
        refused = {whom: reply.text for whom, reply in self.refused.items()}
        return {"reply": last.text, "enhanced": last.enhanced} | ({"refused": refused} if refused else {})

    def _data(self) -> Mapping[str, object]:
        """DATA and the message. NetworkError (code delivery_unknown) if it left and no answer came: never again."""
        reply = self.command("DATA")
        if reply.code != 354:
            raise RefusedError(f"{self.wire.endpoint} refuses DATA", server_text=reply.text)
        self._open = False  # from here on only the final dot, or the connection's end, ends the transaction
        wire = self.wire
        transcript, wire.transcript = wire.transcript, None  # bodies are not kept
        try:
            wire.send(self._message)
            self.handed_over = True
            wire.send(b".\r\n")
        finally:
            wire.transcript = transcript
        if transcript is not None:
            transcript.note(f"{len(self._message)} octets of message, and the final dot")
        try:
            reply = read_reply(wire)
        except MailctlError as error:
            raise NetworkError(
                f"The connection to {wire.endpoint} ended after the whole message was sent: "
                "whether it was taken is unknown",
                hint="Look for it where it should arrive before it is sent again.",
                code="delivery_unknown",
                cause="connection_lost" if error.cause != "tcp_timeout" else "tcp_timeout",
                server_text=error.server_text,
            ) from error
        if reply.code != 250:
            self.handed_over = False
            raise RefusedError(f"{wire.endpoint} refuses the message", server_text=reply.text)
        return {"reply": reply.text, "enhanced": reply.enhanced, "octets": len(self._message)}


def wire_form(message: bytes) -> bytes:
    """`message` as DATA carries it, without the final dot: lines end in CRLF, dots at their begin are doubled.

    A lone CR or LF becomes CRLF: some servers take `LF . LF` for the end, and what follows for commands (RFC 5321
    section 2.3.8; the smuggling of 2023), so nothing but CRLF may leave.
    """
    lines = _LINE_END.split(message)
    if not lines[-1]:
        lines.pop()
    return b"".join(b"%s%s\r\n" % (b"." if line.startswith(b".") else b"", line) for line in lines)
