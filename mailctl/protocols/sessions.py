"""The check session for a job, of whichever protocol; only that protocol's adapter is loaded."""

from collections.abc import Callable, Sequence

from mailctl.domain.check import CheckJob, Session
from mailctl.domain.deadline import Deadline
from mailctl.domain.secret import Secret
from mailctl.domain.server import Protocol
from mailctl.protocols.transcript import Transcript


def open_session(job: CheckJob, secret: Secret, deadline: Deadline) -> tuple[Session, Callable[[], Sequence[str]]]:
    """A session, not connected yet, and a way to read its transcript, which is empty unless the job traces."""
    transcript = Transcript() if job.trace else None
    session: Session
    match job.protocol:
        case Protocol.IMAP:
            from mailctl.protocols.imap.session import imap_session

            session = imap_session(job, secret, deadline, transcript)
        case Protocol.POP3:
            from mailctl.protocols.pop3 import pop3_session

            session = pop3_session(job, secret, deadline, transcript)
        case Protocol.SMTP:
            from mailctl.protocols.smtp import smtp_session

            session = smtp_session(job, secret, deadline, transcript)
    return session, transcript.lines if transcript is not None else tuple
