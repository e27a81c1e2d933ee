"""A probe that came back: what a delivery report (RFC 3464) says of it."""

from mailctl.diagnosis.probes.headers import header_fields

_NO_FAILURES = frozenset({"delayed", "delivered", "relayed", "expanded"})


def is_report(header: bytes) -> bool:
    """Whether the header may be that of a delivery report."""
    fields = dict(header_fields(header))
    sender = fields.get("from", "").lower()
    report = fields.get("content-type", "").lower().startswith("multipart/report")
    return report or "mailer-daemon@" in sender or "postmaster@" in sender


def bounce_text(message: bytes, message_id: str) -> str:
    """What a delivery report says of the message `message_id`: status and diagnostic.

    "" if it is on another message, or says that this one was delivered or only is delayed (`Action`). The fields are
    those of RFC 3464 section 2.3; what other reports say is for people to read.
    """
    text = message.decode("utf-8", "replace")
    if message_id not in text:
        return ""
    fields = dict(header_fields(message)[::-1])  # of each name the first
    if fields.get("action", "failed").partition(" ")[0].lower() in _NO_FAILURES:
        return ""
    status, diagnostic = fields.get("status", ""), fields.get("diagnostic-code", "")
    said = diagnostic.partition(";")[2].strip() or diagnostic
    return (said if status in said else f"{status} {said}".strip()) or "the message came back"


class BodyStart:
    """A `domain.mailbox.BodySink` that takes the begin of a body into memory."""

    MOST = 1 << 18

    def __init__(self) -> None:
        self.data = b""

    def write(self, chunk: bytes | memoryview) -> None:
        """See `BodySink`."""
        self.data += bytes(chunk)[: self.MOST - len(self.data)]

    def finish(self, meta: object) -> None:
        """It is all there."""

    def abandon(self) -> None:
        """See `BodySink`."""
        self.data = b""
